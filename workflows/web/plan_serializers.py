"""What the API says about projects and what hangs on them. Amounts are US dollars."""

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from workflows.models import Decision, Epic, Project, ProjectRepository, Sprint, Strategy, StrategyRun, StrategySchedule
from workflows.models.planning import SprintState
from workflows.models.schedule import FiringState, Overlap
from workflows.models.tree import EpicState, StrategyState
from workflows.selectors.plan_offers import plan_offers
from workflows.selectors.tree import story_states
from workflows.timetable import Timetable
from workflows.web.plan_inputs import AlternativeBody, CILimitsBody, TemplateBody
from workflows.web.serializers import OfferAnswer, is_team


class Offering(serializers.Serializer[Any]):
    """`context["actor"]` decides what is offered."""

    allowed_actions = serializers.SerializerMethodField()

    @extend_schema_field(OfferAnswer(many=True))
    def get_allowed_actions(self, row: Any) -> Any:
        return OfferAnswer(plan_offers(self.context["actor"], row), many=True).data


class RepositoryOfProject(serializers.ModelSerializer[ProjectRepository]):
    ci_limits = CILimitsBody()

    class Meta:
        model = ProjectRepository
        fields: ClassVar = ["name", "ci_command", "ci_limits", "default_branch", "primary", "created_at"]


OF_THE_TEAM: dict[str, Any] = {
    "repository": "",
    "ci_command": "",
    "default_branch": "",
    "repositories": [],
    "environments": [],
}
"""What a client does not read of its project, and what is said in its place."""


class ProjectAnswer(serializers.ModelSerializer[Project]):
    repository = serializers.CharField(help_text="The primary repository's name.")
    ci_command = serializers.CharField(source="primary.ci_command")
    default_branch = serializers.CharField(source="primary.default_branch")
    repositories = RepositoryOfProject(many=True)
    environments = serializers.ListField(child=serializers.CharField())

    class Meta:
        model = Project
        fields: ClassVar = [
            "key",
            "name",
            "repository",
            "ci_command",
            "default_branch",
            "repositories",
            "environments",
            "client",
            "version",
            "created_at",
        ]

    def to_representation(self, instance: Project) -> dict[str, Any]:
        shown: dict[str, Any] = super().to_representation(instance)
        return shown if is_team(self.context) else {**shown, **OF_THE_TEAM}


class ScheduleAnswer(serializers.ModelSerializer[StrategySchedule]):
    words = serializers.SerializerMethodField()
    overlap = serializers.ChoiceField(Overlap.choices)
    template = TemplateBody()

    class Meta:
        model = StrategySchedule
        fields: ClassVar = [
            "cron",
            "words",
            "timezone",
            "overlap",
            "template",
            "owner",
            "owner_name",
            "next_at",
            "created_at",
        ]

    def get_words(self, schedule: StrategySchedule) -> str:
        return Timetable(schedule.cron, schedule.timezone).words()


class StrategySummary(serializers.ModelSerializer[Strategy]):
    project = serializers.CharField(source="project.key")
    state = serializers.ChoiceField(StrategyState.choices)
    next_at = serializers.DateTimeField(source="schedule.next_at", default=None, allow_null=True)
    story_count = serializers.IntegerField()
    done_count = serializers.IntegerField()

    class Meta:
        model = Strategy
        fields: ClassVar = [
            "id",
            "project",
            "title",
            "goal",
            "success_measure",
            "autonomy",
            "budget_usd",
            "state",
            "next_at",
            "story_count",
            "done_count",
            "version",
            "created_at",
            "changed_at",
        ]


class StrategyAnswer(Offering, StrategySummary):
    schedule = serializers.SerializerMethodField()

    class Meta(StrategySummary.Meta):
        fields: ClassVar = [*StrategySummary.Meta.fields, "schedule", "allowed_actions"]

    @extend_schema_field(ScheduleAnswer(allow_null=True))
    def get_schedule(self, strategy: Strategy) -> Any:
        found = getattr(strategy, "schedule", None)
        return ScheduleAnswer(found).data if found else None


class FiringAnswer(serializers.ModelSerializer[StrategyRun]):
    state = serializers.ChoiceField(FiringState.choices)
    story = serializers.CharField(source="story.reference", default=None, allow_null=True)

    class Meta:
        model = StrategyRun
        fields: ClassVar = ["number", "due_at", "fired_at", "missed", "state", "story", "reason"]


class EpicSummary(serializers.ModelSerializer[Epic]):
    project = serializers.CharField(source="project.key")
    strategy = serializers.IntegerField(source="strategy_id", allow_null=True)
    state = serializers.ChoiceField(EpicState.choices)
    story_count = serializers.IntegerField()
    under_way_count = serializers.IntegerField()
    done_count = serializers.IntegerField()

    class Meta:
        model = Epic
        fields: ClassVar = [
            "id",
            "project",
            "strategy",
            "title",
            "description",
            "rank",
            "state",
            "story_count",
            "under_way_count",
            "done_count",
            "version",
            "created_at",
            "changed_at",
        ]


class EpicAnswer(Offering, EpicSummary):
    stories_by_state = serializers.SerializerMethodField()

    class Meta(EpicSummary.Meta):
        fields: ClassVar = [*EpicSummary.Meta.fields, "stories_by_state", "allowed_actions"]

    def get_stories_by_state(self, epic: Epic) -> dict[str, int]:
        return story_states(epic)


class KeptAnswer(serializers.Serializer[Any]):
    story = serializers.CharField()
    why = serializers.CharField()


class SummaryAnswer(serializers.Serializer[Any]):
    """What a closed sprint came to, by the stories' references."""

    done = serializers.ListField(child=serializers.CharField())
    carried = serializers.ListField(child=serializers.CharField())
    kept = KeptAnswer(many=True, help_text="Accepted stories that stay so, and why.")
    removed = serializers.ListField(child=serializers.CharField())
    points_committed = serializers.IntegerField()
    points_done = serializers.IntegerField()
    cost_usd = serializers.CharField()
    tokens_in = serializers.IntegerField()
    tokens_out = serializers.IntegerField()
    calls = serializers.IntegerField()


class SprintSummary(serializers.ModelSerializer[Sprint]):
    project = serializers.CharField(source="project.key")
    state = serializers.ChoiceField(SprintState.choices)
    story_count = serializers.IntegerField()
    accepted_count = serializers.IntegerField()

    class Meta:
        model = Sprint
        fields: ClassVar = [
            "id",
            "project",
            "number",
            "name",
            "goal",
            "capacity",
            "starts_on",
            "ends_on",
            "state",
            "closed_at",
            "story_count",
            "accepted_count",
            "version",
            "created_at",
            "changed_at",
        ]


class SprintAnswer(Offering, SprintSummary):
    summary = SummaryAnswer(allow_null=True)

    class Meta(SprintSummary.Meta):
        fields: ClassVar = [*SprintSummary.Meta.fields, "closed_by", "closed_by_name", "summary", "allowed_actions"]


class DayAnswer(serializers.Serializer[Any]):
    """What remained at the end of a day (UTC); null on days to come. `ideal` is the straight line."""

    day = serializers.DateField()
    points = serializers.IntegerField(allow_null=True)
    tasks = serializers.IntegerField(allow_null=True)
    ideal = serializers.FloatField(allow_null=True)
    present = serializers.BooleanField()


class DecisionSummary(serializers.ModelSerializer[Decision]):
    alternatives = AlternativeBody(many=True)
    affects = serializers.ListField(child=serializers.CharField())
    superseded_by = serializers.IntegerField(source="superseded_by_id", allow_null=True)

    class Meta:
        model = Decision
        fields: ClassVar = [
            "id",
            "kind",
            "title",
            "rationale",
            "alternatives",
            "affects",
            "verdict",
            "feedback",
            "proposed_by",
            "proposed_by_name",
            "decided_by",
            "decided_by_name",
            "decided_at",
            "superseded_by",
            "version",
            "created_at",
        ]


class DecisionAnswer(Offering, DecisionSummary):
    class Meta(DecisionSummary.Meta):
        fields: ClassVar = [*DecisionSummary.Meta.fields, "allowed_actions"]
