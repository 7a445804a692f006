"""The API of sprints and decisions: thin callers of the governed actions."""

from typing import Any

from django.db.models import Q
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from guildhall.api.conditional import IF_MATCH, SEEN, required_version, seen_version
from guildhall.api.inputs import checked, checked_query
from guildhall.api.views import View, answer
from guildhall.kernel.errors import Conflict, NotFound
from workflows import actions, selectors
from workflows.models import Decision, Sprint, Story
from workflows.selectors import tree
from workflows.selectors.search import said_in
from workflows.selectors.sprints import burn_down_of, stories_in
from workflows.web import plan_inputs as inputs
from workflows.web import plan_serializers as answers
from workflows.web.plan_apis import FilteredView
from workflows.web.serializers import StorySummary


class SprintsView(FilteredView[Sprint]):
    serializer_class = answers.SprintSummary
    queryset = Sprint.objects.none()
    query = inputs.SprintQuery
    narrowed_by = {"project": "project__key", "state": "state"}

    def get_queryset(self) -> Any:
        return self.narrowed(tree.sprints_visible_to(self.actor))

    @extend_schema(parameters=[inputs.SprintQuery])
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Sprints, newest first; one at a time is open per project."""
        return super().get(request, *args, **kwargs)

    @extend_schema(request=inputs.SprintBody, responses={201: answers.SprintAnswer})
    def post(self, request: Request) -> Response:
        """Open the project's next sprint."""
        given: Any = checked(inputs.SprintBody, request)
        project = selectors.find_project(self.actor, given.pop("project"))
        sprint = actions.open_sprint(actor=self.actor, project=project, content=given)
        return sprint_answer(self, sprint.pk, status=201)


class SprintView(View):
    @extend_schema(responses=answers.SprintAnswer)
    def get(self, request: Request, pk: int) -> Response:
        """One sprint; when it is closed, with what it came to."""
        return sprint_answer(self, pk)

    @extend_schema(request=inputs.SprintContentBody, responses=answers.SprintAnswer, parameters=[IF_MATCH])
    def patch(self, request: Request, pk: int) -> Response:
        """Change an open sprint. If-Match is required."""
        sprint = tree.find_sprint(self.actor, pk)
        version = required_version(request)
        change: Any = checked(inputs.SprintContentBody, request, partial=True)
        actions.edit_sprint(actor=self.actor, sprint=sprint, change=change, version=version)
        return sprint_answer(self, pk)


class SprintCloseView(View):
    @extend_schema(request=None, responses={202: answers.SprintAnswer})
    def post(self, request: Request, pk: int) -> Response:
        """Close it: accepted stories become done, unfinished ones are carried over, each by an act of its own.

        The answer is 202: the sprint is closing, and closed once every story is settled.
        """
        sprint = tree.find_sprint(self.actor, pk)
        actions.close_sprint(actor=self.actor, sprint=sprint, version=seen_version(request))
        return sprint_answer(self, pk, status=202)


class SprintBurnDownView(View):
    @extend_schema(responses=answers.DayAnswer(many=True))
    def get(self, request: Request, pk: int) -> Response:
        """What remained of the sprint day by day, from its history."""
        sprint = tree.find_sprint(self.actor, pk)
        return Response(answers.DayAnswer(burn_down_of(sprint), many=True).data)


class SprintStoriesView(View):
    @extend_schema(responses=StorySummary(many=True))
    def get(self, request: Request, pk: int) -> Response:
        """The stories that are in the sprint now."""
        sprint = tree.find_sprint(self.actor, pk)
        return Response(StorySummary(stories_in(self.actor, sprint), many=True, context={"request": request}).data)

    @extend_schema(request=inputs.SprintStoryBody, responses=StorySummary, parameters=[SEEN])
    def post(self, request: Request, pk: int) -> Response:
        """Commit a planned story to the project's open sprint, or continue one that was carried over. If-Match: the story's."""
        sprint = tree.find_sprint(self.actor, pk)
        story = selectors.find_story(self.actor, checked(inputs.SprintStoryBody, request)["story"])
        commit(self.actor, sprint, story, seen_version(request))
        return answer(StorySummary(labelled(self.actor, story.reference), context={"request": request}))


class SprintStoryView(View):
    @extend_schema(responses={204: None}, parameters=[SEEN])
    def delete(self, request: Request, pk: int, reference: str) -> Response:
        """Take a story out: it is carried over, its work stops, and it can be continued, estimated anew or dropped.

        If-Match: the story's.
        """
        sprint = tree.find_sprint(self.actor, pk)
        take_out(self.actor, sprint, selectors.find_story(self.actor, reference), seen_version(request))
        return Response(status=204)


def labelled(actor: Any, reference: str) -> Story:
    """A story with its labels, as lists of the API show it."""
    return selectors.stories_visible_to(actor).prefetch_related("labels").get(reference=reference)


def commit(actor: Any, sprint: Sprint, story: Story, version: int | None) -> Story:
    """Put a story into the sprint. Raises `Conflict` when the sprint is not the story's project's open one."""
    if sprint.state != "open" or story.project_id != sprint.project_id:
        raise Conflict(f"{story.reference} cannot enter {sprint.name}: it is {sprint.state}, of {sprint.project.key}.")
    name = "continue" if story.state == "carry_over" else "commit_to_sprint"
    return actions.transition_story(actor=actor, story=story, name=name, version=version)


def take_out(actor: Any, sprint: Sprint, story: Story, version: int | None) -> Story:
    """Take a story out of the sprint. Raises `NotFound` when it is not in it."""
    if story.sprint_id != sprint.pk:
        raise NotFound(f"{story.reference} is not in {sprint.name}.")
    return actions.transition_story(actor=actor, story=story, name="carry_over", version=version)


class DecisionsView(FilteredView[Decision]):
    serializer_class = answers.DecisionSummary
    queryset = Decision.objects.none()
    query = inputs.DecisionQuery
    narrowed_by = {"kind": "kind", "verdict": "verdict"}

    def get_queryset(self) -> Any:
        wanted = checked_query(inputs.DecisionQuery, self.request)
        return narrowed_decisions(self.narrowed(tree.decisions_visible_to(self.actor)), wanted)

    @extend_schema(parameters=[inputs.DecisionQuery])
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Decisions, newest first."""
        return super().get(request, *args, **kwargs)

    @extend_schema(request=inputs.ProposedDecision, responses={201: answers.DecisionAnswer})
    def post(self, request: Request) -> Response:
        """Propose a decision; a product owner approves or rejects it."""
        given = checked(inputs.ProposedDecision, request)
        made = actions.propose_decision(actor=self.actor, **given)
        return decision_answer(self, made.pk, status=201)


def narrowed_decisions(rows: Any, wanted: dict[str, Any]) -> Any:
    """The decisions that a query's `affects`, `in_force` and `q` ask for."""
    if "affects" in wanted:
        rows = rows.filter(affects__contains=[wanted["affects"]])
    if wanted.get("in_force") is not None:
        standing = Q(verdict="approved", superseded_by__isnull=True)
        rows = rows.filter(standing if wanted["in_force"] else ~standing)
    if "q" in wanted:
        said = said_in(Decision.objects.all(), wanted["q"])
        rows = rows.filter(pk__in=said.order_by().values("pk"))
    return rows


class DecisionView(View):
    @extend_schema(responses=answers.DecisionAnswer)
    def get(self, request: Request, pk: int) -> Response:
        """One decision, and what the caller may do with it."""
        return decision_answer(self, pk)

    @extend_schema(request=inputs.DecisionChangeBody, responses=answers.DecisionAnswer, parameters=[IF_MATCH])
    def patch(self, request: Request, pk: int) -> Response:
        """Change a proposal, by whoever made it or a product owner. If-Match is required."""
        decision = tree.find_decision(self.actor, pk)
        version = required_version(request)
        change: Any = checked(inputs.DecisionChangeBody, request, partial=True)
        actions.edit_decision(actor=self.actor, decision=decision, change=change, version=version)
        return decision_answer(self, pk)


class DecisionVerdictView(View):
    @extend_schema(request=inputs.VerdictBody, responses=answers.DecisionAnswer)
    def post(self, request: Request, pk: int) -> Response:
        """Approve or, with feedback, reject a proposed decision."""
        decision = tree.find_decision(self.actor, pk)
        given = checked(inputs.VerdictBody, request)
        actions.decide(actor=self.actor, decision=decision, version=seen_version(request), **given)
        return decision_answer(self, pk)


class DecisionSupersedeView(View):
    @extend_schema(request=inputs.SupersedeBody, responses=answers.DecisionAnswer)
    def post(self, request: Request, pk: int) -> Response:
        """Say that a later approved decision stands in the place of this one."""
        decision = tree.find_decision(self.actor, pk)
        by = tree.find_decision(self.actor, checked(inputs.SupersedeBody, request)["by"])
        actions.supersede_decision(actor=self.actor, decision=decision, by=by, version=seen_version(request))
        return decision_answer(self, pk)


def sprint_answer(view: View, pk: int, *, status: int = 200) -> Response:
    """The sprint as it is now, with its ETag."""
    found = tree.find_sprint(view.actor, pk)
    return answer(answers.SprintAnswer(found, context={"actor": view.actor}), status=status, version=found.version)


def decision_answer(view: View, pk: int, *, status: int = 200) -> Response:
    """The decision as it is now, with its ETag."""
    found = tree.find_decision(view.actor, pk)
    return answer(answers.DecisionAnswer(found, context={"actor": view.actor}), status=status, version=found.version)
