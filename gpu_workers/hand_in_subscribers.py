"""What follows when a person hands in."""

from gpu_workers.hand_in_events import ChangeHandedIn
from gpu_workers.tasks import execute_hand_in
from guildhall.kernel.consumers import Delivered, consumer


@consumer("agents.hand_ins", kinds=[ChangeHandedIn])
def take_in(event: Delivered) -> None:
    """Something was handed in: tell the workers, who make a commit of it and ask CI."""
    handed = event.data
    assert isinstance(handed, ChangeHandedIn)
    execute_hand_in.send(event.tenant, number=handed.hand_in)
