"""Random walks of a small cast over one task: what holds after every step, whatever they try."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from workflows.machines import TASK, CommitEvidence, Given, MergeReceipt, TaskFacts, TestReport, Who, refusals
from workflows.machines.task_effects import after, reopened, stopped

pytestmark = pytest.mark.unit

ROLES = ("developer", "architect", "qa", "product_owner")
actors = st.builds(
    lambda name, kind, roles: Who(f"{kind}:{name}", kind, frozenset(roles)),
    st.sampled_from("abcd"),
    st.sampled_from(["person", "agent"]),
    st.sets(st.sampled_from(ROLES), min_size=1),
)
inputs = st.builds(
    Given,
    feedback=st.sampled_from(["", "short", "long enough to act on"]),
    commit=st.one_of(
        st.none(),
        st.builds(
            CommitEvidence, st.sampled_from(["c1", "c2", "c3"]), st.sampled_from(["green", "red"]), st.booleans()
        ),
    ),
    report=st.one_of(st.none(), st.builds(TestReport, st.sampled_from(["c1", "c2", "c3"]), st.integers(0, 1))),
    receipt=st.one_of(st.none(), st.builds(MergeReceipt, st.sampled_from(["c1", "c2", "c3"]), st.just("m"))),
)


class TaskWalk(RuleBasedStateMachine):
    """Anybody may try anything; only what the table allows happens."""

    def __init__(self) -> None:
        super().__init__()
        self.facts = TaskFacts("todo")
        self.shas: list[str] = []

    @rule(action=st.sampled_from(TASK.actions), who=actors, given=inputs)
    def try_it(self, action: str, who: Who, given: Given) -> None:
        if refusals(TASK, action, self.facts, who, given):
            return
        if TASK.row(self.facts.state, action).feedback:  # type: ignore[union-attr]
            assert len(given.feedback) >= 10
        if action in ("commit_code", "revise_code"):
            assert given.commit is not None
            assert given.commit.ci == "green"
            self.shas.append(given.commit.sha)
        self.facts = after(action, self.facts, who, given)

    @rule()
    def story_is_stopped(self) -> None:
        self.facts = stopped(self.facts)

    @rule()
    def story_is_rejected(self) -> None:
        if self.facts.state not in ("todo", "cancelled"):
            self.facts = reopened(self.facts)

    @invariant()
    def each_actor_has_one_part(self) -> None:
        held = [ref for ref in (self.facts.implementer, self.facts.reviewer, self.facts.tester) if ref]
        assert len(held) == len(set(held))

    @invariant()
    def no_commit_is_handed_in_twice(self) -> None:
        assert len(self.shas) == len(set(self.shas))

    @invariant()
    def only_claimed_states_have_a_holder(self) -> None:
        claimed = self.facts.state in ("implementing", "arch_reviewing", "qa_testing")
        assert claimed or not self.facts.holder


TaskWalk.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestTaskWalk = TaskWalk.TestCase
