"""What a worker has in hand while it is at a run."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path

from gateway.routing import first_of
from governance.scopes import Scope, ScopeKind
from governance.selectors.starters import key_scopes
from gpu_workers.actions.runs import advance_run
from gpu_workers.folders import repository_folder, workspace_folder
from gpu_workers.models import Agent, Repository, Run, RunLog
from gpu_workers.models.run import JUDGING, Phase
from gpu_workers.repos import Signature, Workspace, clone_workspace
from gpu_workers.repos.workspaces import tree_of
from gpu_workers.runs.journal import Journal
from gpu_workers.runs.keeper import Keeper
from gpu_workers.runs.live_log import LEFT_OUT, ROW, RUN_ROWS, LiveLog
from gpu_workers.runs.model import Account, RunModel
from gpu_workers.runs.watch import Watch
from gpu_workers.sandbox import Sandbox, SandboxCommand, SandboxResult
from gpu_workers.sandbox.sandbox import OnOutput
from gpu_workers.sandboxes import sandbox_settings
from gpu_workers.selectors import repository_named
from guildhall.kernel.actor import Actor
from guildhall.kernel.tenancy import release_connection
from guildhall.kernel.texts import storable

MOST_SAID = 5 * ROW
"""Characters that are said of one thing at most."""
AGAIN = "why a person had it tried again"
"""What agents are told `Brief.again` as."""


class Stopped(Exception):
    """Somebody stopped the run, or it ran out of something; the message says which."""


class Unanswered(Exception):
    """The run cannot go on without what it asked people, and nobody answered; the message says what it asked."""


class Forbidden(Stopped):
    """The run broke rules so that the policy ends it; a person has to look."""


@dataclass(frozen=True, slots=True)
class Brief:
    """The work as words: what a task asks for and everything that its story says about it. All of it is data.

    `counsel` is what the story's councils chose, `again` what a person said who had agents try it again.
    """

    task: str
    story: str
    project: str
    title: str
    brief: str
    acceptance: tuple[str, ...]
    evidence: str
    role: str
    risk: str
    feedback: str = ""
    counsel: str = ""
    again: str = ""


class PatientSandbox(Sandbox):
    """A command may take minutes: meanwhile its watcher keeps no database connection from others; nor does `RunContext.live`."""

    def run(
        self, command: SandboxCommand, on_output: OnOutput | None = None, cancel: threading.Event | None = None
    ) -> SandboxResult:
        release_connection()
        return super().run(command, on_output, cancel)


@dataclass
class RunContext:
    """One worker at one run. Everything that talks to the outside goes through `journal`.

    `earlier` is what the task's earlier change was, where it does not fit on the branch any more.
    """

    run: Run
    agent: Agent
    actor: Actor
    journal: Journal
    keeper: Keeper
    brief: Brief
    earlier: str = ""
    cancel: threading.Event = field(init=False)
    _tip: str = field(default="", init=False)

    def __post_init__(self) -> None:
        self.cancel = self.keeper.stop

    @cached_property
    def repository(self) -> Repository:
        """The repository that the run works in. Raises `NotFound`; a run that touches none never asks."""
        return repository_named(self.run.repository)

    def may_judge(self, route: str) -> bool:
        """Whether the model that owners rank first on a route is good enough to judge others' work."""
        return first_of(route).may_judge

    @cached_property
    def model(self) -> RunModel:
        scopes = [
            Scope(ScopeKind.PROJECT, self.brief.project),
            Scope(ScopeKind.RUN, str(self.run.number)),
        ]
        if self.brief.story:
            scopes.append(Scope(ScopeKind.STORY, self.brief.story))
        if self.brief.task:
            scopes.append(Scope(ScopeKind.TASK, self.brief.task))
        if self.run.strategy:
            scopes.append(Scope(ScopeKind.STRATEGY, self.run.strategy))
        scopes += key_scopes(self.run.subject, self.run.story)
        return RunModel(self.journal, self.agent.route, Account(self.run.ref, tuple(scopes)), self.cancel)

    @cached_property
    def sandbox(self) -> Sandbox:
        return PatientSandbox(sandbox_settings())

    @cached_property
    def watch(self) -> Watch:
        return Watch(self.run, self.actor)

    def check_conduct(self) -> None:
        """Raise `Forbidden` when the run has broken rules so that it must end."""
        if reason := self.watch.why_stop():
            raise Forbidden(reason)

    @property
    def repo(self) -> Path:
        return repository_folder(self.repository.name)

    @cached_property
    def workspace(self) -> Workspace:
        """The run's own clone, made by whoever comes first: at its base, or at the commit that it is to judge."""
        start = self.run.head_sha if self.run.kind in JUDGING else self.run.base_sha
        repository, folder = self.repo, workspace_folder(self.run.number)
        release_connection()
        workspace = clone_workspace(repository, folder, self.run.branch, start)
        self.sandbox.prepare_workspace(workspace.tree)
        return workspace

    @property
    def tip(self) -> str:
        """The run's last commit so far, as far as this worker has come; before the first, the one that it began on."""
        return self._tip or self.run.base_sha

    def tree_now(self) -> str:
        """The id of the tree that the run's workspace holds now."""
        workspace, tip = self.workspace, self.tip
        release_connection()
        return tree_of(workspace, tip)

    def move_tip(self, sha: str) -> None:
        """The run's branch is on `sha` by now; what CI says of it is what the run stands on."""
        self._tip = sha
        self.enter(self.model.phase, head_sha=sha)

    @property
    def signature(self) -> Signature:
        return Signature(self.agent.title, f"{self.agent.name}@agents.invalid")

    @property
    def when(self) -> datetime:
        """The time that the run's commits carry: fixed, so that a repeated commit is the same commit."""
        return (self.run.started_at or self.run.created_at).replace(microsecond=0)

    def check(self) -> None:
        """Raise `Stopped` when the run must not go on."""
        if self.keeper.stop.is_set():
            raise Stopped(self.keeper.reason)

    def stopped(self) -> str | None:
        return self.keeper.reason if self.keeper.stop.is_set() else None

    def log(self, text: str, tone: str = "") -> None:
        """Say something of the run's own in its log."""
        if len(text) > MOST_SAID:
            text = f"{text[:MOST_SAID]}\n{LEFT_OUT.format(count=len(text) - MOST_SAID)}"
        self._keep([text[at : at + ROW] for at in range(0, len(text), ROW)], tone)

    @contextmanager
    def live(self) -> Iterator[Callable[[bytes], None]]:
        """What listens to one command that the run has carried out; what it hears stands in the run's log soon."""

        def keep(rows: list[str]) -> None:
            self._keep(rows, "dim")
            release_connection()

        def masked(text: str) -> str:
            clean = self.watch.masked(text, "output")
            release_connection()
            return clean

        def room() -> int:
            left = RUN_ROWS - self.run.log.count()
            release_connection()
            return left

        log = LiveLog(keep, masked, room)
        try:
            yield log
        finally:
            log.close()

    def _keep(self, rows: list[str], tone: str) -> None:
        phase = self.run.phase
        RunLog.objects.bulk_create(RunLog(run=self.run, phase=phase, tone=tone, text=storable(text)) for text in rows)

    def enter(self, phase: Phase, round_: int = 0, **facts: str) -> None:
        """Go to a phase, once: a worker that repeats an earlier phase to get where the last one stopped moves nothing."""
        self.check()
        self.model.phase = phase
        known = {name: value for name, value in facts.items() if getattr(self.run, name) != value}
        now = _rank(Phase(self.run.phase), self.run.round)
        if _rank(phase, round_) <= now:
            if not known:
                return
            phase, round_ = Phase(self.run.phase), self.run.round
        self.run = advance_run(
            actor=self.actor, run=self.run, fence=self.journal.fence, phase=phase, round_=round_, **known
        )


def _rank(phase: Phase, round_: int) -> int:
    """How far a run is: CI of round n comes after the fixer of round n, the finalizer after everything."""
    return {
        Phase.PLANNER: 0,
        Phase.EXECUTOR: 1,
        Phase.FIXER: 2 * round_ + 1,
        Phase.CI_MONITOR: 2 * round_ + 2,
        Phase.FINALIZER: 10_000,
    }[phase]
