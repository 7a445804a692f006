"""What follows for pull requests when somebody who had one opened comes to an end before the answer is written down."""

from gpu_workers.errands import order
from gpu_workers.events import RunEnded
from gpu_workers.forges.choosing import connection_of
from gpu_workers.hand_in_events import HandInSettled, HandInWithdrawn
from gpu_workers.models.errand import ErrandKind
from gpu_workers.models.hand_in import HandInState
from gpu_workers.models.run import GIVEN_UP
from gpu_workers.pull_trail import asked_to_open
from gpu_workers.selectors import change_of_task
from gpu_workers.tasks import serve_lane
from guildhall.kernel.consumers import Delivered, consumer


@consumer("agents.sought_pull_requests", kinds=[RunEnded, HandInSettled, HandInWithdrawn])
def look_for(event: Delivered) -> None:
    """A run gave up, or a hand-in came to nothing: what GitHub was asked to open for it may be open, and is looked for."""
    change = change_of_task(_given_up(event))
    if change is None or asked_to_open(change) is None or connection_of(change.repository) is None:
        return
    order(ErrandKind.CLOSE, change.number, change.repository, event)
    serve_lane.send(event.tenant, repository=change.repository)


def _given_up(event: Delivered) -> str:
    """The reference of the task that somebody gave up on, "" where nobody did."""
    data = event.data
    if isinstance(data, RunEnded):
        return data.about.partition(":")[2] if data.state in GIVEN_UP else ""
    if isinstance(data, HandInSettled) and data.state == HandInState.GREEN:
        return ""
    assert isinstance(data, HandInSettled | HandInWithdrawn)
    return data.task
