"""The API of tasks."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from guildhall.api.conditional import IF_MATCH, required_version, version_seen
from guildhall.api.inputs import checked, checked_query
from guildhall.api.trail import TrailEntry
from guildhall.api.views import ListView, View, answer
from workflows import actions, selectors
from workflows.machines import TestReport
from workflows.models import Task
from workflows.web import inputs
from workflows.web.comfort_serializers import BeforeQuery
from workflows.web.serializers import TaskAnswer, TaskSummary


class TasksView(ListView[Task]):
    serializer_class = TaskSummary
    queryset = Task.objects.none()
    orderings = {"-changed_at": ("-changed_at", "-id"), "changed_at": ("changed_at", "id"), "created_at": ("id",)}

    def get_queryset(self) -> Any:
        wanted = checked_query(inputs.TaskQuery, self.request)
        role = wanted.get("pending_for")
        tasks = selectors.pending_for(self.actor, role) if role else selectors.tasks_visible_to(self.actor)
        if "state" in wanted:
            tasks = tasks.filter(state=wanted["state"])
        if "story" in wanted:
            tasks = tasks.filter(story__reference=wanted["story"])
        return tasks

    @extend_schema(parameters=[inputs.TaskQuery])
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Tasks that the caller may see; `?pending_for=<role>` for what waits for a role."""
        return super().get(request, *args, **kwargs)


class TaskView(View):
    @extend_schema(responses=TaskAnswer)
    def get(self, request: Request, reference: str) -> Response:
        """One task, and what the caller may do with it. The ETag is for editing it."""
        return _answer(self, reference)

    @extend_schema(request=inputs.TaskChangeBody, responses=TaskAnswer, parameters=[IF_MATCH])
    def patch(self, request: Request, reference: str) -> Response:
        """Change a task that nobody has begun. If-Match is required."""
        task = selectors.find_task(self.actor, reference)
        version = required_version(request)
        given: Any = checked(inputs.TaskChangeBody, request, partial=True)
        actions.edit_task(actor=self.actor, task=task, change=given, version=version)
        return _answer(self, reference)


class TaskTransitionsView(View):
    @extend_schema(request=inputs.TaskActBody, responses=TaskAnswer)
    def post(self, request: Request, reference: str) -> Response:
        """Do one act of the task table. approve_story is done by deciding the task's approval."""
        task = selectors.find_task(self.actor, reference)
        given = checked(inputs.TaskActBody, request)
        actions.transition_task(
            actor=self.actor,
            task=task,
            name=given["name"],
            feedback=given["feedback"],
            version=version_seen(request, given["version"]),
            commit_sha=given["commit_sha"],
            report=TestReport(**given["report"]) if given["report"] else None,
        )
        return _answer(self, reference)


class TaskRenewView(View):
    @extend_schema(request=None, responses=TaskAnswer)
    def post(self, request: Request, reference: str) -> Response:
        """Keep one's claim on the task for another lease."""
        task = selectors.find_task(self.actor, reference)
        actions.renew_claim(actor=self.actor, task=task, claim_token=task.claim_token)
        return _answer(self, reference)


class TaskActivityView(View):
    @extend_schema(parameters=[BeforeQuery], responses=TrailEntry(many=True))
    def get(self, request: Request, reference: str) -> Response:
        """The newest 100 lines of the audit trail about the task, or the 100 `before` one."""
        task = selectors.find_task(self.actor, reference)
        before = checked_query(BeforeQuery, request).get("before")
        return Response(TrailEntry(selectors.activity(self.actor, task, before=before), many=True).data)


def _answer(view: View, reference: str) -> Response:
    task = selectors.find_task(view.actor, reference)
    return answer(TaskAnswer(task, context={"actor": view.actor}), version=task.version)
