"""Handing in by people, as a page's form and by API: a patch, or the name of a branch that was pushed."""

from typing import Any, ClassVar

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.debug import sensitive_post_parameters
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from gpu_workers.actions.changes import FORGE, PERSONS
from gpu_workers.actions.hand_ins import may_withdraw, propose_change, withdraw_hand_in
from gpu_workers.ci_answers import KnownCI, known_among
from gpu_workers.forges.choosing import connection_of
from gpu_workers.models import CIRun, HandIn
from gpu_workers.models.hand_in import HandInState
from gpu_workers.patches import MAX_BYTES
from gpu_workers.selectors import change_of_task, hand_ins_visible_to
from gpu_workers.web.shown import shown_ci
from guildhall.api.inputs import checked
from guildhall.api.views import ListView, View, answer
from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import GuildhallError, Invalid, NotFound, TooLarge
from guildhall.portal.registry import Panel, register_panel
from guildhall.portal.views import PageRequest, form_page
from workflows.models import Task
from workflows.policies import sees_all
from workflows.selectors import find_task

SHOWN = 5
LOG_SHOWN = 3000
TONES = {"waiting": "t-run", "green": "t-ok", "red": "t-bad", "refused": "t-bad", "withdrawn": "t-idle"}


class HandInBody(serializers.Serializer[Any]):
    patch = serializers.CharField(
        required=False,
        default="",
        trim_whitespace=False,
        allow_blank=True,
        help_text=f"What git diff or git format-patch writes, on top of the default branch; at most {MAX_BYTES} bytes.",
    )
    branch = serializers.CharField(
        required=False,
        default="",
        allow_blank=True,
        max_length=120,
        help_text="Instead of a patch, where the repository is kept elsewhere: the branch that you pushed there.",
    )


class HandInAnswer(serializers.ModelSerializer[HandIn]):
    """`head_sha` is the commit for commit_code once `state` is green; `ci` what CI said of it, by `/ci-runs/ID/`."""

    state = serializers.ChoiceField(HandInState.choices)
    ci = serializers.SerializerMethodField()

    class Meta:
        model = HandIn
        fields: ClassVar = [
            "id",
            "task",
            "repository",
            "person",
            "pushed",
            "branch",
            "base_sha",
            "head_sha",
            "state",
            "reason",
            "ci",
            "created_at",
            "settled_at",
        ]

    @extend_schema_field(serializers.IntegerField(allow_null=True))
    def get_ci(self, row: HandIn) -> int | None:
        found = ci_of_hand_in(row)
        return found.run.pk if found else None


class HandInsView(ListView[HandIn]):
    """What people handed in for a task, newest first."""

    serializer_class = HandInAnswer
    queryset = HandIn.objects.none()

    def get_queryset(self) -> Any:
        task = find_task(self.actor, self.kwargs["reference"])
        return hand_ins_visible_to(self.actor).filter(task=task.reference)

    @extend_schema(request=HandInBody, responses={202: HandInAnswer})
    def post(self, request: Request, reference: str) -> Response:
        """Hand in for a task that you have claimed. CI runs on it; once it is green, commit_code takes its `head_sha`."""
        task = find_task(self.actor, reference)
        given = checked(HandInBody, request)
        made = propose_change(actor=self.actor, task=task, patch=given["patch"], pushed=given["branch"])
        return answer(HandInAnswer(made), status=202)


class HandInWithdrawView(View):
    @extend_schema(request=None, responses=HandInAnswer)
    def post(self, request: Request, reference: str, pk: int) -> Response:
        """Take back what is still in work; what is done for it ends within seconds."""
        return answer(HandInAnswer(_withdrawn(self.actor, reference, pk)))


def _withdrawn(actor: Actor, reference: str, pk: int) -> HandIn:
    task = find_task(actor, reference)
    row = hand_ins_visible_to(actor).filter(task=task.reference, pk=pk).first()
    if row is None:
        raise NotFound(f"There is no hand-in {pk} of {task.reference}.")
    return withdraw_hand_in(actor=actor, hand_in=row)


@sensitive_post_parameters("patch")
@form_page
def hand_in(request: PageRequest, reference: str) -> HttpResponse:
    """Take the forms on the task's page: what is handed in (refused, it comes back with what was given), or taken back."""
    task = find_task(request.actor, reference)
    if request.method != "POST":
        return redirect("task", reference=task.reference)
    if (number := request.POST.get("withdraw", "")[:18]).isdecimal():
        row = _withdrawn(request.actor, reference, int(number))
        messages.success(request, f"Hand-in {row.pk} is taken back.")
        return redirect("task", reference=task.reference)
    given = {"branch": request.POST.get("branch", "").replace("\0", "").strip()[:121], "patch": _typed(request)}
    try:
        given["patch"] = _from_file(request) or given["patch"]
        made = propose_change(actor=request.actor, task=task, patch=given["patch"], pushed=given["branch"])
    except NotFound:
        raise
    except GuildhallError as problem:
        if not sees_all(request.actor):
            raise
        return _given_back(request, task, given, problem)
    messages.success(request, f"Hand-in {made.pk} is taken. CI runs on it now; its answer is shown here.")
    return redirect("task", reference=task.reference)


def _typed(request: PageRequest) -> str:
    """What was put into the field, where browsers write line ends of their own."""
    return request.POST.get("patch", "").replace("\r\n", "\n")


def _from_file(request: PageRequest) -> str:
    """The file as it is, "" for none."""
    file = request.FILES.get("file")
    if file is None:
        return ""
    if (file.size or 0) > MAX_BYTES:
        raise TooLarge(f"The patch has {file.size} bytes; at most {MAX_BYTES} are taken.")
    try:
        return str(file.read(), "utf-8")
    except UnicodeDecodeError as trouble:
        problem = "The patch is no UTF-8 text; push a branch for other files."
        raise Invalid(problem, fields={"patch": [problem]}) from trouble


def _given_back(request: PageRequest, task: Task, given: dict[str, str], problem: GuildhallError) -> HttpResponse:
    """The form again. A file is given back as the text that it holds; what is longer than a patch may be is not."""
    patch = given["patch"].replace("\0", "")
    patch = patch if len(patch.encode("utf-8", "replace")) <= MAX_BYTES else ""
    context = {
        "task": task,
        "elsewhere": connection_of(task.repository_name) is not None,
        "given": {**given, "patch": patch},
        "wrong": problem.fields or ({"patch": [problem.detail]} if isinstance(problem, TooLarge) else {}),
        "problem": problem,
        "text_rows": min(max(patch.count("\n") + 1, 4), 24),
    }
    return render(request, "gpu_workers/hand_in.html", context, status=problem.status)


def ci_of_hand_in(row: HandIn) -> KnownCI | None:
    """What CI said of its commit; the checks of its forge have the last word."""
    purposes = [f"{PERSONS}{row.pk}", f"{FORGE}{PERSONS}{row.pk}"]
    return known_among(CIRun.objects.filter(repository=row.repository, purpose__in=purposes))


def task_hand_ins(actor: Actor, reference: str) -> dict[str, Any] | None:
    """The form for whoever has claimed the task, and what was handed in."""
    rows = list(hand_ins_visible_to(actor).filter(task=reference)[:SHOWN])
    task = Task.objects.select_related("story__project", "repository").get(reference=reference)
    mine = task.state == "implementing" and task.holder == actor.ref
    if not rows and not mine:
        return None
    change = change_of_task(reference)
    head = change.head_sha if change and change.author == actor.ref else ""
    latest = next((row for row in rows if row.state == HandInState.GREEN and row.head_sha == head), None)
    ready = latest if mine and latest and head not in (task.rejected_sha, "") else None
    first = rows[0] if rows else None
    return {
        "task": task,
        "rows": [(row, TONES[row.state]) for row in rows],
        "withdraw": next((r.pk for r in rows if r.state == HandInState.WAITING and may_withdraw(actor, r)), None),
        "ci": shown_ci(ci_of_hand_in(first)) if first else None,
        "log": _end(first),
        "form": mine and not any(row.state == HandInState.WAITING for row in rows),
        "elsewhere": connection_of(task.repository_name) is not None,
        "ready": ready,
        "act": "revise_code" if task.rejected_sha else "commit_code",
    }


def _end(row: HandIn | None) -> str:
    ci = ci_of_hand_in(row) if row and row.state == HandInState.RED else None
    return ci.run.log[-LOG_SHOWN:] if ci else ""


def register() -> None:
    """Called once the apps are ready."""
    page = "gpu_workers/_hand_in_panel.html"
    register_panel(Panel("task-hand-ins", "task.main", page, 5, task_hand_ins, "task:{}"))
