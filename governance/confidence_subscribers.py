"""People's decisions say whether confidence was right."""

import json
from typing import Any

from governance.actions.confidence import judge_assessment
from governance.events import ApprovalDecided
from governance.models.approvals import CALLS
from governance.models.confidence import KEY_LENGTH
from guildhall.kernel.actor import Actor, system_actor
from guildhall.kernel.consumers import Delivered, consumer


@consumer("governance.calibration", kinds=[ApprovalDecided])
def learn(event: Delivered) -> None:
    """What people decided about a commit or a call is the answer to how sure its agent was of it; once."""
    decided = event.data
    assert isinstance(decided, ApprovalDecided)
    actor = system_actor("calibration", event.tenant)
    agreed = decided.decision == "approved"
    if decided.approval_kind in CALLS or "arguments_hash" in decided.binding:
        _learn_of_call(actor, decided, agreed)
    elif key := str(decided.binding.get("commit_sha", "") or decided.binding.get("head_sha", "")):
        judge_assessment(actor=actor, subject=decided.about, key=key, agreed=agreed)


def _learn_of_call(actor: Actor, decided: ApprovalDecided, agreed: bool) -> None:
    """A call is its run's step. A commit that may not even be proposed never comes to the merge that would judge it."""
    if step := str(decided.binding.get("step", "")):
        judge_assessment(actor=actor, subject=decided.about, key=step[:KEY_LENGTH], agreed=agreed)
    head = _head(decided.binding.get("call"))
    if head and not agreed:
        judge_assessment(actor=actor, run=decided.about, key=head, agreed=False)


def _head(call: Any) -> str:
    """The commit that a call, in its canonical spelling, is about; "" for any other call."""
    try:
        said = json.loads(call) if isinstance(call, str) else {}
    except ValueError:
        return ""
    arguments = said.get("arguments") if isinstance(said, dict) else None
    return str(arguments.get("head_sha", "")) if isinstance(arguments, dict) else ""
