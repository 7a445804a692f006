"""What follows from violations for an agent's reputation."""

from governance.actions.reputation import apply_reputation, give_back
from governance.models.violations import ViolationVerdict
from governance.scoring import ReputationKind
from governance.violation_events import ViolationJudged, ViolationRecorded
from guildhall.kernel.actor import system_actor
from guildhall.kernel.consumers import Delivered, consumer


@consumer("governance.violations", kinds=[ViolationRecorded, ViolationJudged])
def weigh(event: Delivered) -> None:
    """A violation costs its agent the policy's points once; one that was none gives them back, once."""
    actor = system_actor("reputation", event.tenant)
    data = event.data
    if isinstance(data, ViolationRecorded) and data.agent.startswith("agent:"):
        source = data.subject
        apply_reputation(
            actor=actor, agent=data.agent, kind=ReputationKind.VIOLATION, source=source, reason=data.sentence()
        )
    if isinstance(data, ViolationJudged) and data.verdict == ViolationVerdict.FALSE_POSITIVE:
        give_back(
            actor=actor, agent=data.agent, kind=ReputationKind.VIOLATION, source=data.subject, reason=data.sentence()
        )
