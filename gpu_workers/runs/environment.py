"""The loop's environment: tools of the agent's role, within the policy, each call a step of the run."""

import json
import logging
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property, partial
from typing import Any

from django.conf import settings

from governance.selectors.policy import active_policy
from gpu_workers import databases
from gpu_workers.actions.leases import LeaseLost
from gpu_workers.actions.runs import StepResult, note_refusal
from gpu_workers.applying.appliers import APPLIERS, targets_of
from gpu_workers.brief import TaskBrief
from gpu_workers.clusters.applying import look_for
from gpu_workers.forges.vault import Opening
from gpu_workers.loop import Observation, ToolCall, ToolSpec
from gpu_workers.loop.memory import size_of
from gpu_workers.models.run import JUDGING, RunKind
from gpu_workers.repos import GitError
from gpu_workers.repos.workspaces import restore_tree
from gpu_workers.runs import applying, asking, committing, telling
from gpu_workers.runs.approving import action_class, of_role
from gpu_workers.runs.bounding import LEFT, acts_outside, bounded
from gpu_workers.runs.context import RunContext, Stopped
from gpu_workers.runs.guarded import words_asked
from gpu_workers.runs.journal import Attempt
from gpu_workers.runs.remarks import remarks_in
from gpu_workers.sandbox import KilledBy
from gpu_workers.sandboxes import ci_limits, command_limits
from gpu_workers.tools.commands import ASK_HUMAN, reaches_out
from gpu_workers.tools.contract import ActionClass, ToolContext, ToolRefused, ToolResult
from gpu_workers.tools.registry import SPARE, execute, offered_tools
from guildhall.kernel.redaction import redact
from guildhall.kernel.tenancy import release_connection

logger = logging.getLogger(__name__)

ROOM_SHARE = 4
"""The tools may take the window's room divided by this."""
CHANGING = frozenset({ActionClass.WRITE_WORKSPACE, ActionClass.RUN, ActionClass.TEST, ActionClass.COMMIT})
KEPT = ("sha", "barred", "words", "outcome", "applied")
"""What of a result its step keeps beside its text: the commit that was made or why there is none, the words of a hand-in, and
what became of a plan."""


class RunEnvironment:
    """Carries out what the model calls. `ci_output` is what red CI said, on a fixer's round."""

    def __init__(self, ctx: RunContext, ci_output: str = "") -> None:
        self._ctx = ctx
        self._ci_output = ci_output
        self._tree = ""
        """The workspace as the latest call left it that could change it; "" before the first."""
        self._attempt: Attempt | None = None

    @cached_property
    def _tools(self) -> ToolContext:
        """What the run has in hand; each call has it within the bounds of the policy as it is then."""
        ctx, brief = self._ctx, self._ctx.brief
        asked = Opening(ctx.actor, f"a query of run {ctx.run.number}")
        return ToolContext(
            workspace=ctx.workspace,
            sandbox=ctx.sandbox,
            role=ctx.agent.role,
            task=TaskBrief(brief.title, brief.brief, brief.acceptance, brief.evidence, self._ci_output),
            base_sha=ctx.run.base_sha,
            head_sha=ctx.run.head_sha if ctx.run.kind in JUDGING else "",
            ci_command=ctx.repository.ci_command,
            mask=lambda text: ctx.watch.masked(text, "output"),
            cancel=ctx.cancel,
            limits=command_limits(),
            ci_limits=ci_limits(ctx.repository.name),
            base_images=settings.BASE_IMAGES,
            known=telling.known_to(ctx),
            audit=partial(telling.search_work, brief.project),
            comment=(lambda text: telling.say(ctx.actor, brief.task, text)) if brief.task else None,
            commit=self._commit if ctx.run.kind == RunKind.WORK else None,
            remark=remarks_in(ctx),
            database=lambda question: databases.ask(brief.project, question, asked, ctx.cancel),
            cluster=look_for(brief.project, Opening(ctx.actor, f"a plan of run {ctx.run.number}"), ctx.cancel),
            targets=targets_of(brief.project),
        )

    def offered(self) -> list[ToolSpec]:
        """Tools of the role that the tenant's policy allows and that make sense now.

        Where they would take more than a share of the model's window, those that work can be done without are left out.
        """
        policy = active_policy().document
        allowed, tools = policy.tools_of(self._ctx.agent.role), bounded(self._tools, policy)
        guided = not self._ctx.model.supports_tools
        specs = [spec for spec in offered_tools(tools, guided=guided) if spec.name in allowed]
        taken = size_of([[spec.name, spec.description, spec.parameters] for spec in specs])
        if taken * ROOM_SHARE <= self._ctx.model.head.room:
            return specs
        return [spec for spec in specs if spec.name not in SPARE]

    def guides(self) -> bool:
        """Whether a model without tool calls is led here: offered only what is right in this workspace."""
        return any(spec.guided for spec in self.offered())

    def execute(self, key: str, call: ToolCall) -> Observation:
        """Carry a call out once. One that a dead worker may have half carried out starts again from the tree before it."""
        changing = bool(self._ctx.run.repository) and action_class(call.name) in CHANGING
        applied: list[StepResult] = []
        try:
            stored = self._ctx.journal.step(
                key,
                kind="tool",
                phase=self._ctx.model.phase,
                title=_title(call),
                request={"arguments": call.arguments, **(self._ground(key) if changing else {})},
                do=lambda attempt: self._tried(key, call, attempt, applied, changing=changing),
            )
        except (Stopped, LeaseLost):
            for came in applied:
                applying.tell(self._ctx, key, came)
            raise
        return self._taken_in(key, call, stored)

    def _ground(self, key: str) -> dict[str, str]:
        """What a call that may change files starts from.

        The workspace may hold what a worker died at: what it held before is written down then.
        """
        before = self._tree or self._ctx.journal.begun_with(key).get("tree") or self._ctx.tree_now()
        return {"tree": before, "parent": self._ctx.tip}

    def _tried(
        self, key: str, call: ToolCall, attempt: Attempt, applied: list[StepResult], *, changing: bool
    ) -> StepResult:
        """One try at a call: what its step keeps of it. What became of a plan joins `applied` before the run may stop."""
        self._ctx.check()
        if attempt.again and changing:
            self._put_back(str(attempt.request["tree"]))
        result = self._once(key, call, attempt)
        more = {name: result.data[name] for name in KEPT if name in result.data}
        if call.name in APPLIERS:
            applied.append(_answer(result, more))
        # A command that was stopped with the run says nothing: it is carried out anew when the run goes on.
        self._ctx.check()
        if changing:
            before = str(attempt.request["tree"])
            result, after = self._settled(result, before)
            result, kept = self._planned(key, result, (before, after))
            more |= {"tree": after, **kept}
        return _answer(result, more)

    def _taken_in(self, key: str, call: ToolCall, stored: dict[str, Any]) -> Observation:
        """What follows from a step that is kept: it follows again, to the same end, where a worker died before it did."""
        asking.hand_in(self._ctx.run, key, call.name, call.arguments, ok=bool(stored["ok"]))
        committing.refuse(self._ctx, key, stored.get("barred", []))
        if sha := stored.get("sha"):
            self._ctx.move_tip(str(sha))
        self._ctx.check_conduct()
        self._tree = str(stored.get("tree", self._tree))
        return Observation(bool(stored["ok"]), str(stored["text"]), bool(stored["done"]), self._tree)

    def _once(self, key: str, call: ToolCall, attempt: Attempt) -> ToolResult:
        """A call's result. One that acts outside and was begun is not begun again: nothing there can be put back."""
        if attempt.kept is not None and "sha" in attempt.kept:
            return committing.push_kept(self._ctx, attempt.request, attempt.kept)
        if attempt.kept is not None:
            return ToolResult(False, str(attempt.kept["text"]))
        if attempt.again and acts_outside(call.name, call.arguments):
            return ToolResult(False, LEFT)
        self._attempt = attempt
        return self._run(key, call, again=attempt.again)

    def _settled(self, result: ToolResult, before: str) -> tuple[ToolResult, str]:
        """What a call that may change files brought, and the tree after it.

        A workspace that is full, or that no commit could hold, is put back to the tree before: nothing else would work in it.
        """
        problem = "It was too much for the disk." if result.data.get("killed_by") == KilledBy.DISK else ""
        if not problem:
            try:
                return result, self._ctx.tree_now()
            except GitError as unfit:
                logger.warning("the workspace of run %s: %s", self._ctx.run.number, unfit)
                problem = unfit.said
        self._put_back(before)
        return ToolResult(False, f"{result.text}\n{problem} The workspace was put back to what it was before."), before

    def _put_back(self, tree: str) -> None:
        restore_tree(self._ctx.workspace, tree)
        self._ctx.sandbox.prepare_workspace(self._ctx.workspace.tree)

    def _planned(
        self, key: str, result: ToolResult, trees: tuple[str, str]
    ) -> tuple[ToolResult, dict[str, dict[str, Any]]]:
        """What a call brought, and the plan that its step keeps; the agent is told what it may be applied as."""
        if result.plan is None:
            return result, {}
        kept = applying.kept(self._ctx, result.plan, trees)
        why_not = kept["why_not"]
        told = f"It cannot be applied from here: {why_not}." if why_not else f"It is kept as the plan {key}."
        return replace(result, text=f"{result.text}\n{told}"), {"plan": kept}

    def _commit(self, said: str) -> ToolResult:
        assert self._attempt is not None, "a call is a try at its step"
        return committing.commit_called(self._ctx, self._attempt, said)

    def _run(self, key: str, call: ToolCall, *, again: bool = False) -> ToolResult:
        if not of_role(self._ctx, call.name):
            reason = f"The policy does not give {call.name[:60]!r} to {self._ctx.agent.role}."
            return self._refused(key, call, ToolRefused("role", reason, call.name[:60]))
        tools = bounded(self._tools, active_policy().document)
        if call.name in APPLIERS:
            tools = replace(tools, apply=self._applier(key, call, again=again))
        if call.name == ASK_HUMAN:
            tools = replace(tools, answer=asking.answer_to(self._ctx, key, call.name, call.arguments))
        try:
            with self._ctx.live() as heard:
                # What was looked up until here is known: a tool may wait for others, and its outcome is cut and masked after.
                release_connection()
                result = execute(call.name, call.arguments, replace(tools, on_output=heard))
        except ToolRefused as refusal:
            return self._refused(key, call, refusal)
        if reaches_out(call.name, call.arguments) and (unlisted := result.data.get("refused")):
            what = f"Its command wanted what the network bounds refuse: {'; '.join(unlisted[:3])}."
            self._ctx.watch.refused(key, _as_text(call), ToolRefused("network", what[:500]))
        release_connection()
        return result

    def _applier(self, key: str, call: ToolCall, *, again: bool) -> Callable[[dict[str, Any]], ToolResult]:
        """How this very call is carried out, where people allowed it."""
        said = {"step": key, "arguments_hash": asking.arguments_hash(call.name, call.arguments)}
        return lambda given: applying.carry_out(self._ctx, said, call.name, given, again=again)

    def _refused(self, key: str, call: ToolCall, refusal: ToolRefused) -> ToolResult:
        """Write a refusal down, once whatever becomes of the worker: the violation first, which its step makes unique."""
        ctx, answer = self._ctx, redact(f"Refused: {refusal.reason}")
        ctx.watch.refused(key, _as_text(call), refusal)
        note_refusal(
            actor=ctx.actor,
            run=ctx.run,
            fence=ctx.journal.fence,
            key=key,
            tool=call.name[:80],
            reason=refusal.reason,
            response={"ok": False, "text": answer, "done": False},
        )
        return ToolResult(ok=False, text=answer)


def _answer(result: ToolResult, more: dict[str, Any]) -> StepResult:
    """What a step keeps of a call's result."""
    return StepResult({"ok": result.ok, "text": result.text, "done": result.done, **more}, ok=result.ok)


def _as_text(call: ToolCall) -> str:
    return f"{call.name} {json.dumps(call.arguments, ensure_ascii=False)}"


def _title(call: ToolCall) -> str:
    about = call.arguments.get("path") or call.arguments.get("command") or call.arguments.get("query")
    about = about or words_asked(call.name, call.arguments)
    return f"{call.name} {about}".strip()[:300]
