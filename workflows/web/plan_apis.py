"""The API of projects, strategies and epics: thin callers of the governed actions."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer

from guildhall.api.conditional import IF_MATCH, SEEN, required_version, seen_version
from guildhall.api.inputs import checked, checked_query
from guildhall.api.pagination import CursorPage
from guildhall.api.views import ListView, M, View, answer
from workflows import actions, selectors
from workflows.actions.common import unknown_action
from workflows.actions.strategies import STRATEGY_ACTS
from workflows.models import Epic, Project, Strategy, StrategyRun
from workflows.selectors import tree
from workflows.web import plan_inputs as inputs
from workflows.web import plan_serializers as answers
from workflows.web.serializers import StorySummary

EPIC_ACTS = {"close": actions.close_epic, "reopen": actions.reopen_epic}


class ByKey(CursorPage):
    ordering = ("key",)


class ByNumber(CursorPage):
    ordering = ("-number",)


class FilteredView(ListView[M]):
    """A list whose query narrows it: `query` checks it, `narrowed_by` names the columns."""

    query: type[BaseSerializer[Any]] = inputs.ProjectQuery
    narrowed_by: dict[str, str]

    def narrowed(self, rows: Any) -> Any:
        """The rows that the query asks for."""
        wanted = checked_query(self.query, self.request)
        given = {column: wanted[name] for name, column in self.narrowed_by.items() if name in wanted}
        return rows.filter(**given)


class ProjectsView(ListView[Project]):
    """Projects that the caller may see."""

    serializer_class = answers.ProjectAnswer
    pagination_class = ByKey
    queryset = Project.objects.none()

    def get_queryset(self) -> Any:
        return tree.projects_visible_to(self.actor)

    @extend_schema(request=inputs.ProjectBody, responses={201: answers.ProjectAnswer})
    def post(self, request: Request) -> Response:
        """Open a project."""
        project = actions.create_project(actor=self.actor, **checked(inputs.ProjectBody, request))
        return answer(
            answers.ProjectAnswer(project, context={"actor": self.actor}), status=201, version=project.version
        )


class ProjectView(View):
    @extend_schema(responses=answers.ProjectAnswer)
    def get(self, request: Request, key: str) -> Response:
        """One project with its repositories."""
        return self._answer(key)

    @extend_schema(request=inputs.ProjectChangeBody, responses=answers.ProjectAnswer, parameters=[IF_MATCH])
    def patch(self, request: Request, key: str) -> Response:
        """Change its name, client or environments. If-Match is required."""
        project = selectors.find_project(self.actor, key)
        version = required_version(request)
        change: Any = checked(inputs.ProjectChangeBody, request, partial=True)
        actions.edit_project(actor=self.actor, project=project, change=change, version=version)
        return self._answer(key)

    def _answer(self, key: str) -> Response:
        found = selectors.find_project(self.actor, key)
        return answer(answers.ProjectAnswer(found, context={"actor": self.actor}), version=found.version)


class ProjectRepositoriesView(View):
    @extend_schema(responses=answers.RepositoryOfProject(many=True))
    def get(self, request: Request, key: str) -> Response:
        """The project's repositories; none for a client."""
        rows = tree.repositories_of(self.actor, selectors.find_project(self.actor, key))
        return Response(answers.RepositoryOfProject(rows, many=True).data)

    @extend_schema(request=inputs.RepositoryBody, responses={201: answers.RepositoryOfProject}, parameters=[SEEN])
    def post(self, request: Request, key: str) -> Response:
        """Add a repository with a CI command of its own. If-Match: the project's."""
        project = selectors.find_project(self.actor, key)
        given, seen = checked(inputs.RepositoryBody, request), seen_version(request)
        row = actions.add_repository(actor=self.actor, project=project, version=seen, **given)
        return answer(answers.RepositoryOfProject(row), status=201)


class ProjectRepositoryView(View):
    @extend_schema(request=inputs.RepositoryChangeBody, responses=answers.RepositoryOfProject, parameters=[SEEN])
    def patch(self, request: Request, key: str, name: str) -> Response:
        """Change a repository's command, what that may take, or its branch, or make it the primary one."""
        project = selectors.find_project(self.actor, key)
        change: Any = checked(inputs.RepositoryChangeBody, request, partial=True)
        seen = seen_version(request)
        row = actions.edit_repository(actor=self.actor, project=project, name=name, change=change, version=seen)
        return answer(answers.RepositoryOfProject(row))

    @extend_schema(responses={204: None}, parameters=[SEEN])
    def delete(self, request: Request, key: str, name: str) -> Response:
        """Take a repository out that no task names."""
        project = selectors.find_project(self.actor, key)
        actions.remove_repository(actor=self.actor, project=project, name=name, version=seen_version(request))
        return Response(status=204)


class StrategiesView(FilteredView[Strategy]):
    serializer_class = answers.StrategySummary
    queryset = Strategy.objects.none()
    query = inputs.StrategyQuery
    narrowed_by = {"project": "project__key", "state": "state"}

    def get_queryset(self) -> Any:
        return self.narrowed(tree.strategies_visible_to(self.actor))

    @extend_schema(parameters=[inputs.StrategyQuery])
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Strategies: goals, how success is measured, how far agents may go, what it may cost."""
        return super().get(request, *args, **kwargs)

    @extend_schema(request=inputs.StrategyBody, responses={201: answers.StrategyAnswer})
    def post(self, request: Request) -> Response:
        """Set a goal."""
        given = checked(inputs.StrategyBody, request)
        project = selectors.find_project(self.actor, given.pop("project"))
        made = actions.create_strategy(actor=self.actor, project=project, **given)
        return strategy_answer(self, made.pk, status=201)


class StrategyView(View):
    @extend_schema(responses=answers.StrategyAnswer)
    def get(self, request: Request, pk: int) -> Response:
        """One strategy with its schedule, and what the caller may do with it."""
        return strategy_answer(self, pk)

    @extend_schema(request=inputs.StrategyChangeBody, responses=answers.StrategyAnswer, parameters=[IF_MATCH])
    def patch(self, request: Request, pk: int) -> Response:
        """Change a strategy that has not ended. If-Match is required."""
        strategy = tree.find_strategy(self.actor, pk)
        version = required_version(request)
        change: Any = checked(inputs.StrategyChangeBody, request, partial=True)
        actions.edit_strategy(actor=self.actor, strategy=strategy, change=change, version=version)
        return strategy_answer(self, pk)


class StrategyTransitionsView(View):
    @extend_schema(request=inputs.PlanActBody, responses=answers.StrategyAnswer)
    def post(self, request: Request, pk: int) -> Response:
        """Pause, resume or end a strategy. If-Match, where given, must be the present version."""
        strategy = tree.find_strategy(self.actor, pk)
        given = checked(inputs.PlanActBody, request)
        act = STRATEGY_ACTS.get(given["name"])
        if act is None:
            raise unknown_action("strategy", given["name"], list(STRATEGY_ACTS))
        act(actor=self.actor, strategy=strategy, reason=given["reason"], version=seen_version(request))
        return strategy_answer(self, pk)


class StrategyScheduleView(View):
    @extend_schema(request=inputs.ScheduleBody, responses=answers.StrategyAnswer)
    def put(self, request: Request, pk: int) -> Response:
        """Have the strategy write a story at these times, in the caller's name."""
        strategy = tree.find_strategy(self.actor, pk)
        given: Any = checked(inputs.ScheduleBody, request)
        actions.set_schedule(actor=self.actor, strategy=strategy, version=seen_version(request), **given)
        return strategy_answer(self, pk)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, pk: int) -> Response:
        """Take the schedule away; what it wrote stays."""
        strategy = tree.find_strategy(self.actor, pk)
        actions.remove_schedule(actor=self.actor, strategy=strategy, version=seen_version(request))
        return Response(status=204)


class StrategyRunsView(ListView[StrategyRun]):
    """The firings of a strategy's schedule, newest first."""

    serializer_class = answers.FiringAnswer
    pagination_class = ByNumber
    queryset = StrategyRun.objects.none()

    def get_queryset(self) -> Any:
        return tree.runs_visible_to(self.actor, tree.find_strategy(self.actor, self.kwargs["pk"]))


class EpicsView(FilteredView[Epic]):
    serializer_class = answers.EpicSummary
    queryset = Epic.objects.none()
    query = inputs.EpicQuery
    narrowed_by = {"project": "project__key", "state": "state", "strategy": "strategy"}
    orderings = {"rank": ("rank", "id"), "-created_at": ("-id",)}

    def get_queryset(self) -> Any:
        return self.narrowed(tree.epics_visible_to(self.actor))

    @extend_schema(parameters=[inputs.EpicQuery])
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Epics in their order, each with how many stories it has, under way and finished."""
        return super().get(request, *args, **kwargs)

    @extend_schema(request=inputs.EpicBody, responses={201: answers.EpicAnswer})
    def post(self, request: Request) -> Response:
        """Open an epic."""
        given = checked(inputs.EpicBody, request)
        project = selectors.find_project(self.actor, given.pop("project"))
        strategy = tree.find_strategy(self.actor, given.pop("strategy")) if given["strategy"] else given.pop("strategy")
        epic = actions.create_epic(actor=self.actor, project=project, strategy=strategy, **given)
        return epic_answer(self, epic.pk, status=201)


class EpicView(View):
    @extend_schema(responses=answers.EpicAnswer)
    def get(self, request: Request, pk: int) -> Response:
        """One epic with its stories by state, and what the caller may do with it."""
        return epic_answer(self, pk)

    @extend_schema(request=inputs.EpicChangeBody, responses=answers.EpicAnswer, parameters=[IF_MATCH])
    def patch(self, request: Request, pk: int) -> Response:
        """Change an open epic; `strategy` null takes it out of its strategy. If-Match is required."""
        epic = tree.find_epic(self.actor, pk)
        version = required_version(request)
        change: Any = checked(inputs.EpicChangeBody, request, partial=True)
        if change.get("strategy"):
            change["strategy"] = tree.find_strategy(self.actor, change["strategy"])
        actions.edit_epic(actor=self.actor, epic=epic, change=change, version=version)
        return epic_answer(self, pk)


class EpicTransitionsView(View):
    @extend_schema(request=inputs.PlanActBody, responses=answers.EpicAnswer)
    def post(self, request: Request, pk: int) -> Response:
        """Close or reopen an epic. If-Match, where given, must be the present version."""
        epic = tree.find_epic(self.actor, pk)
        given = checked(inputs.PlanActBody, request)
        act = EPIC_ACTS.get(given["name"])
        if act is None:
            raise unknown_action("epic", given["name"], list(EPIC_ACTS))
        act(actor=self.actor, epic=epic, version=seen_version(request))
        return epic_answer(self, pk)


class EpicOrderView(View):
    @extend_schema(request=inputs.EpicOrderBody, responses=answers.EpicSummary(many=True), parameters=[SEEN])
    def put(self, request: Request, key: str) -> Response:
        """Show the project's epics in this order. The version is the project's."""
        project = selectors.find_project(self.actor, key)
        given, seen = checked(inputs.EpicOrderBody, request), seen_version(request)
        actions.order_epics(actor=self.actor, project=project, version=seen, **given)
        rows = tree.epics_visible_to(self.actor).filter(project=project).order_by("rank", "id")
        return answer(answers.EpicSummary(rows, many=True), version=selectors.find_project(self.actor, key).version)


class EpicStoryOrderView(View):
    @extend_schema(request=inputs.EpicStoryOrderBody, responses=StorySummary(many=True))
    def put(self, request: Request, pk: int) -> Response:
        """Show the epic's stories in this order. If-Match, where given, must be the epic's present version."""
        epic = tree.find_epic(self.actor, pk)
        given = checked(inputs.EpicStoryOrderBody, request)
        actions.order_stories(actor=self.actor, epic=epic, version=seen_version(request), **given)
        rows = tree.stories_of(self.actor, epic).prefetch_related("labels")
        found = tree.find_epic(self.actor, pk)
        return answer(StorySummary(rows, many=True, context={"request": request}), version=found.version)


def strategy_answer(view: View, pk: int, *, status: int = 200) -> Response:
    """The strategy as it is now, with its ETag."""
    found = tree.find_strategy(view.actor, pk)
    return answer(answers.StrategyAnswer(found, context={"actor": view.actor}), status=status, version=found.version)


def epic_answer(view: View, pk: int, *, status: int = 200) -> Response:
    """The epic as it is now, with its ETag."""
    found = tree.find_epic(view.actor, pk)
    return answer(answers.EpicAnswer(found, context={"actor": view.actor}), status=status, version=found.version)
