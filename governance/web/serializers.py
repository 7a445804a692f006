"""What the API says and takes about approvals, kill switches and the policy."""

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from governance.models import Approval, ApprovalState, ApprovalVote, Hold
from governance.models.approvals import ApprovalKind, VoteDecision
from governance.models.holds import HoldKind
from governance.selectors.lists import why_not_decide


class VoteAnswer(serializers.ModelSerializer[ApprovalVote]):
    class Meta:
        model = ApprovalVote
        fields: ClassVar = ["voter", "voter_name", "decision", "feedback", "binding_hash", "at"]


class ApprovalSummary(serializers.ModelSerializer[Approval]):
    number = serializers.IntegerField(source="pk")
    state = serializers.ChoiceField(ApprovalState.choices)
    state_label = serializers.CharField(source="get_state_display")
    eligible_roles = serializers.ListField(child=serializers.CharField())
    votes = VoteAnswer(many=True)

    class Meta:
        model = Approval
        fields: ClassVar = [
            "number",
            "kind",
            "subject",
            "title",
            "risk",
            "requester",
            "eligible_roles",
            "quorum",
            "state",
            "state_label",
            "state_reason",
            "requested_at",
            "expires_at",
            "decided_at",
            "executed_at",
            "alarmed_at",
            "held_reason",
            "votes",
        ]


class ApprovalAnswer(ApprovalSummary):
    """With exactly what will happen: the decision names `binding_hash`, which stands for `binding`."""

    binding = serializers.DictField()
    excluded = serializers.ListField(child=serializers.CharField(), help_text="Who had a part in it.")
    outcome = serializers.DictField(allow_null=True, help_text="The receipt of what was done.")
    may_decide = serializers.SerializerMethodField()
    may_not_because = serializers.SerializerMethodField()

    class Meta(ApprovalSummary.Meta):
        fields: ClassVar = [
            *ApprovalSummary.Meta.fields,
            "summary",
            "binding",
            "binding_hash",
            "excluded",
            "outcome",
            "may_decide",
            "may_not_because",
        ]

    @extend_schema_field(bool)
    def get_may_decide(self, approval: Approval) -> bool:
        return not why_not_decide(self.context["actor"], approval)

    @extend_schema_field(str)
    def get_may_not_because(self, approval: Approval) -> str:
        return why_not_decide(self.context["actor"], approval)


class ApprovalQuery(serializers.Serializer[Any]):
    state = serializers.ChoiceField(ApprovalState.choices, required=False, help_text="Only in this state.")
    kind = serializers.ChoiceField(ApprovalKind.choices, required=False, help_text="Only of this kind.")
    subject = serializers.CharField(max_length=160, required=False, help_text="Only about this, such as task:SHOP-1.1.")
    mine = serializers.BooleanField(default=False, help_text="Only what waits for the caller's own decision.")


class DecisionBody(serializers.Serializer[Any]):
    decision = serializers.ChoiceField(VoteDecision.choices)
    binding_hash = serializers.RegexField(r"\A[0-9a-f]{64}\Z", help_text="Of the approval as it was looked at.")
    feedback = serializers.CharField(
        max_length=20_000,
        default="",
        allow_blank=True,
        help_text="At least 10 characters unless it is approved; the answer, where the binding has a question.",
    )


class StoppedWork(serializers.Serializer[Any]):
    """A run that a kill switch found under way, and what it was in the middle of."""

    ref = serializers.CharField(help_text="Such as run:12.")
    title = serializers.CharField()
    agent = serializers.CharField()
    commands = serializers.ListField(child=serializers.CharField())
    calls = serializers.ListField(child=serializers.CharField(), help_text="Calls of models.")


class HoldAnswer(serializers.ModelSerializer[Hold]):
    stopped = StoppedWork(many=True)

    class Meta:
        model = Hold
        fields: ClassVar = ["id", "kind", "target", "reason", "held_by", "held_at", "stopped", "lifted_by", "lifted_at"]


class HoldQuery(serializers.Serializer[Any]):
    state = serializers.ChoiceField(["on", "lifted"], default="on", help_text="Lifted ones come last lifted first.")


class HoldBody(serializers.Serializer[Any]):
    kind = serializers.ChoiceField(HoldKind.choices)
    target = serializers.CharField(
        max_length=160, default="", allow_blank=True,
        help_text="agent:mason for an agent, the number of a strategy or a run; empty for the organisation. It has to exist.",
    )  # fmt: skip
    reason = serializers.CharField(max_length=300)


class PolicyAnswer(serializers.Serializer[Any]):
    version = serializers.IntegerField()
    text = serializers.CharField(help_text="YAML, as written.")
    document = serializers.DictField(help_text="What it says, defaults filled in.")


class AuditQuery(serializers.Serializer[Any]):
    kind = serializers.CharField(max_length=80, required=False, help_text="Such as planning.story.transitioned.")
    outcome = serializers.ChoiceField(["done", "denied"], required=False)
    subject = serializers.CharField(max_length=120, required=False, help_text="Such as story:SHOP-142.")
    actor = serializers.CharField(max_length=80, required=False, help_text="Such as agent:mason.")
    operation = serializers.UUIDField(required=False, help_text="Everything that one request or job set off.")
    text = serializers.CharField(max_length=200, required=False, help_text="Words in what happened or why.")
    since = serializers.DateTimeField(required=False)
    until = serializers.DateTimeField(required=False, help_text="Does not count itself.")
    before = serializers.IntegerField(min_value=1, max_value=2**63 - 1, required=False, help_text="For the next page.")
    limit = serializers.IntegerField(min_value=1, max_value=200, default=50)
