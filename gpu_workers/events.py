"""What agents do and what becomes of their changes."""

from typing import ClassVar

from guildhall.kernel.events import Event


class AgentRegistered(Event):
    kind: ClassVar[str] = "agent.registry.registered"
    name: str
    role: str

    def sentence(self) -> str:
        return f"registered the agent {self.name} as {self.role}"


class RepositoryCreated(Event):
    kind: ClassVar[str] = "delivery.repository.created"
    name: str
    head_sha: str

    def sentence(self) -> str:
        return f"created the repository {self.name}"


class RepositoryEdited(Event):
    """What its project says was carried over: `fields` are ci_command and default_branch."""

    kind: ClassVar[str] = "delivery.repository.edited"
    name: str
    fields: list[str]

    def sentence(self) -> str:
        changed = " and ".join(field.replace("ci_", "CI ").replace("_", " ") for field in self.fields)
        return f"carried the {changed or 'settings'} of {self.name} over"


class RepositoryLeft(Event):
    """What a project says of a repository cannot be carried over; the subject is the project."""

    kind: ClassVar[str] = "delivery.repository.left"
    name: str
    reason: str

    def sentence(self) -> str:
        return f"left the repository {self.name} as it is: {self.reason}"


class RunQueued(Event):
    kind: ClassVar[str] = "agent.run.queued"
    agent: str
    run_kind: str
    about: str

    def sentence(self) -> str:
        return f"queued {self.subject.replace(':', ' ')} for {self.about}"


class RunTaken(Event):
    kind: ClassVar[str] = "agent.run.taken"
    fence: int

    def sentence(self) -> str:
        return f"took {self.subject.replace(':', ' ')}{' over' if self.fence > 1 else ''}"


class RunAdvanced(Event):
    kind: ClassVar[str] = "agent.run.advanced"
    phase: str
    round: int

    def sentence(self) -> str:
        return f"moved {self.subject.replace(':', ' ')} to {self.phase.replace('_', ' ')}"


class RunPostponed(Event):
    kind: ClassVar[str] = "agent.run.postponed"
    reason: str
    tries: int

    def sentence(self) -> str:
        return f"let {self.subject.replace(':', ' ')} rest: {self.reason}"


class RunStepFinished(Event):
    kind: ClassVar[str] = "agent.run.step_finished"
    step: str
    step_kind: str
    title: str
    ok: bool

    def sentence(self) -> str:
        return f"{'did' if self.ok else 'failed at'} “{self.title}” in {self.subject.replace(':', ' ')}"


class ToolRefusedEvent(Event):
    kind: ClassVar[str] = "agent.tool.refused"
    tool: str
    reason: str

    def sentence(self) -> str:
        return f"was refused the tool {self.tool} in {self.subject.replace(':', ' ')}: {self.reason}"


class RunEnded(Event):
    kind: ClassVar[str] = "agent.run.ended"
    state: str
    agent: str
    about: str
    reason: str

    def sentence(self) -> str:
        return f"ended {self.subject.replace(':', ' ')}: {self.state}{f', {self.reason}' if self.reason else ''}"


class RunHalted(Event):
    """Running work was stopped from outside and lost its lease. `hold` is what stopped it, "" when it was cancelled.

    `hold_id` is the hold's own number; `commands` and `calls` are what was under way.
    """

    kind: ClassVar[str] = "agent.run.halted"
    hold: str
    hold_id: int
    agent: str
    commands: list[str]
    calls: list[str]
    reason: str

    def sentence(self) -> str:
        under_way = [*self.commands, *self.calls]
        inside = f" in the middle of “{under_way[0]}”" if under_way else ""
        return f"stopped {self.subject.replace(':', ' ')}{inside}: {self.reason}"


class RunLetGo(Event):
    """The worker of a halted run has ended every process and call of it and has charged what they used."""

    kind: ClassVar[str] = "agent.run.let_go"
    fence: int

    def sentence(self) -> str:
        return f"let go of {self.subject.replace(':', ' ')}: nothing of it runs any more"


class RunRetried(Event):
    kind: ClassVar[str] = "agent.run.retried"
    about: str
    reason: str

    def sentence(self) -> str:
        return f"asked agents to try {self.about.partition(':')[2]} again after {self.subject.replace(':', ' ')}"


class RunRefusedRoom(Event):
    """People gave the limit that a run met no more room; the run waits on."""

    kind: ClassVar[str] = "agent.run.refused_room"
    about: str
    approval: int
    reason: str

    def sentence(self) -> str:
        return f"left run {self.subject.partition(':')[2]} waiting for its budget: approval #{self.approval} is no"


class AgentWorkCompleted(Event):
    """Moves the task on: a commit with CI green on it, or a verdict with its reasons."""

    kind: ClassVar[str] = "agent.work.completed"
    run: int
    run_kind: str
    agent: str
    claim: str
    verdict: str
    sha: str = ""
    feedback: str = ""
    report: dict[str, int | str] = {}

    def sentence(self) -> str:
        return f"finished its {self.run_kind} of {self.subject.removeprefix('task:')}: {self.verdict}"


class CIFinished(Event):
    kind: ClassVar[str] = "delivery.ci.finished"
    sha: str
    status: str
    passed: int
    failed: int
    author: str = ""

    def sentence(self) -> str:
        return f"CI {self.status} on {self.sha[:8]} ({self.passed} passed, {self.failed} failed)"


class ChangeOpened(Event):
    kind: ClassVar[str] = "delivery.change.opened"
    task: str
    head_sha: str
    diff_hash: str

    def sentence(self) -> str:
        return f"proposed {self.subject.replace(':', ' ')} for {self.task} at {self.head_sha[:8]}"


class WorkspaceRemoved(Event):
    """`kept_sha` is the commit that holds its last files, empty where its last commit does."""

    kind: ClassVar[str] = "agent.run.workspace_removed"
    kept_sha: str

    def sentence(self) -> str:
        return f"removed the workspace of {self.subject.replace(':', ' ')}"


class ChangeRebased(Event):
    kind: ClassVar[str] = "delivery.change.rebased"
    task: str
    old_sha: str
    head_sha: str

    def sentence(self) -> str:
        return f"rebased {self.subject.replace(':', ' ')} because the base moved; it needs a new approval"


class ChangeMerged(Event):
    kind: ClassVar[str] = "delivery.change.merged"
    task: str
    merged_sha: str
    approval: int
    author: str

    def sentence(self) -> str:
        return f"merged {self.subject.replace(':', ' ')} for {self.task} at {self.merged_sha[:8]}"


class ChangeClosed(Event):
    kind: ClassVar[str] = "delivery.change.closed"
    task: str

    def sentence(self) -> str:
        return f"closed {self.subject.replace(':', ' ')}"


class ChangeReverted(Event):
    kind: ClassVar[str] = "delivery.change.reverted"
    task: str
    reverted_sha: str
    author: str

    def sentence(self) -> str:
        return f"reverted {self.subject.replace(':', ' ')} of {self.task}"


class ChangeRevertRequested(Event):
    kind: ClassVar[str] = "delivery.change.revert_requested"
    task: str
    merged_sha: str

    def sentence(self) -> str:
        return f"asked to revert {self.subject.replace(':', ' ')} of {self.task}"


class ChangeRevertFailed(Event):
    kind: ClassVar[str] = "delivery.change.revert_failed"
    task: str
    reason: str

    def sentence(self) -> str:
        return f"could not revert {self.subject.replace(':', ' ')}: {self.reason}"


class ChangeRevertUnknown(Event):
    """Its commit may have landed, and nobody could look. It is looked at again until that is known."""

    kind: ClassVar[str] = "delivery.change.revert_unknown"
    task: str
    reason: str

    def sentence(self) -> str:
        about = self.subject.replace(":", " ")
        return f"does not know whether {about} is reverted, as the revert may have landed: {self.reason}"
