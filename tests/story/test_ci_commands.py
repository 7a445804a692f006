"""CI's answer is a commit's and a command's: what was green by an earlier command is not merged by that."""

import errno
from collections.abc import Callable
from typing import Any

import pytest

from governance.actions.outcomes_held import take_back
from governance.selectors import active_policy, entries_of
from gpu_workers import ci_runs, hand_in_work
from gpu_workers.ci import CIOutcome, local, run_ci
from gpu_workers.dispatch import dispatch
from gpu_workers.forges.builtin import BuiltIn
from gpu_workers.merge_rules import NotApproved, NotNow
from gpu_workers.merging import ForgeWaits
from gpu_workers.metering import charge_left
from gpu_workers.models import CIRun, HandIn, Repository, Run
from gpu_workers.models.change import fingerprint_of
from gpu_workers.repos.git import GitError
from gpu_workers.sandbox import SandboxUnavailable
from gpu_workers.tests.test_ci_answers import RULE
from guildhall.kernel.redaction import MARK
from tests.story.scripts import RIGHT, mending
from tests.story.test_bugfix_story import STORY
from tests.story.test_ci_charges import LOUD, die, die_amid_it, killed, limited
from tests.story.test_handed_in_by_people import act, hand_in, world_of
from tests.story.test_handed_in_on_github import carried_out
from tests.story.test_moved_bases import carry_out, question, waiting
from tests.support.clients import signed_in
from tests.support.mortal import DIED, in_child
from tests.support.policies import put_policy
from tests.support.pump import consume, relay, run_agents
from tests.support.tenants import TestTenant
from tests.support.world import DEMO, World, files_of, scripted_model
from workflows.models import Task

pytestmark = pytest.mark.integration
FIRST = "python3 ci.py"


def commanded(world: World, command: str) -> None:
    with world.tenant.scope():
        Repository.objects.update(ci_command=command)


def answers(world: World, purpose: str) -> list[tuple[str, str]]:
    """CI's answers whose purpose begins so, the first one first: how they ended and by which command."""
    with world.tenant.scope():
        found = CIRun.objects.filter(purpose__startswith=purpose).order_by("id")
        return list(found.values_list("status", "command_sha256"))


def charges(world: World, task: Task) -> int:
    """How often CI that was no run's was charged to a task."""
    with world.tenant.scope():
        return len(entries_of("owner", task.ref))


def raising(error: Exception) -> Callable[..., Any]:
    """A function that answers by `error`."""

    def answer(*_: Any, **__: Any) -> Any:
        raise error

    return answer


def worked(world: World) -> None:
    """Let agents work until the work is done that is to be judged, and nobody has heard of it."""
    for _ in range(12):
        with world.tenant.scope():
            dispatch()
        relay()
        consume(world.tenant.schema)
        run_agents(world.tenant.schema)
        with world.tenant.scope():
            if Run.objects.filter(kind="work", state="succeeded").exists():
                return
    raise AssertionError(world.told())


def test_what_is_green_by_an_earlier_command_is_judged_and_merged_by_the_one_that_counts(tenant: TestTenant) -> None:
    world = World.build(tenant, "TILL", files_of(DEMO / "till"), FIRST)
    second = f"{FIRST} && true"
    with scripted_model(mending()):
        story = world.story(**STORY)
        worked(world)
        commanded(world, second)
        world.settle()
    task = world.task(story)
    given = question(world, task)
    assert answers(world, "run:") == [("passed", fingerprint_of(FIRST))], (
        "what was green when it was made is given to review"
    )
    assert answers(world, "review:") == answers(world, "qa:") == [("passed", fingerprint_of(second))]

    commanded(world, "false")
    before, browser = world.head(), signed_in(tenant, tenant.member("product_owner"))
    page = browser.get(f"/approvals/{given.number}/").content.decode()
    assert "by an earlier CI command" in page
    assert "Before this is merged CI runs again, by the command that counts now" in page
    for _ in range(2):
        world.approve(given)
        world.settle()
        asked, task = question(world, task), world.task(story)
        assert asked.number > given.number
        assert "CI is red on this commit by the command that counts now. Reject it" in asked.summary
        assert (world.head(), task.state, task.approver) == (before, "pending_po_approval", "")
        assert answers(world, "merge") == [("failed", fingerprint_of("false"))], "it is known the second time"
        assert charges(world, task) == 1
        given = asked
    commanded(world, FIRST)
    assert "by an earlier CI command" not in browser.get(f"/approvals/{given.number}/").content.decode()
    world.approve(given)
    world.settle()
    assert (world.task(story).state, world.text("till/basket.py")) == ("done", RIGHT)
    assert (len(answers(world, "merge")), charges(world, task)) == (1, 1), (
        "what it said of the commit before counts again"
    )


def test_what_changes_and_who_dies_while_ci_runs_again_merges_nothing_and_pays_once(
    tenant: TestTenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tenant.scope():
        put_policy(tenant, active_policy().text.replace("  patterns:\n", RULE, 1))
    world, task, given = waiting(tenant, mending())
    before, second, third = world.head(), f"{FIRST} && echo for CUST-123456", f"{FIRST} && :"
    world.approve(given)
    commanded(world, second)
    limited(world, task, "0.00001")
    with tenant.scope(), pytest.raises(NotNow, match="total limit of task"):
        carry_out(world, task, given)
    limited(world, task, "1")
    killed(world, lambda: carry_out(world, task, given), (ci_runs, "run_ci"), die_amid_it)
    assert (answers(world, "merge"), world.head()) == ([], before)
    full = GitError("The root cannot be checked out.")
    full.__cause__ = OSError(errno.ENOSPC, "No space left on device")
    for place, trouble in ((local, full), (ci_runs, SandboxUnavailable("podman is away for a moment"))):
        name = "checkout_tree" if place is local else "run_ci"
        with tenant.scope(), monkeypatch.context() as patch, pytest.raises((GitError, ForgeWaits)):
            patch.setattr(place, name, raising(trouble))
            carry_out(world, task, given)
    assert answers(world, "merge") == [], "that is no verdict on the commit"

    def meanwhile(act: Callable[[], object]) -> None:
        """Carry it out, and have somebody else act while CI runs."""

        def run(*of: Any, **more: Any) -> CIOutcome:
            outcome = run_ci(*of, **more)
            act()
            return outcome

        with tenant.scope(), monkeypatch.context() as patch:
            patch.setattr(ci_runs, "run_ci", run)
            carry_out(world, task, given)

    with pytest.raises(NotNow, match="changed while this was carried out"):
        meanwhile(lambda: commanded(world, "false"))
    assert answers(world, "merge") == [("passed", fingerprint_of(second))], "kept for the command that was run"
    with tenant.scope():
        kept = CIRun.objects.get(purpose="merge").log
    assert (f"for {MARK}" in kept, "CUST-" in kept) == (True, False), "the approval's page shows it"
    commanded(world, third)
    with pytest.raises(NotApproved):
        meanwhile(lambda: take_back(actor=world.owner, approval=given.number, reason="We want to look at it again."))
    assert world.head() == before
    world.settle()
    given = question(world, task)
    world.approve(given)
    commanded(world, second)

    def landing() -> None:
        with tenant.scope(), pytest.MonkeyPatch.context() as patch:
            patch.setattr(BuiltIn, "merge", die)
            carry_out(world, task, given)

    assert in_child(landing) == DIED
    with tenant.scope():
        charge_left(actor=tenant.system())
    assert (world.head(), charges(world, task)) == (before, 3), "CI whose worker was killed amid it, and two that ended"
    world.settle()
    assert world.task(task.story).state == "done"
    assert (len(answers(world, "merge")), charges(world, task)) == (2, 3)


def test_what_was_handed_in_is_green_by_the_command_that_counts_when_it_is_handed_over(tenant: TestTenant) -> None:
    world, task = world_of(tenant)
    ada = tenant.actor("developer", name="ada")
    act(world, ada, "claim_task")
    made = hand_in(world, ada, LOUD)

    def to_death() -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(hand_in_work, "hand_over", die)
            carried_out(world, made)

    assert in_child(to_death) == DIED
    commanded(world, "false")
    with tenant.scope():
        HandIn.objects.update(lease_until=None)
    assert carried_out(world, made).state == "red"
    commands = ("python3 check.py", "false")
    given = [(status, fingerprint_of(one)) for status, one in zip(("passed", "failed"), commands, strict=True)]
    assert (answers(world, "hand-in:"), charges(world, task)) == (given, 2)
