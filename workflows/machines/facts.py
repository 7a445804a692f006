"""What the tables' rules look at: plain values, gathered by the actions from locked rows."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

IMPLEMENTER, REVIEWER, TESTER, APPROVER = "implementer", "reviewer", "tester", "approver"
PARTS = (IMPLEMENTER, REVIEWER, TESTER, APPROVER)
"""The parts that different actors have in one task."""


@dataclass(frozen=True, slots=True)
class Who:
    """An actor, as far as the tables care: `kind` is person, agent, system or owner."""

    ref: str
    kind: str
    roles: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class CommitEvidence:
    """What is known about a commit, from CI and the repository and not from whoever names it.

    `ci` is green, red, pending or none; `newer` says whether the commit came after the rejected one on the branch.
    """

    sha: str
    ci: str = "none"
    newer: bool = True


@dataclass(frozen=True, slots=True)
class TestReport:
    """Results that a tester attaches, for one commit."""

    __test__ = False

    commit_sha: str
    passed: int
    failed: int = 0
    errors: int = 0
    summary: str = ""


@dataclass(frozen=True, slots=True)
class MergeReceipt:
    """The outcome of an executed approval: which approved commit was merged, and as what."""

    commit_sha: str
    merged_sha: str


@dataclass(frozen=True, slots=True)
class Given:
    """What comes with an act: feedback, evidence, the tasks that a rejection reopens, and how many it adds."""

    feedback: str = ""
    commit: CommitEvidence | None = None
    report: TestReport | None = None
    receipt: MergeReceipt | None = None
    reopened: tuple[str, ...] = ()
    added: int = 0


@dataclass(frozen=True, slots=True)
class TaskLine:
    """A task as its story sees it; `merged` says whether the receipt of its merge is there."""

    ref: str
    state: str
    merged: bool = False


@dataclass(frozen=True, slots=True)
class StoryFacts:
    """A story and its tasks.

    `cycle` names tasks that wait for each other; `budget_refusal` says why its budget cannot be reserved.
    """

    state: str
    dor_score: int = 0
    tasks: tuple[TaskLine, ...] = ()
    cycle: tuple[str, ...] = ()
    budget_refusal: str = ""

    def standing(self, who: Who) -> frozenset[str]:
        """Nobody has a part in a story that grants anything."""
        return frozenset()

    @property
    def live(self) -> tuple[TaskLine, ...]:
        """Tasks that are not cancelled."""
        return tuple(task for task in self.tasks if task.state != "cancelled")


@dataclass(frozen=True, slots=True)
class TaskFacts:
    """A task and what is around it.

    `parts` says which part an actor has ever had in it; `holder` holds the claim, `lease_live` by the database's clock;
    `waits_for` are unfinished tasks that it depends on, and stories that its own needs and that are not accepted yet;
    `approved` means decided on, but not yet merged.
    """

    state: str
    story_state: str = "in_progress"
    waits_for: tuple[str, ...] = ()
    parts: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    implementer: str = ""
    reviewer: str = ""
    tester: str = ""
    holder: str = ""
    lease_live: bool = False
    commit_sha: str = ""
    rejected_sha: str = ""
    earlier_shas: frozenset[str] = frozenset()
    approved: bool = False

    def standing(self, who: Who) -> frozenset[str]:
        """The parts that the actor has in the task now."""
        held = {IMPLEMENTER: self.implementer, REVIEWER: self.reviewer, TESTER: self.tester, "claimant": self.holder}
        return frozenset(part for part, ref in held.items() if ref and ref == who.ref)
