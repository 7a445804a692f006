"""People's decisions say whether confidence was right."""

from governance.actions.confidence import judge_assessment
from governance.events import ApprovalDecided
from guildhall.kernel.actor import system_actor
from guildhall.kernel.consumers import Delivered, consumer


@consumer("governance.calibration", kinds=[ApprovalDecided])
def learn(event: Delivered) -> None:
    """What people decided about a commit is the answer to how sure its author was of it; once."""
    decided = event.data
    assert isinstance(decided, ApprovalDecided)
    key = str(decided.binding.get("commit_sha", "") or decided.binding.get("head_sha", ""))
    if key:
        actor = system_actor("calibration", event.tenant)
        judge_assessment(actor=actor, subject=decided.about, key=key, agreed=decided.decision == "approved")
