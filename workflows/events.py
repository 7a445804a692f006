"""What happens to projects, stories and tasks, in words."""

from typing import Any, ClassVar

from guildhall.kernel.events import Event
from workflows.machines import STORY, TASK


class ProjectCreated(Event):
    kind: ClassVar[str] = "planning.project.created"
    key: str
    name: str

    def sentence(self) -> str:
        return f"created project {self.key}: {self.name}"


class StrategyCreated(Event):
    kind: ClassVar[str] = "planning.strategy.created"
    project: str
    goal: str

    def sentence(self) -> str:
        return f"set a goal for {self.project}: {self.goal[:120]}"


class EpicCreated(Event):
    kind: ClassVar[str] = "planning.epic.created"
    project: str
    title: str

    def sentence(self) -> str:
        return f"opened an epic of {self.project}: {self.title}"


class StoryCreated(Event):
    kind: ClassVar[str] = "planning.story.created"
    story: str
    title: str
    score: int

    def sentence(self) -> str:
        return f"wrote story {self.story}: {self.title}"


class StoryEdited(Event):
    kind: ClassVar[str] = "planning.story.edited"
    story: str
    fields: list[str]
    score: int

    def sentence(self) -> str:
        changed = ", ".join(name.replace("_", " ") for name in self.fields)
        return f"edited {self.story} ({changed}); it is {self.score} % ready"


class StoryTransitioned(Event):
    """`from_state` and `to_state` are names of the story machine; `tasks` are those that a rejection reopened."""

    kind: ClassVar[str] = "planning.story.transitioned"
    example: ClassVar[dict[str, Any]] = {"action": "submit", "from_state": "draft", "to_state": "po_review"}
    story: str
    action: str
    from_state: str
    to_state: str
    actor: str
    feedback: str = ""
    tasks: list[str] = []

    def sentence(self) -> str:
        why = f": {self.feedback}" if self.feedback else ""
        return f"moved {self.story} from {STORY.states[self.from_state]} to {STORY.states[self.to_state]}{why}"


class TasksProposed(Event):
    """A planner's proposal, or with `problems` why there is none."""

    kind: ClassVar[str] = "planning.tasks.proposed"
    story: str
    count: int
    problems: list[str] = []

    def sentence(self) -> str:
        if self.problems:
            return f"could not plan {self.story}: {self.problems[0]}"
        return f"proposed {self.count} task{'' if self.count == 1 else 's'} for {self.story}"


class ProposalSettled(Event):
    """What became of the open proposal once a story's tasks were accepted."""

    kind: ClassVar[str] = "planning.proposal.settled"
    story: str
    accepted: bool

    def sentence(self) -> str:
        return f"{'took the proposed' if self.accepted else 'planned other than the proposed'} tasks for {self.story}"


class TaskDerived(Event):
    kind: ClassVar[str] = "planning.task.derived"
    story: str
    task: str
    title: str
    role: str

    def sentence(self) -> str:
        return f"planned {self.task}: {self.title}"


class TaskEdited(Event):
    kind: ClassVar[str] = "planning.task.edited"
    story: str
    task: str
    fields: list[str]

    def sentence(self) -> str:
        return f"edited {self.task} ({', '.join(self.fields)})"


class TasksReordered(Event):
    kind: ClassVar[str] = "planning.tasks.reordered"
    story: str
    tasks: list[str]

    def sentence(self) -> str:
        return f"reordered the tasks of {self.story}: {', '.join(self.tasks)}"


class SprintOpened(Event):
    kind: ClassVar[str] = "planning.sprint.opened"
    project: str
    name: str

    def sentence(self) -> str:
        return f"opened {self.name} of {self.project}"


class DecisionMade(Event):
    kind: ClassVar[str] = "planning.decision.made"
    decision_kind: str
    title: str
    verdict: str
    affects: list[str]

    def sentence(self) -> str:
        return f"{self.verdict} a {self.decision_kind} decision: {self.title}"


class TaskTransitioned(Event):
    """`rejected_sha` is the commit that a rejection sent back, `commit_sha` the one handed in or judged."""

    kind: ClassVar[str] = "workflow.task.transitioned"
    example: ClassVar[dict[str, Any]] = {
        "action": "commit_code",
        "from_state": "implementing",
        "to_state": "pending_arch_review",
    }
    story: str
    task: str
    action: str
    from_state: str
    to_state: str
    actor: str
    role: str
    implementer: str = ""
    commit_sha: str = ""
    rejected_sha: str = ""
    feedback: str = ""

    def sentence(self) -> str:
        why = f": {self.feedback}" if self.feedback else ""
        return f"moved {self.task} from {TASK.states[self.from_state]} to {TASK.states[self.to_state]}{why}"


class TaskTransitionedV2(TaskTransitioned):
    """`merged_sha` is what the task's commit was merged as, once it is done."""

    version: ClassVar[int] = 2
    merged_sha: str = ""


class TaskAssigned(Event):
    """Somebody holds the claim now, by claiming or because a rejection gave it back to them."""

    kind: ClassVar[str] = "workflow.task.assigned"
    story: str
    task: str
    assignee: str
    part: str
    claim_token: int
    feedback: str = ""

    def sentence(self) -> str:
        return f"gave {self.task} to {self.assignee} as {self.part}"


class TaskRouted(Event):
    """The platform passed a task on: `route` is `auto_route_to_architect` and the like."""

    kind: ClassVar[str] = "workflow.task.routed"
    story: str
    task: str
    route: str
    role: str

    def sentence(self) -> str:
        return f"{self.route}: {self.task} waits for {self.role.replace('_', ' ')}"


class ValidationRequired(Event):
    """A task's commit waits for a person's approval, bound to that commit."""

    kind: ClassVar[str] = "workflow.validation.required"
    story: str
    task: str
    title: str
    commit_sha: str
    risk: str
    excluded: list[str]

    def sentence(self) -> str:
        return f"needs approval to merge {self.commit_sha[:12]} for {self.task}"


class TaskApproved(Event):
    """Decided, not yet executed."""

    kind: ClassVar[str] = "workflow.task.approved"
    story: str
    task: str
    approver: str
    commit_sha: str
    approval: str

    def sentence(self) -> str:
        return f"approved {self.task}; the merge of {self.commit_sha[:12]} is still to come"


class ClaimRenewed(Event):
    kind: ClassVar[str] = "workflow.claim.renewed"
    story: str
    task: str
    holder: str
    until: str

    def sentence(self) -> str:
        return f"keeps {self.task} until {self.until}"


def plain(value: Any) -> Any:
    """A column's value as an audit row keeps it."""
    return str(value) if value is not None and not isinstance(value, (bool, int, str, list, dict)) else value
