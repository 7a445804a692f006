"""What happens to projects, strategies, epics, sprints and decisions, in words."""

from typing import Any, ClassVar

from guildhall.kernel.events import Event


class ProjectEdited(Event):
    kind: ClassVar[str] = "planning.project.edited"
    project: str
    fields: list[str]

    def sentence(self) -> str:
        return f"edited project {self.project} ({', '.join(self.fields)})"


class StrategyEdited(Event):
    kind: ClassVar[str] = "planning.strategy.edited"
    project: str
    title: str
    fields: list[str]

    def sentence(self) -> str:
        changed = ", ".join(name.replace("_", " ") for name in self.fields)
        return f"edited the strategy “{self.title}” ({changed})"


class StrategyMoved(Event):
    """Paused, resumed or ended."""

    kind: ClassVar[str] = "planning.strategy.moved"
    example: ClassVar[dict[str, Any]] = {"action": "pause", "from_state": "active", "to_state": "paused"}
    title: str
    action: str
    from_state: str
    to_state: str
    reason: str = ""

    def sentence(self) -> str:
        done = {"pause": "paused", "resume": "resumed", "end": "ended"}[self.action]
        why = f": {self.reason}" if self.reason else ""
        return f"{done} the strategy “{self.title}”{why}"


class ScheduleSet(Event):
    """`next_at` is in ISO form, UTC."""

    kind: ClassVar[str] = "planning.schedule.set"
    title: str
    cron: str
    timezone: str
    overlap: str
    next_at: str

    def sentence(self) -> str:
        return f"scheduled “{self.title}”: {self.cron} in {self.timezone}"


class ScheduleRemoved(Event):
    kind: ClassVar[str] = "planning.schedule.removed"
    title: str

    def sentence(self) -> str:
        return f"took the schedule of “{self.title}” away"


class StrategyFired(Event):
    """A scheduled time came, or a waiting one's turn did. `state` is what becomes of it, `due_at` in ISO form, UTC."""

    kind: ClassVar[str] = "planning.strategy.fired"
    title: str
    number: int
    due_at: str
    state: str
    missed: int = 0
    reason: str = ""

    def sentence(self) -> str:
        late = f", for {self.missed} more that were missed" if self.missed else ""
        if self.state == "skipped":
            return f"skipped time {self.number} of “{self.title}”: {self.reason}"
        if self.state == "queued":
            return f"put time {self.number} of “{self.title}” in the queue: {self.reason}"
        return f"began time {self.number} of “{self.title}”{late}"


class FiringSettled(Event):
    """What came of a firing; `story` is its reference, where there is one."""

    kind: ClassVar[str] = "planning.firing.settled"
    title: str
    number: int
    state: str
    story: str = ""
    reason: str = ""

    def sentence(self) -> str:
        if self.state == "planned":
            return f"submitted {self.story}, written by time {self.number} of “{self.title}”"
        return f"marked time {self.number} of “{self.title}” as {self.state}: {self.reason}"


class EpicEdited(Event):
    kind: ClassVar[str] = "planning.epic.edited"
    project: str
    title: str
    fields: list[str]

    def sentence(self) -> str:
        return f"edited the epic “{self.title}” ({', '.join(self.fields)})"


class EpicMoved(Event):
    """Closed or reopened."""

    kind: ClassVar[str] = "planning.epic.moved"
    title: str
    action: str
    from_state: str
    to_state: str

    def sentence(self) -> str:
        return f"{'closed' if self.action == 'close' else 'reopened'} the epic “{self.title}”"


class EpicsOrdered(Event):
    kind: ClassVar[str] = "planning.epics.ordered"
    project: str
    epics: list[int]

    def sentence(self) -> str:
        return f"put the epics of {self.project} in another order"


class EpicStoriesOrdered(Event):
    kind: ClassVar[str] = "planning.epic.stories_ordered"
    project: str
    title: str
    stories: list[str]

    def sentence(self) -> str:
        return f"put the stories of the epic “{self.title}” in another order"


class SprintEdited(Event):
    kind: ClassVar[str] = "planning.sprint.edited"
    project: str
    name: str
    fields: list[str]

    def sentence(self) -> str:
        changed = ", ".join(name.replace("_", " ") for name in self.fields)
        return f"edited {self.name} of {self.project} ({changed})"


class SprintClosing(Event):
    """Asked for; its stories are moved one by one from here."""

    kind: ClassVar[str] = "planning.sprint.closing"
    project: str
    name: str

    def sentence(self) -> str:
        return f"is closing {self.name} of {self.project}"


class SprintClosed(Event):
    kind: ClassVar[str] = "planning.sprint.closed"
    project: str
    name: str
    done: int
    carried: int
    kept: int

    def sentence(self) -> str:
        kept = f", {self.kept} kept as accepted" if self.kept else ""
        return f"closed {self.name} of {self.project}: {self.done} done, {self.carried} carried over{kept}"


class DecisionEdited(Event):
    kind: ClassVar[str] = "planning.decision.edited"
    title: str
    fields: list[str]

    def sentence(self) -> str:
        return f"edited the decision “{self.title}” ({', '.join(self.fields)})"


class DecisionSuperseded(Event):
    kind: ClassVar[str] = "planning.decision.superseded"
    title: str
    by: int
    by_title: str

    def sentence(self) -> str:
        return f"put “{self.by_title}” in the place of the decision “{self.title}”"
