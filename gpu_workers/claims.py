"""Agents keep the claims of their open runs: a run that works long, or waits for a person, still has its task, and so has
one whose lease ended while nothing here ran, and one that is done and whose work has not moved the task on yet."""

import logging
from datetime import timedelta

from django.db.models import Q
from django.db.models.functions import Now

from gpu_workers.events import AgentWorkCompleted
from gpu_workers.models import Run
from gpu_workers.models.run import OPEN, RunKind
from guildhall.evidence.selectors import undelivered
from guildhall.kernel.errors import Conflict, Denied
from workflows.actions import renew_claim
from workflows.models import Task

logger = logging.getLogger(__name__)
LEFT = timedelta(minutes=10)
"""A claim with less than this is renewed; shorter than an agent's lease, longer than this is looked at."""
MOVER = "agents.work"
"""The consumer that moves tasks on when their run's work is done."""


def keep_claims() -> int:
    """Renew the claims of the current tenant's open runs that run out soon or have, and that nobody has released; how many.

    Those of runs that ended with their work, too, until it is handed to who moves their task on: events may have to wait. In the
    order in which `release_expired_claims` takes them: it never comes to one that was not looked at here.
    """
    due = Task.objects.filter(lease_until__lte=Now() + LEFT, holder__startswith="agent:").order_by("lease_until")
    tasks = {task.ref: task for task in due.select_related("story")[:500]}
    done = [said["claim"] for said in undelivered(consumer=MOVER, kind=AgentWorkCompleted.kind)] if tasks else []
    at_it = Q(state__in=OPEN) | Q(claim__in=done)
    runs = Run.objects.select_related("agent").filter(at_it, subject__in=tasks).exclude(kind=RunKind.PLAN)
    count = 0
    for run in runs:
        task, token = tasks[run.subject], int(run.claim.rpartition(":")[2])
        if (task.holder, task.claim_token) != (run.agent.ref, token):
            continue
        try:
            renew_claim(actor=run.agent.actor(), task=task, claim_token=token)
            count += 1
        except (Conflict, Denied) as refusal:
            logger.info("run %s keeps no claim: %s", run.number, refusal.detail)
    return count
