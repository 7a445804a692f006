"""What agents' room does once people have decided: merge exactly what was approved, and keep the receipt of it."""

import logging
from textwrap import shorten
from typing import Any

from governance.actions.approvals import request_approval
from governance.actions.outcomes import void_approvals
from governance.actions.outcomes_held import hold_back
from governance.approval_events import ApprovalRetried
from governance.autonomy import Risk
from governance.events import ApprovalDecided, ApprovalExpired, ApprovalVoided, PolicyActivated
from governance.policies.answers import QUESTION
from governance.selectors import active_policy, latest_approval
from governance.selectors.approvals import latest_bound
from gpu_workers.actions.retries import wake_run
from gpu_workers.ceilings import cost_ceiling
from gpu_workers.errands import order
from gpu_workers.events import ChangeMerged, RunEnded
from gpu_workers.models import Run
from gpu_workers.models.errand import ErrandKind
from gpu_workers.models.run import RunState
from gpu_workers.receipts import hand_in
from gpu_workers.runs.asking import KIND, arguments_text
from gpu_workers.runs.guarded import KINDS, SECRET_KIND, SECRETS
from gpu_workers.selectors import change_of_task
from gpu_workers.tasks import serve_lane
from gpu_workers.tools.commands import reaches_out
from gpu_workers.tools.registry import question_risk
from guildhall.kernel.actor import Actor, system_actor
from guildhall.kernel.consumers import Delivered, consumer
from guildhall.kernel.errors import Conflict
from workflows.models import Task

logger = logging.getLogger(__name__)


@consumer("agents.merges", kinds=[ApprovalDecided, ApprovalRetried])
def merge(event: Delivered) -> None:
    """An approved merge is to be carried out, in its repository's turn."""
    told = event.data
    assert isinstance(told, ApprovalDecided | ApprovalRetried)
    given = isinstance(told, ApprovalRetried) or told.decision == "approved"
    if told.approval_kind != "merge" or not given:
        return
    task = told.about.partition(":")[2]
    change = change_of_task(task)
    if change is None:
        reason = f"There is no change of {task} to merge."
        hold_back(actor=_executor(event), approval=told.number, reason=reason)
        return
    order(ErrandKind.MERGE, told.number, change.repository, event)
    serve_lane.send(event.tenant, repository=change.repository)


@consumer("agents.questions", kinds=[RunEnded])
def put_question(event: Delivered) -> None:
    """A run ended its turn with a question: people are asked."""
    run = Run.objects.select_related("agent").filter(number=int(event.data.subject.partition(":")[2])).first()
    asked = run.outcome.get("question", {}) if run else {}
    if run is None or run.state != RunState.WAITING or "step" not in asked:
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
        title=shorten(f"{run.agent.title}{said}", 200, placeholder="…"),
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
        return f"apply a plan to {place}"
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
    hand_in(_executor(event), number, approval=merged.approval, task=merged.task, sha=merged.merged_sha)


def _executor(event: Delivered) -> Actor:
    return system_actor("executor", event.tenant)
