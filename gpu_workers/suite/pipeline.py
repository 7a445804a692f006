"""One task of a suite from story to merge, by the platform's own pipeline; the suite only acts as the people would."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from gpu_workers.actions.registry import create_repository as register_repository
from gpu_workers.folders import repository_folder, scratch_folder
from gpu_workers.models import Run
from gpu_workers.models.run import GIVEN_UP, RunState
from gpu_workers.repos import Signature, create_repository
from gpu_workers.runs.asking import KIND
from gpu_workers.runs.engine import stop_runs
from gpu_workers.sandbox import Sandbox
from gpu_workers.sandboxes import sandbox_settings
from gpu_workers.selectors import given_up
from gpu_workers.suite.form import SuiteTask
from gpu_workers.suite.people import Ground, allow
from gpu_workers.suite.proof import proves
from guildhall.kernel.tenancy import tenant_scope
from workflows.actions import create_project, create_story, transition_story
from workflows.models import Story, Task

AUTHOR = Signature("Suite", "suite@guildhall.invalid")
PATIENCE = 30
"""How often a run may be seen waiting for a person with nothing that these people can decide, before it is given up."""
Pause = Callable[[str], None]
"""Called with the tenant's schema, in no scope, while the platform works."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """How one went. `outcome` is solved, not_proven (merged, yet the test fails), wrong, gave_up, out_of_time, broke (the suite
    itself failed at it) or not_run.

    `owners` are what its money is found under in the ledger, as dimension and value.
    """

    task: str
    owners: tuple[tuple[str, str], ...]
    outcome: str
    reason: str
    seconds: float


def attempt(ground: Ground, number: int, task: SuiteTask, *, seconds: float, pause: Pause) -> Attempt:
    """Have `task` worked on until it is merged, given up, or `seconds` have passed."""
    began = time.monotonic()
    with tenant_scope(ground.schema):
        story = _story(ground, number, task)
    ended, seen = "", 0
    while not ended:
        pause(ground.schema)
        with tenant_scope(ground.schema):
            seen = 0 if _act_as_people(ground, story) else seen + 1
            ended = _ended(story, patient=seen < PATIENCE)
            if not ended and time.monotonic() - began > seconds:
                stop_runs(story.ref, "The suite's time for it is up.", begun_by=datetime.now(UTC))
                ended = "out_of_time"
    outcome, _, reason = ended.partition(": ")
    if outcome == "merged":
        with tenant_scope(ground.schema):
            box = Sandbox(sandbox_settings())
            solved = proves(task, repository_folder(task.name), box, scratch_folder(task.name))
        outcome = "solved" if solved else "not_proven"
        reason = "" if solved else "It was merged, and the task's own test fails on it."
    return Attempt(task.name, (("story", story.reference),), outcome, reason, time.monotonic() - began)


def _story(ground: Ground, number: int, task: SuiteTask) -> Story:
    admin, author, owner = (ground.people[role] for role in ("admin", "developer", "product_owner"))
    sha = create_repository(repository_folder(task.name), task.files, AUTHOR, datetime(2026, 1, 1, tzinfo=UTC))
    register_repository(actor=admin, name=task.name, ci_command=task.asked.test, head_sha=sha)
    project = create_project(
        actor=admin, key=f"S{number}", name=task.asked.title, repository=task.name, ci_command=task.asked.test
    )
    story = create_story(
        actor=author,
        project=project,
        content={
            "title": task.asked.title,
            "brief": task.asked.statement,
            "acceptance": list(task.asked.acceptance),
            "size": task.asked.size,
            "priority": "normal",
            "risk_labels": [],
            "depends_on": [],
            "budget_usd": task.asked.budget_usd,
        },
    )
    story = transition_story(actor=author, story=story, name="submit")
    return transition_story(actor=owner, story=story, name="approve_scope")


def _act_as_people(ground: Ground, story: Story) -> bool:
    """Commit a planned story to the sprint and allow what waits for these people; whether there was anything to do."""
    acted = False
    story.refresh_from_db()
    if story.state == "planned":
        transition_story(actor=ground.people["product_owner"], story=story, name="commit_to_sprint")
        acted = True
    return allow(ground, lambda asked: asked.kind in ("merge", KIND)) or acted


def _ended(story: Story, *, patient: bool) -> str:
    """`merged`, `gave_up: why`, or "" while it goes on."""
    tasks = list(Task.objects.filter(story=story).exclude(state="cancelled"))
    if tasks and all(task.state == "done" for task in tasks):
        return "merged"
    runs = Run.objects.filter(story=story.ref).order_by("-number")
    subjects = {task.ref for task in tasks if task.state != "done"} | {story.ref}
    for run in runs.filter(state__in=GIVEN_UP, subject__in=subjects):
        if given_up(run.subject, run.kind):
            return f"gave_up: {run.reason}"
    if not patient:
        waiting = runs.filter(state=RunState.WAITING).first()
        if waiting is not None:
            return f"gave_up: {waiting.reason}"
    return ""
