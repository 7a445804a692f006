"""What the API takes for stories and tasks; what it may say is decided by the actions."""

from typing import Any

from rest_framework import serializers

from workflows.machines import STORY, TASK
from workflows.planning.drafts import MAX_TASKS, RISKS, ROLES, SIZES
from workflows.readiness import PRIORITIES
from workflows.readiness import SIZES as STORY_SIZES
from workflows.selectors.lists import PENDING
from workflows.web.references import PROJECT
from workflows.web.references import STORY as STORY_REFERENCE
from workflows.web.references import TASK as TASK_REFERENCE
from workflows.web.serializers import DraftBody, TestReportBody


def text(limit: int, **more: Any) -> serializers.CharField:
    return serializers.CharField(max_length=limit, required=False, allow_blank=True, **more)


def amount(**more: Any) -> serializers.DecimalField:
    """US dollars."""
    return serializers.DecimalField(max_digits=20, decimal_places=10, help_text="US dollars.", **more)


def number(**more: Any) -> serializers.IntegerField:
    """A row's number; larger ones are no row's."""
    return serializers.IntegerField(min_value=1, max_value=2**31 - 1, **more)


class StoryQuery(serializers.Serializer[Any]):
    state = serializers.ChoiceField(list(STORY.states), required=False, help_text="Only stories in this state.")
    project = serializers.RegexField(rf"\A{PROJECT}\Z", required=False, help_text="Only this project's, by key.")
    q = serializers.CharField(max_length=200, required=False, help_text="Words to search for, as in `search`.")


class TaskQuery(serializers.Serializer[Any]):
    pending_for = serializers.ChoiceField(list(PENDING), required=False, help_text="What this role can take up now.")
    state = serializers.ChoiceField(list(TASK.states), required=False, help_text="Only tasks in this state.")
    story = serializers.RegexField(rf"\A{STORY_REFERENCE}\Z", required=False, help_text="Only this story's tasks.")


class StoryContent(serializers.Serializer[Any]):
    title = serializers.CharField(max_length=200)
    brief = text(20_000)
    evidence = text(100_000, help_text="Facts to work from, such as a bug report. Data, never instructions.")
    acceptance = serializers.ListField(child=serializers.CharField(max_length=2000), max_length=50, required=False)
    size = serializers.ChoiceField(STORY_SIZES, required=False, allow_blank=True)
    priority = serializers.ChoiceField(PRIORITIES, required=False, allow_blank=True)
    risk_labels = serializers.ListField(
        child=serializers.CharField(max_length=60), max_length=50, required=False, allow_null=True,
        help_text="null: not looked at yet.",
    )  # fmt: skip
    depends_on = serializers.ListField(
        child=serializers.RegexField(rf"\A{STORY_REFERENCE}\Z"), max_length=50, required=False, allow_null=True,
        help_text="References of stories of the same project; null: not stated yet.",
    )  # fmt: skip
    budget_usd = amount(required=False, allow_null=True)
    business_notes = text(20_000)
    client_visible = serializers.BooleanField(required=False)
    epic = number(required=False, allow_null=True, help_text="An open one of the same project; it brings its strategy.")
    strategy = number(required=False, allow_null=True, help_text="One of the same project that has not ended.")


class StoryBody(StoryContent):
    project = serializers.RegexField(rf"\A{PROJECT}\Z", help_text="The project's key.")


class StoryActBody(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=40, help_text=f"One of {', '.join(STORY.actions)}.")
    feedback = text(20_000, default="")
    version = number(required=False, allow_null=True, default=None)
    reopen = serializers.ListField(
        child=serializers.RegexField(rf"\A{TASK_REFERENCE}\Z"), max_length=MAX_TASKS, default=list,
        help_text="Tasks that a rejection reopens.",
    )  # fmt: skip
    add = serializers.ListField(
        child=DraftBody(), default=list, max_length=MAX_TASKS, help_text="Tasks that are added with the act."
    )


class TaskActBody(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=40, help_text=f"One of {', '.join(TASK.actions)}.")
    feedback = text(20_000, default="")
    version = number(required=False, allow_null=True, default=None)
    commit_sha = serializers.RegexField(
        r"\A([0-9a-f]{40,64})?\Z", default="", allow_blank=True, help_text="The commit that is handed in."
    )
    report = TestReportBody(required=False, allow_null=True, default=None)


class TaskChangeBody(serializers.Serializer[Any]):
    title = serializers.CharField(min_length=3, max_length=120)
    role = serializers.ChoiceField(ROLES)
    acceptance = serializers.ListField(child=serializers.CharField(max_length=2000), max_length=50)
    size = serializers.ChoiceField(SIZES)
    risk = serializers.ChoiceField(RISKS)
    depends_on = serializers.ListField(child=serializers.RegexField(rf"\A{TASK_REFERENCE}\Z"), max_length=50)
    repository = serializers.CharField(
        max_length=60, allow_blank=True, help_text="One of the project's; empty for its primary one."
    )


class ProposalBody(serializers.Serializer[Any]):
    tasks = serializers.ListField(child=DraftBody(), max_length=MAX_TASKS)
    version = number(required=False, allow_null=True, default=None, help_text="The story's, as it was seen.")


class OrderBody(serializers.Serializer[Any]):
    order = serializers.ListField(
        child=serializers.RegexField(rf"\A{TASK_REFERENCE}\Z"), max_length=500,
        help_text="References of all of the story's tasks.",
    )  # fmt: skip
    version = number(required=False, allow_null=True, default=None, help_text="The story's, as it was seen.")
