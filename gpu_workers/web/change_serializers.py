"""What the API says and takes about remarks on changes, and about what became of one."""

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from gpu_workers.actions.remarks import LONGEST
from gpu_workers.ci_answers import known_ci
from gpu_workers.forges.choosing import pull_request_of
from gpu_workers.models import ChangeRemark, ChangeRequest, CIRun, Errand, PullRequest
from gpu_workers.models.errand import ErrandKind
from gpu_workers.models.remark import Side
from gpu_workers.web.change_shown import commits_of, cost_of, risk_of, waiting_errand
from gpu_workers.web.serializers import SHA, ChangeSummary, CISummary, DiffFile


class RemarkAnswer(serializers.ModelSerializer[ChangeRemark]):
    outdated = serializers.SerializerMethodField(help_text="Whether the change is at another commit by now.")

    class Meta:
        model = ChangeRemark
        fields: ClassVar = [
            "id",
            "path",
            "side",
            "line",
            "commit_sha",
            "outdated",
            "text",
            "author",
            "author_name",
            "created_at",
            "version",
            "edited_at",
            "read_by",
        ]
        extra_kwargs: ClassVar = {
            "read_by": {"help_text": "The first run that was told of it; from then on it stays as it is."}
        }

    def get_outdated(self, remark: ChangeRemark) -> bool:
        return remark.commit_sha != remark.change.head_sha


class RemarkBody(serializers.Serializer[Any]):
    commit_sha = serializers.RegexField(
        SHA, help_text="The change's head as you saw it; another one is refused as stale."
    )
    path = serializers.CharField(
        max_length=1000, trim_whitespace=False, help_text="As the change's diff names the file."
    )
    line = serializers.IntegerField(min_value=1, max_value=999_999_999, help_text="A line that the diff shows.")
    side = serializers.ChoiceField(Side.choices, default=Side.NEW)
    text = serializers.CharField(max_length=LONGEST)


class RemarkEdit(serializers.Serializer[Any]):
    text = serializers.CharField(max_length=LONGEST)


class ChangeApproval(serializers.Serializer[Any]):
    number = serializers.IntegerField(source="view.number")
    kind = serializers.CharField(source="view.kind")
    state = serializers.CharField(source="view.state")
    current = serializers.BooleanField(help_text="Whether it is of the commit that the change is at.")
    requested_at = serializers.DateTimeField(source="view.requested_at")
    decided_at = serializers.DateTimeField(source="view.decided_at", allow_null=True)


class ChangeCommit(serializers.Serializer[Any]):
    sha = serializers.CharField()
    author = serializers.CharField()
    when = serializers.DateTimeField()
    subject = serializers.CharField(help_text="The message's first line.")
    body = serializers.CharField(help_text="What stands below it.")


class ChangeCI(CISummary):
    """CI's answer on a change's head, and whether it counts now."""

    counts = serializers.SerializerMethodField(
        help_text="Whether it is by the CI command that the repository has now. Where it is not, CI runs again before a merge."
    )

    class Meta(CISummary.Meta):
        fields: ClassVar = [*CISummary.Meta.fields, "counts"]

    def get_counts(self, run: CIRun) -> bool:
        return bool(self.context["counts"])


class ChangePullRequest(serializers.ModelSerializer[PullRequest]):
    url = serializers.SerializerMethodField(help_text="Empty where its forge named no https address.")

    class Meta:
        model = PullRequest
        fields: ClassVar = ["number", "url", "branch"]

    def get_url(self, pull: PullRequest) -> str:
        return pull.url if pull.url.startswith("https://") else ""


class ChangeErrand(serializers.ModelSerializer[Errand]):
    kind = serializers.ChoiceField(ErrandKind.choices, read_only=True)

    class Meta:
        model = Errand
        fields: ClassVar = ["kind", "number", "reason", "retry_at"]
        read_only_fields: ClassVar = fields
        extra_kwargs: ClassVar = {"number": {"help_text": "The approval's of a merge, the change's of the others."}}


class ChangeAnswer(ChangeSummary):
    """`context["diff"]` holds the changed files or None, `context["approvals"]` those that the caller may see."""

    diff = serializers.SerializerMethodField(help_text="The changed files; null where the repository cannot show them.")
    pull_request = serializers.SerializerMethodField(help_text="What stands for it at its forge; null without one.")
    waits = serializers.SerializerMethodField(
        help_text="What is to be done with it in its repository or at its forge and waits, and why; null where nothing does."
    )
    description = serializers.CharField(help_text="What its agent says of it; plain text.")
    commits = serializers.SerializerMethodField(help_text="Those of its range, newest first, at most 50.")
    ci = serializers.SerializerMethodField(
        help_text="CI's answer on the change's head: the one that counts, else the latest."
    )
    approvals = serializers.SerializerMethodField(help_text="What people were asked about its task, newest first.")
    risk = serializers.SerializerMethodField(help_text="Of its task.")
    cost = serializers.SerializerMethodField(help_text="What its task has cost so far, in US dollars.")

    class Meta(ChangeSummary.Meta):
        fields: ClassVar = [
            *ChangeSummary.Meta.fields,
            "description",
            "commits",
            "ci",
            "approvals",
            "pull_request",
            "waits",
            "risk",
            "cost",
            "diff",
        ]

    @extend_schema_field(DiffFile(many=True, allow_null=True))
    def get_diff(self, change: ChangeRequest) -> Any:
        found = self.context["diff"]
        return None if found is None else DiffFile(found, many=True).data

    @extend_schema_field(ChangeCommit(many=True))
    def get_commits(self, change: ChangeRequest) -> Any:
        return ChangeCommit(commits_of(change), many=True).data

    @extend_schema_field(ChangeCI(allow_null=True))
    def get_ci(self, change: ChangeRequest) -> Any:
        found = known_ci(change.repository, change.head_sha)
        return ChangeCI(found.run, context={"counts": found.counts}).data if found else None

    @extend_schema_field(ChangeApproval(many=True))
    def get_approvals(self, change: ChangeRequest) -> Any:
        return ChangeApproval(self.context["approvals"], many=True).data

    @extend_schema_field(ChangePullRequest(allow_null=True))
    def get_pull_request(self, change: ChangeRequest) -> Any:
        found = pull_request_of(change)
        return ChangePullRequest(found).data if found else None

    @extend_schema_field(ChangeErrand(allow_null=True))
    def get_waits(self, change: ChangeRequest) -> Any:
        found = waiting_errand(change, self.context["approvals"])
        return ChangeErrand(found).data if found else None

    def get_risk(self, change: ChangeRequest) -> str:
        return risk_of(change)

    @extend_schema_field(serializers.DecimalField(max_digits=20, decimal_places=10))
    def get_cost(self, change: ChangeRequest) -> str:
        return str(cost_of(change))
