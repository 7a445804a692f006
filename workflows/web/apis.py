"""The API of stories: thin callers of the governed actions."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from guildhall.api.conditional import IF_MATCH, SEEN, required_version, seen_version, version_seen
from guildhall.api.inputs import checked, checked_query
from guildhall.api.trail import TrailEntry
from guildhall.api.views import ListView, View, answer
from guildhall.kernel.actor import Actor
from workflows import actions, selectors
from workflows.models import Story
from workflows.planning import TaskDraft
from workflows.selectors import tree
from workflows.selectors.filters import StoryFilter, matching
from workflows.selectors.search import searched
from workflows.web import inputs
from workflows.web.comfort_serializers import BeforeQuery, StorySearch
from workflows.web.serializers import (
    DraftBody,
    ProposalAnswer,
    StoryAnswer,
    StorySummary,
    TaskAnswer,
    TaskSummary,
)


class StoriesView(ListView[Story]):
    serializer_class = StorySummary
    queryset = Story.objects.none()
    orderings = {
        "-changed_at": ("-changed_at", "-id"),
        "changed_at": ("changed_at", "id"),
        "-created_at": ("-id",),
        "created_at": ("id",),
        "-dor_score": ("-dor_score", "-id"),
        "dor_score": ("dor_score", "id"),
        "-rank": ("-rank", "-id"),
        "epic_rank": ("epic_rank", "id"),
    }

    def get_queryset(self) -> Any:
        stories = matching(self.actor, story_filter(self.request)).prefetch_related("labels")
        words = self.request.query_params
        if "search" not in words or "q" not in words:
            return stories
        return stories.filter(pk__in=searched(Story.objects.order_by(), self.actor, words["q"]).values("pk"))

    @extend_schema(parameters=[StorySearch])
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Stories that the caller may see; `search` finds words, best first with `?ordering=-rank`."""
        return super().get(request, *args, **kwargs)

    @extend_schema(request=inputs.StoryBody, responses={201: StoryAnswer})
    def post(self, request: Request) -> Response:
        """Write a story; its readiness is scored at once."""
        given = checked(inputs.StoryBody, request)
        project = selectors.find_project(self.actor, given.pop("project"))
        place = place_of(self.actor, given)
        story = actions.create_story(
            actor=self.actor,
            project=project,
            content=given,  # type: ignore[arg-type]
            epic=place.get("epic"),
            strategy=place.get("strategy"),
        )
        return story_answer(self, story, status=201)


class StoryView(View):
    @extend_schema(responses=StoryAnswer)
    def get(self, request: Request, reference: str) -> Response:
        """One story with its tasks, and what the caller may do with it. The ETag is for editing it."""
        return story_answer(self, selectors.find_story(self.actor, reference))

    @extend_schema(request=inputs.StoryContent, responses=StoryAnswer, parameters=[IF_MATCH])
    def patch(self, request: Request, reference: str) -> Response:
        """Change what a story says and hangs on while its scope is open. If-Match is required."""
        story = selectors.find_story(self.actor, reference)
        version = required_version(request)
        given: Any = checked(inputs.StoryContent, request, partial=True)
        place = place_of(self.actor, given)
        story = actions.edit_story(actor=self.actor, story=story, content=given, version=version, place=place)
        return story_answer(self, story)


class StoryTransitionsView(View):
    @extend_schema(request=inputs.StoryActBody, responses=StoryAnswer)
    def post(self, request: Request, reference: str) -> Response:
        """Do one act of the story table. `version` or If-Match, where given, must be the present one."""
        story = selectors.find_story(self.actor, reference)
        given = checked(inputs.StoryActBody, request)
        story = actions.transition_story(
            actor=self.actor,
            story=story,
            name=given["name"],
            feedback=given["feedback"],
            version=version_seen(request, given["version"]),
            reopen=given["reopen"],
            add=drafts(given["add"]),
        )
        return story_answer(self, story)


class StoryActivityView(View):
    @extend_schema(parameters=[BeforeQuery], responses=TrailEntry(many=True))
    def get(self, request: Request, reference: str) -> Response:
        """The newest 100 lines of the audit trail about the story and its tasks, or the 100 `before` one."""
        story = selectors.find_story(self.actor, reference)
        before = checked_query(BeforeQuery, request).get("before")
        return Response(TrailEntry(selectors.activity(self.actor, story, before=before), many=True).data)


class StoryProposalView(View):
    @extend_schema(responses=ProposalAnswer)
    def get(self, request: Request, reference: str) -> Response:
        """The newest proposal of the story's tasks; a failed one says why. The ETag is the story's."""
        story = selectors.find_story(self.actor, reference)
        return answer(ProposalAnswer(tree.latest_proposal(self.actor, story)), version=story.version)

    @extend_schema(request=inputs.ProposalBody, responses=ProposalAnswer)
    def put(self, request: Request, reference: str) -> Response:
        """Replace the proposed tasks with these, in this order. They become tasks by the act derive_tasks.

        `version` or If-Match, where given, must be the story's present one; the story is a version on afterwards.
        """
        story = selectors.find_story(self.actor, reference)
        given = checked(inputs.ProposalBody, request)
        version = version_seen(request, given["version"])
        row = actions.edit_proposal(actor=self.actor, story=story, drafts=drafts(given["tasks"]), version=version)
        return answer(ProposalAnswer(row), version=row.story.version)


class StoryTasksView(View):
    @extend_schema(request=DraftBody, responses={201: TaskAnswer}, parameters=[SEEN])
    def post(self, request: Request, reference: str) -> Response:
        """Add a task to a planned story. What it waits for stands in `needs`; `depends_on` counts no earlier task here and
        stays empty. If-Match: the story's."""
        story = selectors.find_story(self.actor, reference)
        (draft,) = drafts([checked(DraftBody, request)])
        task = actions.add_task(actor=self.actor, story=story, draft=draft, version=seen_version(request))
        found = selectors.find_task(self.actor, task.reference)
        return answer(TaskAnswer(found, context={"actor": self.actor}), status=201, version=found.version)


class StoryTaskOrderView(View):
    @extend_schema(request=inputs.OrderBody, responses=TaskSummary(many=True))
    def put(self, request: Request, reference: str) -> Response:
        """Show the story's tasks in this order.

        `version` or If-Match, where given, must be the story's present one; the story is a version on afterwards.
        """
        story = selectors.find_story(self.actor, reference)
        given = checked(inputs.OrderBody, request)
        version = version_seen(request, given["version"])
        actions.reorder_tasks(actor=self.actor, story=story, order=given["order"], version=version)
        story.refresh_from_db(fields=["version"])
        tasks = selectors.tasks_visible_to(self.actor).filter(story=story).order_by("rank")
        return answer(TaskSummary(tasks, many=True), version=story.version)


def story_filter(request: Request) -> StoryFilter:
    """The filter in the query of a list of stories. Raises DRF's ValidationError for what has no meaning."""
    given = checked_query(StorySearch, request)
    return StoryFilter.parse({**given, "text": given.get("search") or given.get("q", "")})


def place_of(actor: Actor, given: dict[str, Any]) -> actions.Place:
    """Take the epic and the strategy out of a checked body. Raises `NotFound` for what there is not."""
    place: actions.Place = {}
    if "epic" in given:
        pk = given.pop("epic")
        place["epic"] = tree.find_epic(actor, pk) if pk else None
    if "strategy" in given:
        pk = given.pop("strategy")
        place["strategy"] = tree.find_strategy(actor, pk) if pk else None
    return place


def drafts(raw: list[dict[str, Any]]) -> list[TaskDraft]:
    """Checked bodies as drafts."""
    lists = ("acceptance", "depends_on", "needs")
    return [TaskDraft(**{**body, **{name: tuple(body[name]) for name in lists}}) for body in raw]


def story_answer(view: View, story: Story, *, status: int = 200) -> Response:
    """The story as it is now, with its ETag. A client that may see it no more after its own act gets 404."""
    found = selectors.stories_visible_to(view.actor).prefetch_related("tasks__story", "labels").get(pk=story.pk)
    return answer(StoryAnswer(found, context={"actor": view.actor}), status=status, version=found.version)
