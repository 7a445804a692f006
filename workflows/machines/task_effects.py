"""What an act changes in a task beside its state, as a function of facts: the actions write down what this says."""

from collections.abc import Callable
from dataclasses import replace
from types import MappingProxyType

from workflows.machines.facts import APPROVER, IMPLEMENTER, REVIEWER, TESTER, Given, TaskFacts, Who
from workflows.machines.task_table import TASK, UNCLAIMED

Effect = Callable[[TaskFacts, Who, Given], TaskFacts]


def after(action: str, facts: TaskFacts, who: Who, given: Given) -> TaskFacts:
    """The task after `action`, which the caller has found to be allowed. Raises ValueError if there is no such row."""
    target = TASK.target(facts.state, action)
    effect = _EFFECTS.get(action)
    return replace(effect(facts, who, given) if effect else _let_go(facts), state=target)


def reopened(facts: TaskFacts) -> TaskFacts:
    """The task after its story was sent back over it: with its implementer again, its commit counting as rejected.

    A task nobody has begun, or that its implementer already has back, stays as it is.
    """
    if facts.state in ("todo", "implementing"):
        return facts
    return replace(_sent_back(facts), state="implementing")


def stopped(facts: TaskFacts) -> TaskFacts:
    """The task after its story was stopped: unclaimed, not approved, otherwise where it was."""
    if facts.state in TASK.terminal:
        return facts
    return replace(_let_go(facts), state=UNCLAIMED.get(facts.state, facts.state), approved=False)


def retired(facts: TaskFacts) -> TaskFacts:
    """The task after another plan of its story was accepted: cancelled, unless something was handed in for it."""
    if facts.state != TASK.initial or facts.earlier_shas:
        return facts
    return replace(_let_go(facts), state="cancelled")


def approved_by(facts: TaskFacts, who: Who) -> TaskFacts:
    """The task after its approval was given: decided, not yet merged."""
    return replace(_with_part(facts, who, APPROVER), approved=True)


def _with_part(facts: TaskFacts, who: Who, part: str) -> TaskFacts:
    return replace(facts, parts=MappingProxyType({**facts.parts, who.ref: part}))


def _held(facts: TaskFacts, ref: str) -> TaskFacts:
    return replace(facts, holder=ref, lease_live=bool(ref))


def _claims(part: str) -> Effect:
    def effect(facts: TaskFacts, who: Who, given: Given) -> TaskFacts:
        claimed = _held(_with_part(facts, who, part), who.ref)
        if part == IMPLEMENTER:
            return replace(claimed, implementer=who.ref)
        return replace(claimed, reviewer=who.ref) if part == REVIEWER else replace(claimed, tester=who.ref)

    return effect


def _hands_in(facts: TaskFacts, who: Who, given: Given) -> TaskFacts:
    if given.commit is None:
        raise ValueError("a commit is handed in without a commit")
    sha = given.commit.sha
    return replace(
        _held(facts, ""),
        commit_sha=sha,
        rejected_sha="",
        earlier_shas=facts.earlier_shas | {sha},
        reviewer="",
        tester="",
    )


def _sent_back(facts: TaskFacts) -> TaskFacts:
    back = _held(facts, facts.implementer)
    return replace(back, rejected_sha=facts.commit_sha, commit_sha="", approved=False)


def _rejects(facts: TaskFacts, who: Who, given: Given) -> TaskFacts:
    return _sent_back(facts)


def _let_go(facts: TaskFacts) -> TaskFacts:
    free = _held(facts, "")
    if facts.state == "implementing":
        return replace(free, implementer="")
    if facts.state == "arch_reviewing":
        return replace(free, reviewer="")
    return replace(free, tester="") if facts.state == "qa_testing" else free


def _keeps(facts: TaskFacts, who: Who, given: Given) -> TaskFacts:
    return _held(facts, "")


_EFFECTS: dict[str, Effect] = {
    "claim_task": _claims(IMPLEMENTER),
    "claim_review": _claims(REVIEWER),
    "claim_testing": _claims(TESTER),
    "commit_code": _hands_in,
    "revise_code": _hands_in,
    "approve_design": _keeps,
    "approve_tests": _keeps,
    "approve_story": _keeps,
    "reject_design": _rejects,
    "reject_tests": _rejects,
    "reject_story": _rejects,
}
