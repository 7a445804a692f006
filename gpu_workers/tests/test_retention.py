"""Workspaces of runs that ended long ago go; what such a run left can still be read, and no run that may go on loses its own."""

import os
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.conf import settings
from django.db.models.functions import Now

from governance.selectors import entries_of
from gpu_workers.actions.workspaces import forget_workspace
from gpu_workers.folders import repository_folder, scratch_folder, workspace_folder
from gpu_workers.models import ChangeRequest, Run, RunStep
from gpu_workers.models.run import RunState
from gpu_workers.repos import Signature, Workspace, clone_workspace, commit_all, head_of, push_branch
from gpu_workers.repos.git import git
from gpu_workers.repos.repository import branch_head, update_branch
from gpu_workers.repos.workspaces import tree_of
from gpu_workers.retention import remove_workspaces, retire_branches
from gpu_workers.runs.files import look
from gpu_workers.runs.storing import charge_stored
from guildhall.kernel.errors import Conflict, NotFound
from tests.support.busy import queue_many
from tests.support.clients import signed_in
from tests.support.evidence import trail
from tests.support.tenants import TestTenant
from tests.support.world import World

pytestmark = pytest.mark.integration

OLD, YOUNG = timedelta(days=40), timedelta(days=5)
ENDINGS: list[tuple[str, RunState, timedelta | None]] = [
    ("left uncommitted", RunState.ESCALATED, OLD),
    ("committed", RunState.SUCCEEDED, OLD),
    ("left what git takes no commit of", RunState.CANCELLED, OLD),
    ("over since yesterday", RunState.FAILED, YOUNG),
    # None of these is over, whatever else their rows say.
    ("queued", RunState.QUEUED, OLD),
    ("its worker died", RunState.RUNNING, OLD),
    ("waits for a person", RunState.WAITING, OLD),
    ("waits, and never ended", RunState.WAITING, None),
]
MASON = Signature("Mason", "mason@example.org")


def begun(number: int, left: str) -> Workspace:
    """The workspace of a run that wrote a file; the row says so, as a worker would have it."""
    repo, branch = repository_folder("till"), f"guildhall/TILL-1.{number}-{number}"
    base = head_of(repo, "main")
    workspace = clone_workspace(repo, workspace_folder(number), branch, base)
    (workspace.tree / "note.txt").write_text(f"{left}\n" * 4000)
    if "git takes no commit" in left:
        (workspace.tree / ".gitmodules").write_text('[submodule "x"]\n\tpath = x\n\turl = -oops\n')
    run = Run.objects.get(number=number)
    tree = tree_of(workspace, base)
    RunStep.objects.create(run=run, key="executor.1.1", phase="executor", kind="tool", title="write_file note.txt",
                           response={"tree": tree}, finished_at=Now())  # fmt: skip
    facts = {"base_sha": base, "branch": branch}
    if left == "committed":
        sha = commit_all(workspace, branch, base, "A note", MASON, datetime(2026, 1, 1, tzinfo=UTC))
        assert sha is not None
        facts["head_sha"] = push_branch(repo, workspace, branch, sha, None)
        RunStep.objects.create(run=run, key="commit.0", phase="ci_monitor", kind="commit", title="Commit",
                               response={"sha": sha}, finished_at=Now())  # fmt: skip
    Run.objects.filter(pk=run.pk).update(**facts)
    return workspace


def note_of(number: int) -> Any:
    return look(Run.objects.get(number=number), "note.txt")


def stored(tenant: TestTenant, day: date) -> Decimal:
    charge_stored(actor=tenant.system("cashier"), day=day)
    return entries_of("owner", "repository:till")[0].quantity


def test_what_ended_long_ago_goes_from_the_disk_and_can_still_be_read(tenant: TestTenant) -> None:
    world, keeper = World.build(tenant, "TILL", {"README": b"Notes.\n"}, "true"), tenant.system("housekeeper")
    numbers = queue_many(world, len(ENDINGS))
    with tenant.scope():
        places = {number: begun(number, left) for number, (left, _, _) in zip(numbers, ENDINGS, strict=True)}
        for number, (_, state, ago) in zip(numbers, ENDINGS, strict=True):
            ended = None if ago is None else Now() - ago
            past = Now() - OLD
            Run.objects.filter(number=number).update(state=state, fence=1, ended_at=ended, lease_until=past)
        _scratch("ci-dead", OLD)
        _scratch("ci-at-work", timedelta())
        before = stored(tenant, date(2026, 11, 20))
        _never_one_that_is_taken_again(tenant, numbers[0], places[numbers[0]])
        assert remove_workspaces(actor=keeper) == 1
        assert [number for number in numbers if not places[number].root.exists()] == numbers[:3]
        assert all((places[number].tree / "note.txt").exists() for number in numbers[3:])
        assert stored(tenant, date(2026, 11, 21)) < before / 2 + before / 4, "what is gone is not paid for"
        assert not scratch_folder("dead").exists()
        assert scratch_folder("at-work").exists()
        for number, (left, _, _) in list(zip(numbers, ENDINGS, strict=True))[:2]:
            place, shown = note_of(number)
            assert shown.text == f"{left}\n" * 4000
            assert place.removed is not None
        with pytest.raises(NotFound):
            note_of(numbers[2])
        assert look(Run.objects.get(number=numbers[2]), "")[0].lost
        assert remove_workspaces(actor=keeper) == 0
        # A worker that died after it was written down, and before all of it was gone.
        places[numbers[1]].root.mkdir()
        (places[numbers[1]].root / "ready").touch()
        assert note_of(numbers[1])[1].text == "committed\n" * 4000
        assert remove_workspaces(actor=keeper) == 1
        assert trail().count("agent.run.workspace_removed") == 3
        _branches_of_ended_runs_go(numbers)
    viewer = signed_in(tenant, tenant.member("viewer"))
    told = [viewer.get(f"/runs/{number}/files/").content.decode() for number in numbers[:4]]
    day = datetime.now(UTC).date()
    assert all(f"Its workspace was removed on {day.day} {day:%b %Y}" in page for page in told[:3])
    assert ["went with it" in page for page in told] == [False, False, True, False]
    assert "was removed" not in told[3]


def _scratch(name: str, age: timedelta) -> None:
    place = scratch_folder(name.removeprefix("ci-"))
    place.mkdir(parents=True)
    at = (datetime.now(UTC) - age).timestamp()
    os.utime(place, (at, at))


def _never_one_that_is_taken_again(tenant: TestTenant, number: int, place: Workspace) -> None:
    """Who has looked before somebody took the run is refused under its row's lock, and nothing was removed."""
    looked = Run.objects.get(number=number)
    Run.objects.filter(number=number).update(state=RunState.RUNNING, lease_until=Now() + settings.RUN_LEASE)
    with pytest.raises(Conflict, match="is running"):
        forget_workspace(actor=tenant.system("housekeeper"), run=looked, kept="", step="", lost=False)
    assert remove_workspaces(actor=tenant.system("housekeeper")) == 2
    assert place.tree.exists()
    Run.objects.filter(number=number).update(state=RunState.ESCALATED, lease_until=None)


def _branches_of_ended_runs_go(numbers: list[int]) -> None:
    """But for one of an open change; and what they held can still be read."""
    repo, ended = repository_folder("till"), numbers[:3]
    shas = {number: Run.objects.get(number=number).head_sha or head_of(repo, "main") for number in numbers}
    branches = {number: f"guildhall/TILL-1.{number}-{number}" for number in numbers}
    for number in numbers:
        for branch in (branches[number], f"{branches[number]}-rebased-0123abcd"):
            update_branch(repo, branch, shas[number], branch_head(repo, branch))
    run = Run.objects.get(number=ended[1])
    facts = {"branch": run.branch, "head_sha": run.head_sha, "repository": "till"}
    change = ChangeRequest.objects.create(number=1, task="TILL-1.1", story="story:TILL-1", run=run, **facts)
    assert retire_branches() == 4
    left = [number for number in numbers if branch_head(repo, branches[number])]
    assert left == [ended[1], *numbers[3:]], "those of runs that go on, and of an open change"
    ChangeRequest.objects.filter(pk=change.pk).update(state="closed")
    assert (retire_branches(), retire_branches()) == (2, 0)
    assert branch_head(repo, branches[ended[1]]) is None
    git(repo, "-c", "gc.reflogExpire=now", "gc", "--quiet", "--prune=now")
    assert note_of(ended[1])[1].text == "committed\n" * 4000
