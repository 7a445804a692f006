"""Whether a call may be carried out now: by the autonomy, the policy, the confidence, and what people said of it."""

from typing import Any

from governance.autonomy import DRAFTING, Environment, Risk, Verdict
from governance.autonomy import ActionClass as Effect
from governance.selectors.autonomy import decide_for
from governance.selectors.holds import Held
from governance.selectors.policy import active_policy
from gpu_workers.actions.runs import hold_on
from gpu_workers.applying.appliers import APPLIERS
from gpu_workers.loop import Permission, ToolCall
from gpu_workers.loop import Verdict as Answer
from gpu_workers.runs import applying, asking
from gpu_workers.runs.brief import levels_now
from gpu_workers.runs.context import RunContext
from gpu_workers.runs.guarded import secret_asked, words_asked
from gpu_workers.runs.weighing import doubt, weigh_call
from gpu_workers.tools.commands import reaches_out
from gpu_workers.tools.contract import ActionClass
from gpu_workers.tools.registry import REGISTRY
from guildhall.kernel.redaction import redact

EFFECTS = {
    ActionClass.READ: Effect.READ,
    ActionClass.ASK: Effect.READ,
    ActionClass.WRITE_WORKSPACE: Effect.WRITE_WORKSPACE,
    ActionClass.COMMIT: Effect.COMMIT,
    ActionClass.RUN: Effect.TEST,
    ActionClass.TEST: Effect.TEST,
    ActionClass.USE_NETWORK: Effect.USE_NETWORK,
    ActionClass.DEPLOY: Effect.DEPLOY,
}


class RunApprover:
    """Asks governance what the agent may do now, by its reputation, the strategy's autonomy and the policy."""

    def __init__(self, ctx: RunContext) -> None:
        self._ctx = ctx

    def decide(self, key: str, call: ToolCall) -> Answer:
        """The loop's question. A tool that is unknown or not the role's is let through: it is refused then, and recorded.

        What happened already is only told again, whatever would be said now. What people said of this very call counts
        before the autonomy; nothing that they said counts against a refusal. What a call asks in words is asked, always.
        """
        kind = action_class(call.name)
        if kind is None or not of_role(self._ctx, call.name) or self._ctx.journal.finished(key) is not None:
            return Answer(Permission.ALLOW)
        if call.name in APPLIERS:
            return self._may_apply(key, call)
        effects = [EFFECTS[kind]]
        # Whatever hosts the policy lists now: it may list others by the time that the call begins.
        if reaches_out(call.name, call.arguments):
            effects.append(Effect.USE_NETWORK)
        answer = _strictest([self._ask(effect, key) for effect in effects])
        if answer.permission is Permission.DENY:
            return answer
        if answer.permission is Permission.ALLOW and (secret := secret_asked(call.name)):
            answer = Answer(Permission.ASK, f"it uses a secret that the organisation keeps: its {secret}'s")
        if words := words_asked(call.name, call.arguments):
            answer = Answer(Permission.ASK, f"It asks: {redact(words)}")
        return asking.answered(self._ctx, key, call.name, call.arguments) or answer

    def _may_apply(self, key: str, call: ToolCall) -> Answer:
        """People are asked about each plan, whatever else would allow it. What cannot be asked about is refused, and recorded.

        While what they allowed waits for a freeze to end, `NotYet` is raised.
        """
        try:
            applying.order_for(self._ctx, call.name, call.arguments, judge=True)
        except applying.NotApplied:
            return Answer(Permission.ALLOW)
        effects = (Effect.DEPLOY, *APPLIERS[call.name].effects)
        answer = _strictest([self._ask(effect, key, Environment.PRODUCTION) for effect in effects])
        if answer.permission is Permission.DENY:
            return answer
        said = asking.answered(self._ctx, key, call.name, call.arguments)
        if said is None:
            why = applying.WHY if answer.permission is Permission.ALLOW else f"{applying.WHY}; {answer.reason}"
            return Answer(Permission.ASK, why)
        if said.permission is Permission.ALLOW:
            applying.wait_for_release(self._ctx, key)
        return said

    def may_propose(self, key: str, tool: str, about: dict[str, Any], doubt: str = "") -> Answer:
        """Whether the run may open the change request that `about` says, unasked or because people allowed it.

        With a `doubt` about it nothing happens but a question.
        """
        return self._may((Effect.COMMIT, Effect.OPEN_CHANGE_REQUEST), key, tool, about, doubt)

    def may_judge(self, key: str, tool: str, about: dict[str, Any], *, lets_through: bool) -> Answer:
        """Whether the verdict that `about` says counts, unasked or because people allowed it: judging is testing.

        One that lets a change through is weighed; sending it back carries nothing out.
        """
        unsure = doubt(weigh_call(self._ctx, Effect.TEST, key)) if lets_through else ""
        return self._may((Effect.TEST,), key, tool, about, unsure)

    def may_accept_plan(self) -> Answer:
        """Whether the planner's tasks become the story's unasked; else they are a proposal, which people accept: a draft."""
        return self._ask(Effect.WRITE_WORKSPACE, "")

    def _may(self, effects: tuple[Effect, ...], key: str, tool: str, about: dict[str, Any], doubt: str) -> Answer:
        answers = [self._ask(effect, key) for effect in effects]
        if doubt:
            answers.append(Answer(Permission.ASK, doubt))
        answer = _strictest(answers)
        if answer.permission is Permission.DENY:
            return answer
        return asking.answered(self._ctx, key, tool, about) or answer

    def _ask(self, effect: Effect, key: str, environment: Environment = Environment.WORKSPACE) -> Answer:
        ctx = self._ctx
        # What stays in the workspace can be thrown away; its outcome is weighed as a whole before it is proposed.
        unsure = "" if effect in DRAFTING else doubt(weigh_call(ctx, effect, key))
        strategy_level, agent_cap = levels_now(ctx.run)
        decision = decide_for(
            ctx.agent.ref,
            effect,
            environment=environment,
            strategy_level=strategy_level,
            agent_cap=agent_cap,
            risk=Risk(ctx.brief.risk),
            evidence_complete=not unsure,
            strategy=ctx.run.strategy,
            run=str(ctx.run.number),
        )
        if decision.verdict is Verdict.REFUSE and (hold := hold_on(ctx.run)):
            # No answer to the agent: the run rests under the kill switch, and asks again when that is lifted.
            raise Held(hold)
        permission = {Verdict.ALLOW: Permission.ALLOW, Verdict.ASK: Permission.ASK, Verdict.REFUSE: Permission.DENY}
        reason = f"{decision.reason}; {unsure}" if unsure else decision.reason
        return Answer(permission[decision.verdict], reason)


def _strictest(answers: list[Answer]) -> Answer:
    """A refusal before a question, a question before a yes."""
    denied = [one for one in answers if one.permission is Permission.DENY]
    return next((one for one in [*denied, *answers] if one.permission is not Permission.ALLOW), answers[0])


def action_class(name: str) -> ActionClass | None:
    """What kind of thing a call of the tool `name` does; None where there is no such tool."""
    tool = REGISTRY.get(name)
    return tool.action_class if tool else None


def of_role(ctx: RunContext, name: str) -> bool:
    """Whether the tenant's policy gives a tool to the agent's role."""
    return name in active_policy().document.tools_of(ctx.agent.role)
