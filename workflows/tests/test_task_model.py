"""The task machine, model-checked: every situation that a handful of actors can bring a task into."""

from collections import deque
from dataclasses import dataclass, replace
from functools import cache

import pytest

from workflows.machines import (
    TASK,
    CommitEvidence,
    Given,
    MergeReceipt,
    TaskFacts,
    TestReport,
    Who,
    refusals,
)
from workflows.machines.task_effects import after, approved_by, reopened, stopped

pytestmark = pytest.mark.unit

BUILDER = frozenset({"admin", "product_owner", "architect", "developer", "qa", "devops", "data"})
MASON = Who("agent:mason", "agent", frozenset({"developer"}))
POLYMATH = Who("person:polymath", "person", BUILDER)
ARCHITECT = Who("person:architect", "person", frozenset({"architect", "developer"}))
TESTER = Who("person:qa", "person", frozenset({"qa", "product_owner"}))
OWNER = Who("person:owner", "person", frozenset({"product_owner"}))
SYSTEM = Who("system:leases", "system", frozenset({"system"}))
CAST = (MASON, POLYMATH, ARCHITECT, TESTER, OWNER, SYSTEM)
COUNTED = {"commit_code", "revise_code", "approve_design", "approve_tests"}
SAID = "This is not what was asked for."


@dataclass(frozen=True)
class World:
    """A task and, beside the machine's own book-keeping, who really acted on the commit that is under judgement."""

    facts: TaskFacts
    acts: frozenset[tuple[str, str]] = frozenset()

    def key(self) -> tuple[object, ...]:
        facts = self.facts
        parts = tuple(sorted(facts.parts.items()))
        return (replace(facts, parts={}, earlier_shas=frozenset()).__repr__(), parts, facts.earlier_shas, self.acts)


def given_for(facts: TaskFacts) -> Given:
    """The best an actor could bring: whatever is refused with this is refused for the actor or the state."""
    number = len(facts.earlier_shas) + 1
    return Given(
        feedback=SAID,
        commit=CommitEvidence(f"c{number}", "green"),
        report=TestReport(facts.commit_sha, passed=3),
        receipt=MergeReceipt(facts.commit_sha, "m"),
    )


@cache
def neighbours_of(key: tuple[object, ...]) -> list[tuple[str, World]]:
    return neighbours(explored()[0][key])


def neighbours(world: World) -> list[tuple[str, World]]:
    facts, found = world.facts, []
    for who in CAST:
        for action in TASK.actions:
            given = given_for(facts)
            if len(facts.earlier_shas) >= 2 and action in ("commit_code", "revise_code"):
                continue
            if refusals(TASK, action, facts, who, given):
                continue
            fresh = action in ("commit_code", "revise_code")
            acts = (frozenset() if fresh else world.acts) | ({(action, who.ref)} if action in COUNTED else frozenset())
            found.append((action, World(after(action, facts, who, given), acts)))
        if facts.state == "pending_po_approval" and not facts.approved and may_approve(facts, who):
            found.append(("approved", World(approved_by(facts, who), world.acts | {("approved", who.ref)})))
    if facts.lease_live:
        found.append(("lease ends", World(replace(facts, lease_live=False), world.acts)))
    if facts.state == "done" and len(facts.earlier_shas) < 2:
        found.append(("story rejected", World(reopened(facts), world.acts)))
    return found


def may_approve(facts: TaskFacts, who: Who) -> bool:
    probe = replace(facts, approved=True)
    given = Given(receipt=MergeReceipt(facts.commit_sha, "m"))
    return not refusals(TASK, "approve_story", probe, who, given)


@cache
def explored() -> tuple[dict[tuple[object, ...], World], frozenset[str]]:
    first = World(TaskFacts(state="todo"))
    seen, queue, used = {first.key(): first}, deque([first]), set()
    while queue:
        for action, world in neighbours(queue.popleft()):
            used.add(action)
            if world.key() not in seen:
                seen[world.key()] = world
                queue.append(world)
    return seen, frozenset(used)


def test_every_task_state_is_reachable_and_every_action_happens_somewhere() -> None:
    worlds, used = explored()
    assert {world.facts.state for world in worlds.values()} == set(TASK.states)
    assert set(TASK.actions) <= used


def test_a_done_task_was_written_reviewed_tested_and_approved_by_four_different_actors_on_its_last_commit() -> None:
    done = [world for world in explored()[0].values() if world.facts.state == "done"]
    assert done
    for world in done:
        actors = {}
        for part, actions in {
            "author": {"commit_code", "revise_code"},
            "reviewer": {"approve_design"},
            "tester": {"approve_tests"},
            "approver": {"approved"},
        }.items():
            actors[part] = {ref for action, ref in world.acts if action in actions}
            assert actors[part], f"done without {part}: {world.acts}"
        flat = [ref for refs in actors.values() for ref in refs]
        assert len(flat) == len(set(flat)), f"one actor in two parts: {actors}"
        assert not any(ref.startswith("system:") for ref in flat)


def test_whoever_ever_implemented_a_task_never_judges_it() -> None:
    judging = {"approve_design", "reject_design", "approve_tests", "reject_tests", "approve_story", "reject_story"}
    for world in explored()[0].values():
        written = {ref for ref, part in world.facts.parts.items() if part == "implementer"}
        for who in (person for person in CAST if person.ref in written):
            for action in judging | {"claim_review", "claim_testing"}:
                assert refusals(TASK, action, world.facts, who, given_for(world.facts))


def test_only_the_holder_of_a_live_claim_acts_on_a_claimed_task() -> None:
    for world in explored()[0].values():
        facts = world.facts
        if facts.state not in ("implementing", "arch_reviewing", "qa_testing"):
            continue
        for who in CAST:
            for action in set(TASK.actions) - {"discard_task", "release"}:
                if not refusals(TASK, action, facts, who, given_for(facts)):
                    assert facts.holder == who.ref
                    assert facts.lease_live


def test_nobody_changes_the_part_they_have_in_a_task() -> None:
    for world in explored()[0].values():
        for action, following in neighbours_of(world.key()):
            for ref, part in world.facts.parts.items():
                assert following.facts.parts[ref] == part, f"{ref} became another part by {action}"


def test_the_platform_releases_only_what_has_run_out() -> None:
    for world in explored()[0].values():
        if world.facts.holder:
            refused = refusals(TASK, "release", world.facts, SYSTEM, Given())
            assert bool(refused) is world.facts.lease_live


def test_no_step_is_skipped() -> None:
    order = list(TASK.states)
    for world in explored()[0].values():
        for action, following in neighbours_of(world.key()):
            if action in ("discard_task", "approved", "lease ends", "story rejected"):
                continue
            steps = order.index(following.facts.state) - order.index(world.facts.state)
            assert steps <= 1, f"{world.facts.state} --{action}--> {following.facts.state}"


def test_stopping_a_story_frees_its_tasks_and_keeps_what_is_done() -> None:
    for world in explored()[0].values():
        facts = stopped(world.facts)
        assert not facts.holder
        assert facts.state not in ("implementing", "arch_reviewing", "qa_testing")
        assert not facts.approved or facts.state == "done"
        assert (facts.state == world.facts.state) or facts.state in ("todo", "pending_arch_review", "pending_qa")
