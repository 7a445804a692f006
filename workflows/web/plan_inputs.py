"""What the API takes for projects and what hangs on them; what it may say is decided by the actions."""

from typing import Any

from rest_framework import serializers

from workflows.models.planning import DecisionKind, SprintState
from workflows.models.schedule import Overlap
from workflows.models.tree import AUTONOMY, EpicState, StrategyState
from workflows.readiness import PRIORITIES, SIZES
from workflows.web.inputs import amount, number, text
from workflows.web.references import PROJECT, STORY

AFFECTED = r"\A[a-z]{1,20}:[A-Za-z0-9._-]{1,100}\Z"


def project_key(**more: Any) -> serializers.RegexField:
    """A project's key."""
    return serializers.RegexField(rf"\A{PROJECT}\Z", **more)


class ProjectQuery(serializers.Serializer[Any]):
    project = project_key(required=False, help_text="Only this project's, by key.")


class StrategyQuery(ProjectQuery):
    state = serializers.ChoiceField(StrategyState.choices, required=False)


class EpicQuery(ProjectQuery):
    state = serializers.ChoiceField(EpicState.choices, required=False)
    strategy = number(required=False, help_text="Only this strategy's, by id.")


class SprintQuery(ProjectQuery):
    state = serializers.ChoiceField(SprintState.choices, required=False)


class DecisionQuery(serializers.Serializer[Any]):
    kind = serializers.ChoiceField(DecisionKind.choices, required=False)
    verdict = serializers.ChoiceField(["proposed", "approved", "rejected"], required=False)
    affects = serializers.RegexField(AFFECTED, required=False, help_text="Such as story:SHOP-142.")
    in_force = serializers.BooleanField(
        required=False, allow_null=True, default=None, help_text="Approved and not superseded, or the rest."
    )
    q = serializers.CharField(max_length=200, required=False, help_text="Words of the title or the rationale.")


class ProjectBody(serializers.Serializer[Any]):
    key = project_key(help_text="2 to 10 capitals and digits, a letter first.")
    name = serializers.CharField(max_length=120)
    repository = serializers.CharField(max_length=60)
    ci_command = serializers.CharField(max_length=500)
    default_branch = serializers.CharField(max_length=100, default="main")
    client = text(120, default="")


class ProjectChangeBody(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=120)
    client = text(120)
    environments = serializers.ListField(
        child=serializers.CharField(max_length=40), max_length=10, help_text="Names in the order of promotion."
    )
    hide = serializers.BooleanField(
        required=False,
        help_text="With another client: hide what the one before was shown, without which that is refused.",
    )


class RepositoryBody(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=60)
    ci_command = serializers.CharField(max_length=400)
    default_branch = serializers.CharField(max_length=60, default="main")


class CILimitsBody(serializers.Serializer[Any]):
    """What CI of a repository may take; null or left out is what the installation says, and the most there is."""

    seconds = number(required=False, allow_null=True)
    cpu_seconds = number(required=False, allow_null=True, help_text="Processor time of each process.")
    memory_mib = number(required=False, allow_null=True, help_text="Of all processes together.")
    disk_mib = number(required=False, allow_null=True, help_text="What it adds to its checkout.")

    def to_internal_value(self, data: Any) -> Any:
        values = super().to_internal_value(data)
        if unknown := sorted(set(data) - set(self.fields)):
            known = ", ".join(self.fields)
            raise serializers.ValidationError(
                {name[:60]: f"There is no such limit; there are {known}." for name in unknown}
            )
        return values


class RepositoryChangeBody(serializers.Serializer[Any]):
    ci_command = serializers.CharField(max_length=400)
    ci_limits = CILimitsBody(help_text="All of them: one that is left out is the installation's.")
    default_branch = serializers.CharField(max_length=60)
    primary = serializers.BooleanField(help_text="True makes it the one that tasks change by default.")


class StrategyBody(serializers.Serializer[Any]):
    project = project_key()
    title = text(120, default="", help_text="Without one, it is called by the first line of its goal.")
    goal = serializers.CharField(max_length=20_000)
    success_measure = text(20_000, default="")
    autonomy = serializers.ChoiceField(AUTONOMY, default="L2")
    budget_usd = amount(required=False, allow_null=True, default=None)


class StrategyChangeBody(serializers.Serializer[Any]):
    title = serializers.CharField(max_length=120)
    goal = serializers.CharField(max_length=20_000)
    success_measure = text(20_000)
    autonomy = serializers.ChoiceField(AUTONOMY)
    budget_usd = amount()


class PlanActBody(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=40, help_text="One of the allowed actions.")
    reason = text(2000, default="")


class TemplateBody(serializers.Serializer[Any]):
    """What each firing's story says; texts may hold {date}, {week}, {month} and {number}."""

    title = serializers.CharField(max_length=200)
    brief = text(20_000)
    acceptance = serializers.ListField(child=serializers.CharField(max_length=2000), max_length=50, required=False)
    size = serializers.ChoiceField(SIZES, required=False, allow_blank=True)
    priority = serializers.ChoiceField(PRIORITIES, required=False, allow_blank=True)
    risk_labels = serializers.ListField(
        child=serializers.CharField(max_length=60), max_length=50, required=False, allow_null=True
    )
    budget_usd = amount(required=False, allow_null=True)
    client_visible = serializers.BooleanField(required=False)


class ScheduleBody(serializers.Serializer[Any]):
    cron = serializers.CharField(max_length=100, help_text="Minute, hour, day of month, month, day of week.")
    timezone = serializers.CharField(max_length=64, help_text="Such as Europe/Berlin.")
    overlap = serializers.ChoiceField(Overlap.choices, default=Overlap.SKIP)
    template = TemplateBody()


class EpicBody(serializers.Serializer[Any]):
    project = project_key()
    title = serializers.CharField(max_length=200)
    description = text(20_000, default="")
    strategy = number(required=False, allow_null=True, default=None)


class EpicChangeBody(serializers.Serializer[Any]):
    title = serializers.CharField(max_length=200)
    description = text(20_000)
    strategy = number(allow_null=True)


class EpicOrderBody(serializers.Serializer[Any]):
    order = serializers.ListField(child=number(), max_length=1000, help_text="Ids of all of the project's epics.")


class EpicStoryOrderBody(serializers.Serializer[Any]):
    order = serializers.ListField(
        child=serializers.RegexField(rf"\A{STORY}\Z"), max_length=2000, help_text="References of all of its stories."
    )


class SprintContentBody(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=120, required=False)
    goal = text(5000)
    capacity = serializers.IntegerField(
        min_value=1, max_value=10_000, required=False, allow_null=True, help_text="Points."
    )
    starts_on = serializers.DateField(required=False, allow_null=True)
    ends_on = serializers.DateField(required=False, allow_null=True)


class SprintBody(SprintContentBody):
    project = project_key()


class SprintStoryBody(serializers.Serializer[Any]):
    story = serializers.RegexField(rf"\A{STORY}\Z", help_text="A planned or carried over story's reference.")


class AlternativeBody(serializers.Serializer[Any]):
    title = serializers.CharField(max_length=2000)
    why_not = text(5000, default="")


class DecisionChangeBody(serializers.Serializer[Any]):
    title = serializers.CharField(max_length=200)
    rationale = serializers.CharField(max_length=20_000)
    alternatives = serializers.ListField(child=AlternativeBody(), max_length=20)
    affects = serializers.ListField(
        child=serializers.RegexField(AFFECTED), max_length=50, help_text="Such as story:SHOP-142 or council:7."
    )


class ProposedDecision(serializers.Serializer[Any]):
    kind = serializers.ChoiceField(DecisionKind.choices)
    title = serializers.CharField(max_length=200)
    rationale = serializers.CharField(max_length=20_000)
    alternatives = serializers.ListField(child=AlternativeBody(), max_length=20, default=list)
    affects = serializers.ListField(
        child=serializers.RegexField(AFFECTED), max_length=50, default=list, help_text="Such as story:SHOP-142."
    )


class VerdictBody(serializers.Serializer[Any]):
    approve = serializers.BooleanField()
    feedback = text(20_000, default="", help_text="At least 10 characters when it is rejected.")


class SupersedeBody(serializers.Serializer[Any]):
    by = number(help_text="The decision that stands in its place: approved, and written after it.")
