"""Calls of agents that people are asked about first: what was asked, what they said, and the receipt of what was done.

An approval is of one step of one run with exactly these arguments, on exactly this tree; it lets that call happen once.
"""

import hashlib
import json
from typing import Any

from governance.actions.outcomes import record_outcome, void_approvals
from governance.policies.answers import QUESTION
from governance.selectors import active_policy
from governance.selectors.approvals import latest_bound
from governance.views import ApprovalView
from gpu_workers.ceilings import passes_ceiling
from gpu_workers.loop import Permission, Verdict
from gpu_workers.models import Run, RunStep
from gpu_workers.runs import applying
from gpu_workers.runs.context import RunContext, Unanswered
from gpu_workers.runs.guarded import DEPLOYMENT, KINDS, SECRETS, kind_of, words_asked
from gpu_workers.runs.guarded import KIND as KIND
from guildhall.kernel.actor import Actor, system_actor
from guildhall.kernel.errors import Conflict
from guildhall.kernel.redaction import redact
from guildhall.kernel.tenancy import current_tenant

NO = {
    "changes_requested": "A person asks for another way",
    "rejected": "A person said no",
    "expired": "Nobody allowed it in time",
}


def arguments_text(tool: str, arguments: dict[str, Any]) -> str:
    """A call in its one canonical spelling."""
    return json.dumps({"tool": tool, "arguments": arguments}, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def arguments_hash(tool: str, arguments: dict[str, Any]) -> str:
    """SHA-256 (hex) of a call: tool and arguments."""
    return hashlib.sha256(arguments_text(tool, arguments).encode()).hexdigest()


def question(ctx: RunContext, step: str, tool: str, arguments: dict[str, Any], reason: str) -> dict[str, Any]:
    """What a run that ends its turn with a question leaves for whoever asks it; the worker is free then."""
    words = words_asked(tool, arguments)
    return {
        "step": step,
        "tool": tool,
        "arguments": arguments,
        "arguments_hash": arguments_hash(tool, arguments),
        "tree": _tree(ctx),
        "reason": reason,
        "kind": kind_of(tool),
        "binds": {**applying.bound(ctx, tool, arguments), **({QUESTION: redact(words)} if words else {})},
    }


def answered(ctx: RunContext, step: str, tool: str, arguments: dict[str, Any]) -> Verdict | None:
    """What people said of this call; None when they were not asked, or what they allowed does not cover it any more.

    Raises `Unanswered` where a question in words was answered by nobody in time.
    """
    kind = kind_of(tool)
    asked = _asked(ctx.run, step, tool, arguments, kind)
    if asked is None or asked.state == "void":
        others = [_asked(ctx.run, step, tool, arguments, other) for other in KINDS if other != kind and tool in SECRETS]
        if any(other is not None and other.state in ("pending", "approved") for other in others):
            reason = "The policy has changed since: what is asked of this call is another question."
            void_approvals(actor=_executor(), subject=ctx.run.ref, reason=reason)
        return None
    if asked.state == "pending":
        return Verdict(Permission.ASK, f"Approval #{asked.number} waits for a person.")
    words = words_asked(tool, arguments)
    if words and asked.state == "expired":
        raise Unanswered(f"Nobody answered in time what it asked: {redact(words)}")
    if asked.state in NO:
        said = "; ".join(vote.feedback for vote in asked.votes if vote.feedback)
        return Verdict(Permission.DENY, f"{NO[asked.state]}{': ' + said if said else ''}.")
    # An answer in words lets nothing happen, so that no policy, cost or file makes it another one.
    if not words and asked.state == "approved" and (outgrown := _outgrown(ctx, step, asked, tool, arguments)):
        void_approvals(actor=_executor(), subject=ctx.run.ref, reason=outgrown)
        return None
    return Verdict(Permission.ALLOW)


def answer_to(ctx: RunContext, step: str, tool: str, arguments: dict[str, Any]) -> str:
    """What people answered to what a call asks in words, and who they are; "" while nobody did."""
    asked = _asked(ctx.run, step, tool, arguments, KIND) if words_asked(tool, arguments) else None
    given = asked.votes if asked is not None and asked.state in ("approved", "executed") else ()
    return "\n".join(f"{vote.voter_name} answers: {vote.feedback}" for vote in given if vote.decision == "approve")


def hand_in(run: Run, step: str, tool: str, arguments: dict[str, Any], *, ok: bool) -> None:
    """Write the receipt of a call that was approved and is carried out; of any other call, and again, nothing."""
    found = (_asked(run, step, tool, arguments, kind) for kind in KINDS)
    asked = next((one for one in found if one is not None and one.state == "approved"), None)
    if asked is not None:
        tell_done(run, asked, ok=ok)


def tell_done(run: Run, asked: ApprovalView, *, ok: bool) -> None:
    """Write the receipt of the approved call that was asked about: it is carried out."""
    step = asked.binding["step"]
    receipt = {"run": run.number, "step": step, "arguments_hash": asked.binding["arguments_hash"], "ok": ok}
    if asked.kind == DEPLOYMENT:
        if not ok:
            # It was tried, and nothing is tried twice under one answer.
            void_approvals(
                actor=_executor(), subject=run.ref, reason=f"Step {step} is not known to have carried it out."
            )
            return
        receipt |= {"deployed_sha": asked.binding.get("commit_sha"), "healthy": True}
    try:
        record_outcome(actor=_executor(), approval=asked.number, receipt=receipt)
    except Conflict:
        # A worker that was thought dead handed it in at this moment.
        return


def _asked(run: Run, step: str, tool: str, arguments: dict[str, Any], kind: str) -> ApprovalView | None:
    facts = {"step": step, "arguments_hash": arguments_hash(tool, arguments)}
    return latest_bound(run.ref, kind, facts)


def _outgrown(ctx: RunContext, step: str, asked: ApprovalView, tool: str, arguments: dict[str, Any]) -> str:
    """Why an approval does not cover its call any more, or ""."""
    bound = asked.binding
    if bound.get("policy_version") != active_policy().version:
        return "The policy has changed since this was approved."
    if ctx.brief.task and passes_ceiling(ctx.brief.task, bound.get("cost_ceiling_usd")):
        return f"It has cost more than the {bound.get('cost_ceiling_usd')} USD that were approved."
    if asked.kind == DEPLOYMENT:
        return applying.outgrown(ctx, asked, tool, arguments)
    begun = RunStep.objects.filter(run=ctx.run, key=step).exists()
    if not begun and bound.get("tree") != _tree(ctx):
        return "The files are not those that were there when this was approved."
    return ""


def _tree(ctx: RunContext) -> str:
    """What the run works on as it is now, "" for one that touches no repository."""
    return ctx.tree_now() if ctx.run.repository else ""


def _executor() -> Actor:
    return system_actor("executor", current_tenant())
