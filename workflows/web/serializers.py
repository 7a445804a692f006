"""What the API says about stories and tasks. Amounts are US dollars, as text with up to ten decimals."""

from collections.abc import Mapping
from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from guildhall.api.permissions import actor_of
from guildhall.kernel.actor import Actor
from workflows.machines import STORY, TASK
from workflows.models import Derivation, Story, Task
from workflows.planning.drafts import RISKS, ROLES, SIZES
from workflows.policies import sees_all
from workflows.selectors import offers_for, stories_visible_to
from workflows.web.references import TASK as TASK_REFERENCE

STORY_STATES = list(STORY.states.items())
TASK_STATES = list(TASK.states.items())
HIDDEN_FROM_CLIENTS: dict[str, Any] = {
    "epic": None,
    "epic_rank": None,
    "strategy": None,
    "sprint": None,
    "assignee": "",
    "assignee_name": "",
    "labels": [],
    "evidence": "",
    "business_notes": "",
    "risk_labels": None,
    "budget_usd": None,
    "feedback": "",
    "dor_checklist": [],
}
"""What a client does not read of a story that it may see, and what is said in its place."""


def reader_of(context: Mapping[str, Any]) -> Actor | None:
    """Who is answered: `context["actor"]`, or who sent `context["request"]`; None where nobody in particular is."""
    request = context.get("request")
    actor: Actor | None = context.get("actor") or (actor_of(request) if request else None)
    return actor


def is_team(context: Mapping[str, Any]) -> bool:
    """Whether the one who is answered reads what clients do not."""
    reader = reader_of(context)
    return reader is not None and sees_all(reader)


class OfferAnswer(serializers.Serializer[Any]):
    """What the caller may do now, and if not, why not."""

    action = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]
    target = serializers.CharField(help_text="The state that it leads to.")
    allowed = serializers.BooleanField()
    reasons = serializers.ListField(child=serializers.CharField(), help_text="Why not, when it is not allowed.")
    needs = serializers.ListField(child=serializers.CharField(), help_text="Inputs that the act asks for.")
    automatic = serializers.BooleanField(help_text="Whether only the platform does it.")
    decided_by = serializers.CharField(help_text="Another door through which it is done, such as an approval.")


class StorySummary(serializers.ModelSerializer[Story]):
    project = serializers.CharField(source="project.key")
    sprint = serializers.CharField(source="sprint.name", default=None, allow_null=True)
    epic = serializers.IntegerField(source="epic_id", allow_null=True)
    strategy = serializers.IntegerField(source="strategy_id", allow_null=True)
    state = serializers.ChoiceField(STORY_STATES)
    state_label = serializers.CharField(source="get_state_display")
    labels = serializers.SerializerMethodField()

    class Meta:
        model = Story
        fields: ClassVar = [
            "reference",
            "title",
            "project",
            "epic",
            "epic_rank",
            "strategy",
            "sprint",
            "state",
            "state_label",
            "size",
            "priority",
            "dor_score",
            "client_visible",
            "author",
            "author_name",
            "assignee",
            "assignee_name",
            "labels",
            "version",
            "created_at",
            "changed_at",
        ]

    def get_labels(self, story: Story) -> list[str]:
        return sorted(label.name for label in story.labels.all()) if is_team(self.context) else []

    def to_representation(self, instance: Story) -> dict[str, Any]:
        shown: dict[str, Any] = super().to_representation(instance)
        if not is_team(self.context):
            shown.update({name: value for name, value in HIDDEN_FROM_CLIENTS.items() if name in shown})
        return shown


class TaskSummary(serializers.ModelSerializer[Task]):
    story = serializers.CharField(source="story.reference")
    state = serializers.ChoiceField(TASK_STATES)
    state_label = serializers.SerializerMethodField()

    class Meta:
        model = Task
        fields: ClassVar = [
            "reference",
            "story",
            "rank",
            "title",
            "role",
            "size",
            "risk",
            "state",
            "state_label",
            "holder",
            "lease_until",
            "implementer",
            "reviewer",
            "tester",
            "approver",
            "commit_sha",
            "merged_sha",
            "version",
            "created_at",
            "changed_at",
        ]

    def get_state_label(self, task: Task) -> str:
        return "Approved, not executed" if task.approved_not_executed else TASK.states[task.state]


class ChecklistItem(serializers.Serializer[Any]):
    name = serializers.CharField()
    points = serializers.IntegerField()
    earned = serializers.IntegerField()
    missing = serializers.CharField()


class StoryAnswer(StorySummary):
    """`context["actor"]` decides what is offered and what a client does not read."""

    acceptance = serializers.ListField(child=serializers.CharField())
    risk_labels = serializers.ListField(child=serializers.CharField(), allow_null=True)
    budget_usd = serializers.DecimalField(max_digits=20, decimal_places=10, allow_null=True)
    dor_checklist = ChecklistItem(many=True)
    depends_on = serializers.SerializerMethodField()
    tasks = TaskSummary(many=True)
    allowed_actions = serializers.SerializerMethodField()

    class Meta(StorySummary.Meta):
        fields: ClassVar = [
            *StorySummary.Meta.fields,
            "brief",
            "evidence",
            "acceptance",
            "risk_labels",
            "budget_usd",
            "business_notes",
            "feedback",
            "dor_checklist",
            "depends_on",
            "tasks",
            "allowed_actions",
        ]

    def get_depends_on(self, story: Story) -> list[str] | None:
        if not story.dependencies_stated:
            return None
        seen = stories_visible_to(self.context["actor"])
        return sorted(story.dependencies.filter(needs__in=seen).values_list("needs__reference", flat=True))

    @extend_schema_field(OfferAnswer(many=True))
    def get_allowed_actions(self, story: Story) -> Any:
        return OfferAnswer(offers_for(self.context["actor"], story), many=True).data


class TestReportBody(serializers.Serializer[Any]):
    """Test results for one commit."""

    __test__ = False

    commit_sha = serializers.RegexField(r"\A[0-9a-f]{40,64}\Z", help_text="The commit that was tested.")
    passed = serializers.IntegerField(min_value=0, max_value=1_000_000)
    failed = serializers.IntegerField(min_value=0, max_value=1_000_000, default=0)
    errors = serializers.IntegerField(  # type: ignore[assignment]
        min_value=0, max_value=1_000_000, default=0
    )
    summary = serializers.CharField(max_length=4000, default="", allow_blank=True)


class TaskAnswer(TaskSummary):
    repository = serializers.CharField(source="repository_name", help_text="The repository that it changes.")
    acceptance = serializers.ListField(child=serializers.CharField())
    depends_on = serializers.SerializerMethodField()
    test_report = TestReportBody(allow_null=True)
    allowed_actions = serializers.SerializerMethodField()

    class Meta(TaskSummary.Meta):
        fields: ClassVar = [
            *TaskSummary.Meta.fields,
            "repository",
            "acceptance",
            "evidence",
            "feedback",
            "rejected_sha",
            "test_report",
            "depends_on",
            "allowed_actions",
        ]

    def get_depends_on(self, task: Task) -> list[str]:
        seen = stories_visible_to(self.context["actor"])
        return sorted(task.dependencies.filter(needs__story__in=seen).values_list("needs__reference", flat=True))

    @extend_schema_field(OfferAnswer(many=True))
    def get_allowed_actions(self, task: Task) -> Any:
        return OfferAnswer(offers_for(self.context["actor"], task), many=True).data

    def to_representation(self, instance: Task) -> dict[str, Any]:
        shown: dict[str, Any] = super().to_representation(instance)
        if not is_team(self.context):
            shown.update({"evidence": "", "feedback": "", "test_report": None})
        return shown


class DraftBody(serializers.Serializer[Any]):
    """A task to be: `depends_on` are 1-based positions in the same list, `needs` references of tasks that stand."""

    title = serializers.CharField(min_length=3, max_length=120)
    role = serializers.ChoiceField(ROLES)
    acceptance = serializers.ListField(child=serializers.CharField(max_length=2000), max_length=50, default=list)
    depends_on = serializers.ListField(
        child=serializers.IntegerField(min_value=1, max_value=20), max_length=20, default=list
    )
    size = serializers.ChoiceField(SIZES, default="S")
    risk = serializers.ChoiceField(RISKS, default="low")
    repository = serializers.CharField(
        max_length=60, default="", allow_blank=True, help_text="One of the project's; empty for its primary one."
    )
    needs = serializers.ListField(
        child=serializers.RegexField(rf"\A{TASK_REFERENCE}\Z"), max_length=50, default=list,
        help_text="References of the same story's tasks that it waits for. In a proposal: of those done or under way.",
    )  # fmt: skip


class ProposalAnswer(serializers.ModelSerializer[Derivation]):
    tasks = DraftBody(source="drafts", many=True)
    problems = serializers.ListField(child=serializers.CharField())

    class Meta:
        model = Derivation
        fields: ClassVar = ["id", "state", "tasks", "problems", "attempts", "proposer", "proposer_name", "created_at"]
