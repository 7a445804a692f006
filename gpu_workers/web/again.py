"""Forms that have agents try again or go on, and take a merged change back, where stories, tasks and runs are shown."""

from collections.abc import Sequence

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect

from gpu_workers.actions.retries import retry_run
from gpu_workers.actions.reverts import request_revert
from gpu_workers.models import ChangeRequest, Run
from gpu_workers.models.run import RunState
from gpu_workers.policies import GRANTS
from gpu_workers.selectors import change_for, given_up, run_for, tries_of
from guildhall.kernel.actor import Actor
from guildhall.kernel.reasons import checked_reason
from guildhall.portal.registry import address_of
from guildhall.portal.views import PageRequest, form_page

MOST_REASON = 200


def given_up_on(actor: Actor, runs: Sequence[Run]) -> list[Run]:
    """Of these runs the ones that the actor may have tried again: the last of something that agents gave up on.

    Before them those that wait for a budget.
    """
    if not actor.has_role(*GRANTS["run.retry"]):
        return []
    waiting = [run for run in runs if run.state == RunState.WAITING and "budget" in run.outcome]
    seen = {(run.subject, run.kind) for run in runs if not run.is_open}
    return waiting + [tries_of(subject, kind)[0] for subject, kind in sorted(seen) if given_up(subject, kind)]


def may_revert(actor: Actor, change: ChangeRequest) -> bool:
    """Whether the actor may have this change undone now."""
    return change.state == "merged" and actor.has_role(*GRANTS["change.request_revert"])


@form_page
def retry(request: PageRequest, number: int) -> HttpResponse:
    """Have agents try again what they gave up on, or go on with what waits."""
    run = run_for(request.actor, number)
    if request.method == "POST":
        waited = run.state == RunState.WAITING
        retry_run(actor=request.actor, run=run, reason=_reason(request))
        follows = "goes on where it stopped." if waited else "is tried again; a new run starts when an agent is free."
        messages.success(request, f"Run {number} {follows}")
    return redirect(address_of(run.subject) or "/runs/")


@form_page
def revert(request: PageRequest, number: int) -> HttpResponse:
    """Ask for a commit on the default branch that undoes a merged change."""
    change = change_for(request.actor, number)
    if request.method == "POST":
        request_revert(actor=request.actor, change=change, reason=_reason(request))
        messages.success(request, f"Change {number} is being taken back by a new commit.")
    return redirect("task", reference=change.task)


def _reason(request: PageRequest) -> str:
    reason = " ".join(request.POST.get("reason", "").replace("\0", "").split())
    return checked_reason(reason, MOST_REASON)
