"""What the API says and takes about the policy, proposals for it, and confidence. Shares are from 0 to 1."""

from typing import Any, ClassVar

from rest_framework import serializers

from governance.models import Assessment, Policy, PolicyDraft
from governance.models.policy import DraftState
from governance.policies.document_text import MAX_CHARS


class PolicyVersion(serializers.ModelSerializer[Policy]):
    """One version that is or was in force."""

    approval = serializers.IntegerField(allow_null=True, help_text="null for the founding version.")

    class Meta:
        model = Policy
        fields: ClassVar = ["version", "active", "digest", "approval", "made_at"]


class PolicyVersionText(PolicyVersion):
    text = serializers.CharField(help_text="YAML, as written.")

    class Meta(PolicyVersion.Meta):
        fields: ClassVar = [*PolicyVersion.Meta.fields, "text"]


class PolicyDraftSummary(serializers.ModelSerializer[PolicyDraft]):
    number = serializers.IntegerField(source="pk")
    state = serializers.ChoiceField(DraftState.choices)
    state_label = serializers.CharField(source="get_state_display")
    authors = serializers.ListField(child=serializers.CharField(), help_text="None of them counts in its approval.")

    class Meta:
        model = PolicyDraft
        fields: ClassVar = [
            "number",
            "reason",
            "state",
            "state_label",
            "state_reason",
            "base_version",
            "digest",
            "revision",
            "authors",
            "asked_by",
            "activated_as",
            "made_at",
            "changed_at",
        ]


class DiffLineAnswer(serializers.Serializer[Any]):
    mark = serializers.ChoiceField(["+", "-", " ", "@"], help_text="@ begins a part of the text.")
    text = serializers.CharField(allow_blank=True)
    before = serializers.IntegerField(allow_null=True, help_text="Its line in the policy in force.")
    after = serializers.IntegerField(allow_null=True, help_text="Its line in the draft.")


class PolicyDraftAnswer(PolicyDraftSummary):
    """With its text, how it differs from the policy in force, and the approval that it waits for."""

    text = serializers.CharField()
    diff = DiffLineAnswer(many=True)
    risk = serializers.CharField(help_text="high where it loosens a guard, else medium.")
    loosens = serializers.ListField(
        child=serializers.CharField(), help_text="What agents could do that they cannot now."
    )
    approval = serializers.IntegerField(allow_null=True, help_text="The newest approval asked for it.")

    class Meta(PolicyDraftSummary.Meta):
        fields: ClassVar = [*PolicyDraftSummary.Meta.fields, "text", "diff", "risk", "loosens", "approval"]


class PolicyBody(serializers.Serializer[Any]):
    text = serializers.CharField(trim_whitespace=False, max_length=2 * MAX_CHARS, help_text="YAML.")


class PolicyDraftBody(PolicyBody):
    reason = serializers.CharField(max_length=300, help_text="At least 10 characters, for those who approve it.")


class PolicyDraftEdit(PolicyDraftBody):
    revision = serializers.IntegerField(min_value=1, max_value=2**31 - 1, help_text="As it was read; 412 for another.")


class PolicySubmitBody(serializers.Serializer[Any]):
    digest = serializers.RegexField(r"\A[0-9a-f]{64}\Z", help_text="Of the draft as it was looked at; 409 for another.")


class PolicyWithdrawBody(serializers.Serializer[Any]):
    reason = serializers.CharField(max_length=300, default="", allow_blank=True)


class PolicyProblem(serializers.Serializer[Any]):
    line = serializers.IntegerField(help_text="Counted from 1.")
    message = serializers.CharField()


class PolicyCheckAnswer(serializers.Serializer[Any]):
    valid = serializers.BooleanField()
    problems = PolicyProblem(many=True)


class SimulatedKind(serializers.Serializer[Any]):
    kind = serializers.CharField()
    number = serializers.IntegerField()
    blocked = serializers.IntegerField(help_text="By the draft.")
    asked = serializers.IntegerField(help_text="By the draft.")
    before_blocked = serializers.IntegerField(help_text="By the policy in force.")
    before_asked = serializers.IntegerField(help_text="By the policy in force.")


class SimulatedAction(serializers.Serializer[Any]):
    at = serializers.DateTimeField()
    kind = serializers.CharField()
    ref = serializers.CharField()
    title = serializers.CharField()
    before = serializers.CharField(help_text="allow, ask or refuse.")
    after = serializers.CharField(help_text="allow, ask or refuse.")
    reason = serializers.CharField(allow_blank=True)


class SimulationAnswer(serializers.Serializer[Any]):
    """What was done in the last thirty days, and what the draft would have said to it."""

    number = serializers.IntegerField()
    since = serializers.DateTimeField(allow_null=True)
    blocked = serializers.IntegerField()
    asked = serializers.IntegerField()
    changed = serializers.IntegerField(
        help_text="How many the two policies answer differently; the first 200 are listed."
    )
    cut = serializers.BooleanField(help_text="There was more than is replayed.")
    not_simulated = serializers.ListField(
        child=serializers.CharField(), help_text="Of what a policy says, what this tells nothing of."
    )
    kinds = SimulatedKind(many=True)
    differences = SimulatedAction(many=True)


class AssessmentAnswer(serializers.ModelSerializer[Assessment]):
    """How sure an agent's effect was; `agreed` is what people decided, null until they did."""

    components = serializers.DictField(help_text="What it was computed from, each from 0 to 1.")
    reasons = serializers.ListField(child=serializers.CharField())

    class Meta:
        model = Assessment
        fields: ClassVar = [
            "id",
            "effect",
            "subject",
            "key",
            "agent",
            "run",
            "score",
            "threshold",
            "halted",
            "components",
            "formula",
            "reasons",
            "policy_version",
            "made_at",
            "agreed",
            "judged_at",
        ]


class AssessmentQuery(serializers.Serializer[Any]):
    subject = serializers.CharField(max_length=160, required=False, help_text="Such as task:SHOP-1.1.")
    run = serializers.CharField(max_length=120, required=False, help_text="Such as run:318.")
    agent = serializers.CharField(max_length=160, required=False, help_text="Such as agent:mason.")


class CalibrationQuery(serializers.Serializer[Any]):
    agent = serializers.CharField(max_length=160, required=False, help_text="Such as agent:mason.")


class BandAnswer(serializers.Serializer[Any]):
    low = serializers.DecimalField(max_digits=5, decimal_places=4)
    high = serializers.DecimalField(max_digits=5, decimal_places=4)
    number = serializers.IntegerField()
    halted = serializers.IntegerField()
    judged = serializers.IntegerField()
    agreed = serializers.IntegerField()
    mean = serializers.DecimalField(max_digits=5, decimal_places=4, allow_null=True)
    agreement = serializers.DecimalField(max_digits=5, decimal_places=4, allow_null=True)
    brier = serializers.DecimalField(max_digits=5, decimal_places=4, allow_null=True)


class CalibrationAnswer(serializers.Serializer[Any]):
    """How right confidence was: `brier` is 0 when perfect and 0.25 for a coin; null before people decided anything."""

    number = serializers.IntegerField()
    judged = serializers.IntegerField()
    halted = serializers.IntegerField()
    brier = serializers.DecimalField(max_digits=5, decimal_places=4, allow_null=True)
    bands = BandAnswer(many=True)
