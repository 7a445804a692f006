"""Runs that touch no repository: an agent reads what it is given, through tools, and hands one result in.

What it hands in is checked by the tool that takes it; nothing follows from it but a row that people decide on.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from typing import Any

from governance.selectors.policy import active_policy
from gpu_workers.actions.runs import Ending
from gpu_workers.brief import TaskBrief
from gpu_workers.folders import workspace_folder
from gpu_workers.incidents.evidence import Evidence
from gpu_workers.loop import LoopResult, Observation, Outcome, ToolCall, ToolSpec, run_loop
from gpu_workers.models.run import Phase, RunState
from gpu_workers.planner.checks import Backlog
from gpu_workers.prompts import prompt
from gpu_workers.repos import Workspace
from gpu_workers.runs import telling
from gpu_workers.runs.approving import RunApprover
from gpu_workers.runs.asking import question
from gpu_workers.runs.context import AGAIN, RunContext, Stopped
from gpu_workers.runs.environment import RunEnvironment
from gpu_workers.tools.commands import ASK_HUMAN
from gpu_workers.tools.contract import ToolContext, ToolResult
from gpu_workers.tools.knowledge import KNOWLEDGE_TOOLS
from gpu_workers.tools.registry import REGISTRY
from gpu_workers.trackers.importing import IssueList
from gpu_workers.trackers.protocol import Update
from guildhall.kernel.fencing import fenced

TURNS = 16
ORDER_SHARE = 8
"""A text of the order may take the window's room divided by this."""


class Desk(RunEnvironment):
    """The tools of one desk, and no others. `handed_in` is the call that ended the work, once there is one."""

    def __init__(
        self,
        ctx: RunContext,
        names: tuple[str, ...],
        *,
        evidence: Evidence | None = None,
        backlog: Backlog | None = None,
        issues: IssueList | None = None,
        update_issue: Callable[[str, Update], list[str]] | None = None,
    ) -> None:
        super().__init__(ctx)
        self._names = frozenset((*names, *(tool.name for tool in KNOWLEDGE_TOOLS), ASK_HUMAN))
        self._evidence, self._backlog = evidence, backlog
        self._issues, self._update_issue = issues, update_issue
        self.handed_in: ToolCall | None = None

    @cached_property
    def _tools(self) -> ToolContext:
        ctx = self._ctx
        return ToolContext(
            workspace=Workspace(workspace_folder(ctx.run.number)),
            sandbox=ctx.sandbox,
            role=ctx.agent.role,
            task=TaskBrief(ctx.brief.title, ctx.brief.brief),
            base_sha="",
            mask=lambda text: ctx.watch.masked(text, "output"),
            cancel=ctx.cancel,
            evidence=self._evidence,
            backlog=self._backlog,
            issues=self._issues,
            update_issue=self._update_issue,
            known=telling.known_to(ctx),
        )

    def offered(self) -> list[ToolSpec]:
        """What this desk has, as far as the policy gives it to the role."""
        return [spec for spec in super().offered() if spec.name in self._names]

    def execute(self, key: str, call: ToolCall) -> Observation:
        """As in any run, once; a call that ends the work is what is handed in."""
        observation = super().execute(key, call)
        if observation.ok and observation.done:
            self.handed_in = call
        return observation

    def _run(self, key: str, call: ToolCall, *, again: bool = False) -> ToolResult:
        """A tool of the role that is not this desk's does nothing; one of another role is refused and written down."""
        if call.name not in self._names and REGISTRY.allowed(self._ctx.agent.role, call.name):
            return ToolResult(False, f"{call.name[:60]!r} is of no use here; there is no repository.")
        return super()._run(key, call, again=again)


def at_desk(ctx: RunContext, desk: Desk, about: dict[str, Any]) -> tuple[dict[str, Any], Ending | None]:
    """Let the agent work until it hands a result in: its arguments, or how the run ends without one."""
    head = ctx.model.keep_head()
    ctx.enter(Phase.EXECUTOR)
    if ctx.brief.again:
        about = {**about, AGAIN: ctx.brief.again}
    messages = [
        {"role": "system", "content": prompt(ctx.agent.kind, ctx.run.prompt_version)},
        {"role": "user", "content": fenced("order", _within(about, head.room // ORDER_SHARE))},
    ]
    repeats = active_policy().document.rate_limits.repeats
    result = run_loop(
        ctx.model,
        desk,
        RunApprover(ctx),
        messages,
        prefix="executor",
        limits=replace(head.limits(repeats), turns=TURNS) if head.able else head.led_limits(repeats),
        stopped=ctx.stopped,
        noting=prompt(f"{ctx.agent.kind}_notes", ctx.run.prompt_version) if head.able else "",
    )
    if result.outcome is Outcome.STOPPED:
        raise Stopped(result.reason)
    if result.outcome is Outcome.GOING_ROUND and head.able:
        ctx.watch.went_round("executor", f"{result.reason[:1].upper()}{result.reason[1:]}.")
        ctx.check_conduct()
    call = desk.handed_in
    if call is not None:
        return call.arguments, None
    if result.outcome is Outcome.NEEDS_APPROVAL and result.call is not None:
        asked = question(ctx, result.key, result.call.name, result.call.arguments, result.reason)
        return {}, Ending(RunState.WAITING, reason=result.reason, outcome={"question": asked})
    return {}, Ending(RunState.ESCALATED, reason=_why_not(result))


def _within(about: dict[str, Any], room: int) -> dict[str, Any]:
    """The order, its long texts cut to a share of the window each: what the agent looks into, it reads piece by piece."""
    return {
        name: f"{value[:room]} [… {len(value) - room} more characters]"
        if isinstance(value, str) and len(value) > room
        else value
        for name, value in about.items()
    }


def _why_not(result: LoopResult) -> str:
    if result.outcome is Outcome.FINISHED:
        return "It ended without handing a result in."
    return f"It handed nothing in that passed the checks: {result.reason}."
