"""What the API says and takes about agents, runs, changes and repositories."""

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from gpu_workers.models import ChangeRequest, CIRun, Repository, Run, RunLog, RunStep
from gpu_workers.models.change import ChangeState
from gpu_workers.models.run import Phase, RunKind, RunState
from gpu_workers.repos import FileDiff
from gpu_workers.selectors import phases_of, totals_of
from gpu_workers.web.hunks import hunks_of

SHA = r"\A[0-9a-f]{40,64}\Z"


class RunSummary(serializers.ModelSerializer[Run]):
    agent = serializers.CharField(source="agent.name")
    state = serializers.ChoiceField(RunState.choices)

    class Meta:
        model = Run
        fields: ClassVar = [
            "number",
            "kind",
            "subject",
            "story",
            "title",
            "agent",
            "state",
            "phase",
            "round",
            "repository",
            "branch",
            "base_sha",
            "head_sha",
            "reason",
            "created_at",
            "started_at",
            "ended_at",
        ]


class PhaseAnswer(serializers.Serializer[Any]):
    key = serializers.ChoiceField(Phase.choices)
    label = serializers.CharField()  # type: ignore[assignment]
    state = serializers.CharField(help_text="past, now, bad, or empty: nothing yet.")


class StepAnswer(serializers.ModelSerializer[RunStep]):
    request = serializers.DictField()
    response = serializers.DictField(allow_null=True)

    class Meta:
        model = RunStep
        fields: ClassVar = [
            "key",
            "phase",
            "kind",
            "title",
            "request",
            "response",
            "ok",
            "tokens_in",
            "tokens_out",
            "cost",
            "started_at",
            "finished_at",
        ]


class TotalsAnswer(serializers.Serializer[Any]):
    tokens_in = serializers.IntegerField()
    tokens_out = serializers.IntegerField()
    cost = serializers.DecimalField(max_digits=20, decimal_places=10, help_text="US dollars.")


class RunAnswer(RunSummary):
    phases = serializers.SerializerMethodField()
    totals = serializers.SerializerMethodField()
    steps = StepAnswer(many=True)

    class Meta(RunSummary.Meta):
        fields: ClassVar = [*RunSummary.Meta.fields, "prompt_version", "prompt_sha256", "phases", "totals", "steps"]

    @extend_schema_field(PhaseAnswer(many=True))
    def get_phases(self, run: Run) -> Any:
        return phases_of(run)

    @extend_schema_field(TotalsAnswer)
    def get_totals(self, run: Run) -> Any:
        return TotalsAnswer(totals_of(run)).data


class LogLine(serializers.ModelSerializer[RunLog]):
    class Meta:
        model = RunLog
        fields: ClassVar = ["id", "phase", "tone", "text", "at"]


class CISummary(serializers.ModelSerializer[CIRun]):
    command_sha256 = serializers.CharField(
        read_only=True,
        help_text="SHA-256 of the CI command that it was given by; empty where that was not written down.",
    )

    class Meta:
        model = CIRun
        fields: ClassVar = [
            "id",
            "repository",
            "sha",
            "purpose",
            "command_sha256",
            "status",
            "exit_code",
            "passed",
            "failed",
            "duration_ms",
            "at",
        ]


class CIAnswer(CISummary):
    tests = serializers.ListField(child=serializers.DictField())

    class Meta(CISummary.Meta):
        fields: ClassVar = [*CISummary.Meta.fields, "tests", "log"]


class ChangedFile(serializers.Serializer[Any]):
    path = serializers.CharField()
    status = serializers.CharField()
    added = serializers.IntegerField()
    removed = serializers.IntegerField()


class ChangeSummary(serializers.ModelSerializer[ChangeRequest]):
    run = serializers.IntegerField(
        source="run.number", default=None, allow_null=True, help_text="Null where a person handed it in."
    )
    state = serializers.ChoiceField(ChangeState.choices)
    files = ChangedFile(many=True)

    class Meta:
        model = ChangeRequest
        fields: ClassVar = [
            "number",
            "task",
            "story",
            "title",
            "repository",
            "branch",
            "base_sha",
            "head_sha",
            "diff_hash",
            "files",
            "added",
            "removed",
            "author",
            "run",
            "state",
            "merged_sha",
            "reverted_sha",
            "created_at",
            "merged_at",
        ]


class HunkAnswer(serializers.Serializer[Any]):
    header = serializers.CharField(help_text="Such as @@ -1,4 +1,5 @@.")
    lines = serializers.ListField(
        child=serializers.CharField(trim_whitespace=False, allow_blank=True), help_text="Each with its sign."
    )


class DiffFile(serializers.Serializer[FileDiff]):
    path = serializers.CharField()
    old_path = serializers.CharField(allow_null=True)
    status = serializers.CharField()
    added = serializers.IntegerField()
    removed = serializers.IntegerField()
    binary = serializers.BooleanField()
    truncated = serializers.BooleanField(help_text="Whether some of the text is left out.")
    hidden_characters = serializers.BooleanField(
        source="hides",
        help_text="Whether its lines or names hold characters that cannot be seen or that change how a line reads. In lines, "
        "each is given by its code, such as <U+202E>; names are as they are.",
    )
    hunks = serializers.SerializerMethodField()

    @extend_schema_field(HunkAnswer(many=True))
    def get_hunks(self, file: FileDiff) -> Any:
        return hunks_of(file.text)


class RepositoryAnswer(serializers.ModelSerializer[Repository]):
    class Meta:
        model = Repository
        fields: ClassVar = ["name", "default_branch", "ci_command", "created_at"]


class ReasonBody(serializers.Serializer[Any]):
    reason = serializers.CharField(min_length=10, max_length=200, help_text="Why, in 10 to 200 characters.")


class RunQuery(serializers.Serializer[Any]):
    state = serializers.ChoiceField(RunState.choices, required=False)
    kind = serializers.ChoiceField(RunKind.choices, required=False)
    subject = serializers.CharField(max_length=120, required=False, help_text="Such as task:SHOP-142.3.")
    story = serializers.CharField(max_length=120, required=False, help_text="Such as story:SHOP-142.")
    agent = serializers.SlugField(max_length=40, required=False)


class LogQuery(serializers.Serializer[Any]):
    after = serializers.IntegerField(min_value=0, max_value=2**63 - 1, default=0, help_text="The last id you have.")


class ChangeQuery(serializers.Serializer[Any]):
    state = serializers.ChoiceField(ChangeState.choices, required=False)
    project = serializers.RegexField(r"\A[A-Z][A-Z0-9]{1,9}\Z", required=False, help_text="A project's key.")
    task = serializers.CharField(max_length=120, required=False, help_text="Such as SHOP-142.3.")
    story = serializers.CharField(max_length=120, required=False, help_text="Such as story:SHOP-142.")
    repository = serializers.SlugField(max_length=60, required=False)


class CIQuery(serializers.Serializer[Any]):
    sha = serializers.RegexField(SHA, required=False)
    repository = serializers.SlugField(max_length=60, required=False)
