"""What agents' room does once people have decided: merge exactly what was approved, and keep the receipt of it."""

import logging
from datetime import UTC, datetime, timedelta
from typing import Any

from governance.actions.approvals import request_approval
from governance.actions.outcomes import record_outcome, void_approvals
from governance.actions.outcomes_held import hold_back
from governance.approval_events import ApprovalRetried
from governance.autonomy import Risk
from governance.events import ApprovalDecided, ApprovalExpired, ApprovalVoided, PolicyActivated
from governance.policies.answers import QUESTION
from governance.selectors import active_policy, latest_approval
from governance.selectors import approval as approval_of
from governance.selectors.approvals import latest_bound
from gpu_workers.actions.retries import wake_run
from gpu_workers.ceilings import cost_ceiling
from gpu_workers.events import ChangeMerged, RunEnded
from gpu_workers.merging import AWAY_S, NotApproved, NotNow, merge_approved
from gpu_workers.models import Run
from gpu_workers.models.run import GIVEN_UP, RunState
from gpu_workers.repos import GitError
from gpu_workers.runs.asking import KIND, arguments_text
from gpu_workers.runs.guarded import KINDS, SECRET_KIND, SECRETS
from gpu_workers.tools.commands import reaches_out
from gpu_workers.tools.registry import question_risk
from guildhall.kernel.actor import Actor, system_actor
from guildhall.kernel.consumers import Delivered, consumer
from guildhall.kernel.errors import Conflict
from guildhall.kernel.redaction import redact
from workflows.actions import complete_task
from workflows.actions.outcomes import Approved
from workflows.machines import MergeReceipt
from workflows.models import Task

logger = logging.getLogger(__name__)
TROUBLE = "It cannot be carried out now and is tried again:"


@consumer("agents.merges", kinds=[ApprovalDecided, ApprovalRetried], slow=True)
def merge(event: Delivered) -> None:
    """An approved merge is carried out: exactly what was approved, or nothing, and then the approval says why."""
    told = event.data
    assert isinstance(told, ApprovalDecided | ApprovalRetried)
    given = isinstance(told, ApprovalRetried) or told.decision == "approved"
    if told.approval_kind != "merge" or not given:
        return
    task, actor = told.about.partition(":")[2], _executor(event)
    try:
        change = merge_approved(actor=actor, task=task, binding=told.binding, approval=told.number)
    except NotApproved as refusal:
        logger.warning("approval %s is not carried out: %s", told.number, refusal.detail)
        until = refusal.until if isinstance(refusal, NotNow) else None
        hold_back(actor=actor, approval=told.number, reason=refusal.detail, until=until)
        return
    except (GitError, KeyError) as trouble:
        # The repository's or its forge's own: the other merges do not wait for it to be over.
        logger.exception("approval %s cannot be carried out", told.number)
        reason, until = redact(f"{TROUBLE} {trouble}"), datetime.now(UTC) + timedelta(seconds=AWAY_S)
        hold_back(actor=actor, approval=told.number, reason=reason, until=until)
        return
    if change is not None:
        # It may have been merged under an earlier approval, before its story was stopped: no other event follows then.
        _hand_in(actor, change.number, approval=told.number, task=task, sha=change.merged_sha)


@consumer("agents.questions", kinds=[RunEnded])
def put_question(event: Delivered) -> None:
    """A run ended its turn with a question: people are asked. One that gave up asks nothing any more."""
    run = Run.objects.select_related("agent").filter(number=int(event.data.subject.partition(":")[2])).first()
    if run is None:
        return
    if run.state in GIVEN_UP:
        void_approvals(
            actor=_executor(event), subject=run.ref, reason=f"Run {run.number} has ended: {run.reason}"[:300]
        )
        return
    asked = run.outcome.get("question", {})
    if run.state != RunState.WAITING or "step" not in asked:
        return
    known = latest_bound(run.ref, _kind(asked), {name: asked[name] for name in ("step", "arguments_hash")})
    if known is None or known.state == "void":
        _ask(event, run, asked)


def _ask(event: Delivered, run: Run, asked: dict[str, Any]) -> None:
    reference = run.subject.removeprefix("task:")
    task = Task.objects.filter(reference=reference).first()
    tool, arguments = str(asked["tool"]), dict(asked["arguments"])
    because = f"It is asked because of {asked['reason']}."
    place, words = (str(asked.get("binds", {}).get(name, "")) for name in ("place", QUESTION))
    said = f" asks: {words}" if words else f": {_what(tool, arguments, place)}"
    request_approval(
        actor=_executor(event),
        kind=_kind(asked),
        subject=run.ref,
        title=f"{run.agent.title}{said}"[:200],
        summary=f"For “{run.title}”. {words or because}",
        binding={
            "run": run.number,
            "task": reference,
            "step": asked["step"],
            "call": arguments_text(tool, arguments),
            "arguments_hash": asked["arguments_hash"],
            "tree": asked["tree"],
            "environment": "workspace",
            "cost_ceiling_usd": cost_ceiling(reference),
            **({"uses": SECRETS[tool]} if _kind(asked) == SECRET_KIND else {}),
            **asked.get("binds", {}),
        },
        risk=Risk.LOW if words else question_risk(tool, arguments, task.risk if task else "medium"),
        requester=run.agent.ref,
    )


def _kind(asked: object) -> str:
    return str(asked.get("kind", KIND)) if isinstance(asked, dict) else KIND


def _what(tool: str, arguments: dict[str, Any], place: str) -> str:
    if place:
        return f"{tool.replace('_', ' ')} {arguments.get('plan', '')} to {place}"
    about = arguments.get("command") or arguments.get("path") or arguments.get("verdict") or ""
    outward = "with network: " if reaches_out(tool, arguments) else ""
    return f"{tool.replace('_', ' ')} {outward}{about}".strip()[:150]


@consumer("agents.answers", kinds=[ApprovalDecided, ApprovalExpired, ApprovalVoided, ApprovalRetried])
def take_answer(event: Delivered) -> None:
    """What a run asked is decided, or not to be decided any more: it goes on, also when its worker died meanwhile."""
    told = event.data
    assert isinstance(told, ApprovalDecided | ApprovalExpired | ApprovalVoided | ApprovalRetried)
    if told.approval_kind not in KINDS or not told.about.startswith("run:"):
        return
    run = Run.objects.filter(number=int(told.about.partition(":")[2]), state=RunState.WAITING).first()
    if run is None or run.outcome.get("question", {}).get("step") != told.binding.get("step"):
        return
    try:
        wake_run(actor=_executor(event), run=run, reason=f"Approval #{told.number} is decided.")
    except Conflict as known:
        logger.info("run %s goes on already: %s", run.number, known.detail)


@consumer("agents.policies", kinds=[PolicyActivated])
def ask_under_policy(event: Delivered) -> None:
    """Questions under a policy that has changed are taken back; their runs see what the new one says, and ask again."""
    version = active_policy().version
    for run in Run.objects.filter(state=RunState.WAITING, outcome__has_key="question"):
        last = latest_approval(run.ref, kind=_kind(run.outcome["question"]))
        if last is not None and last.state == "pending" and last.binding.get("policy_version") != version:
            void_approvals(
                actor=_executor(event), subject=run.ref, reason="The policy has changed since this was asked."
            )


@consumer("agents.receipts", kinds=[ChangeMerged])
def hand_in_receipt(event: Delivered) -> None:
    """A merge is on the branch: the approval gets its receipt and the task is done."""
    merged = event.data
    assert isinstance(merged, ChangeMerged)
    number = int(merged.subject.partition(":")[2])
    _hand_in(_executor(event), number, approval=merged.approval, task=merged.task, sha=merged.merged_sha)


def _hand_in(actor: Actor, change: int, *, approval: int, task: str, sha: str) -> None:
    try:
        record_outcome(actor=actor, approval=approval, receipt={"merged_sha": sha, "change": change})
    except Conflict as known:
        logger.info("approval %s has its outcome: %s", approval, known.detail)
    waits = Task.objects.select_related("story").filter(state="pending_po_approval", commit_sha=sha)
    row = waits.filter(reference=task).first()
    if row is None:
        # It has its receipt, or was sent back since, and another commit is its work now.
        return
    complete_task(actor=actor, task=row, receipt=MergeReceipt(sha, sha), approved=_approved_by(actor, approval))
    void_approvals(actor=actor, subject=row.ref, reason=f"{task} is merged.")


def _approved_by(actor: Actor, number: int) -> Approved | None:
    """Whose yes was the last that the approval needed."""
    given = approval_of(actor, number)
    yes = max((vote for vote in given.votes if vote.decision == "approve"), key=lambda vote: vote.at, default=None)
    return Approved(yes.voter, yes.voter_name, given.ref) if yes else None


def _executor(event: Delivered) -> Actor:
    return system_actor("executor", event.tenant)
