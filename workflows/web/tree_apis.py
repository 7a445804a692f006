"""The API of projects, strategies, epics, sprints and decisions."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from guildhall.api.inputs import checked, checked_query
from guildhall.api.pagination import CursorPage
from guildhall.api.views import ListView, M, View, answer
from workflows import actions, selectors
from workflows.models import Decision, Epic, Project, Sprint, Strategy
from workflows.selectors import tree
from workflows.web import inputs
from workflows.web.tree_serializers import (
    DecisionAnswer,
    EpicAnswer,
    ProjectAnswer,
    SprintAnswer,
    StrategyAnswer,
)


class ByKey(CursorPage):
    ordering = ("key",)


class OfProjectView(ListView[M]):
    """A list that `?project=KEY` narrows."""

    def of_project(self, rows: Any) -> Any:
        wanted = checked_query(inputs.ProjectQuery, self.request)
        return rows.filter(project__key=wanted["project"]) if "project" in wanted else rows

    @extend_schema(parameters=[inputs.ProjectQuery])
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)


class ProjectsView(ListView[Project]):
    """Projects that the caller may see."""

    serializer_class = ProjectAnswer
    pagination_class = ByKey
    queryset = Project.objects.none()

    def get_queryset(self) -> Any:
        return tree.projects_visible_to(self.actor)

    @extend_schema(request=inputs.ProjectBody, responses={201: ProjectAnswer})
    def post(self, request: Request) -> Response:
        """Open a project."""
        project = actions.create_project(actor=self.actor, **checked(inputs.ProjectBody, request))
        return answer(ProjectAnswer(project), status=201)


class ProjectView(View):
    @extend_schema(responses=ProjectAnswer)
    def get(self, request: Request, key: str) -> Response:
        """One project."""
        return answer(ProjectAnswer(selectors.find_project(self.actor, key)))


class StrategiesView(OfProjectView[Strategy]):
    """Strategies: goals, how success is measured, how far agents may go, what it may cost."""

    serializer_class = StrategyAnswer
    queryset = Strategy.objects.none()

    def get_queryset(self) -> Any:
        return self.of_project(tree.strategies_visible_to(self.actor))

    @extend_schema(request=inputs.StrategyBody, responses={201: StrategyAnswer})
    def post(self, request: Request) -> Response:
        """Set a goal."""
        given = checked(inputs.StrategyBody, request)
        project = selectors.find_project(self.actor, given.pop("project"))
        return answer(StrategyAnswer(actions.create_strategy(actor=self.actor, project=project, **given)), status=201)


class StrategyView(View):
    @extend_schema(responses=StrategyAnswer)
    def get(self, request: Request, pk: int) -> Response:
        """One strategy."""
        return answer(StrategyAnswer(tree.find_strategy(self.actor, pk)))


class EpicsView(OfProjectView[Epic]):
    """Epics, each with how many stories it has."""

    serializer_class = EpicAnswer
    queryset = Epic.objects.none()

    def get_queryset(self) -> Any:
        return self.of_project(tree.epics_visible_to(self.actor))

    @extend_schema(request=inputs.EpicBody, responses={201: EpicAnswer})
    def post(self, request: Request) -> Response:
        """Open an epic."""
        given = checked(inputs.EpicBody, request)
        project = selectors.find_project(self.actor, given["project"])
        strategy = tree.find_strategy(self.actor, given["strategy"]) if given["strategy"] else None
        epic = actions.create_epic(actor=self.actor, project=project, title=given["title"], strategy=strategy)
        return answer(EpicAnswer(tree.find_epic(self.actor, epic.pk)), status=201)


class EpicView(View):
    @extend_schema(responses=EpicAnswer)
    def get(self, request: Request, pk: int) -> Response:
        """One epic."""
        return answer(EpicAnswer(tree.find_epic(self.actor, pk)))


class SprintsView(OfProjectView[Sprint]):
    """Sprints, newest first; one at a time is open per project."""

    serializer_class = SprintAnswer
    queryset = Sprint.objects.none()

    def get_queryset(self) -> Any:
        return self.of_project(tree.sprints_visible_to(self.actor))


class DecisionsView(ListView[Decision]):
    """Decisions, newest first."""

    serializer_class = DecisionAnswer
    queryset = Decision.objects.none()

    def get_queryset(self) -> Any:
        return tree.decisions_visible_to(self.actor)

    @extend_schema(request=inputs.ProposedDecision, responses={201: DecisionAnswer})
    def post(self, request: Request) -> Response:
        """Propose a decision; a product owner approves or rejects it."""
        given = checked(inputs.ProposedDecision, request)
        return answer(DecisionAnswer(actions.propose_decision(actor=self.actor, **given)), status=201)


class DecisionView(View):
    @extend_schema(responses=DecisionAnswer)
    def get(self, request: Request, pk: int) -> Response:
        """One decision."""
        return answer(DecisionAnswer(tree.find_decision(self.actor, pk)))


class DecisionVerdictView(View):
    @extend_schema(request=inputs.VerdictBody, responses=DecisionAnswer)
    def post(self, request: Request, pk: int) -> Response:
        """Approve or, with feedback, reject a proposed decision."""
        decision = tree.find_decision(self.actor, pk)
        given = checked(inputs.VerdictBody, request)
        return answer(DecisionAnswer(actions.decide(actor=self.actor, decision=decision, **given)))
