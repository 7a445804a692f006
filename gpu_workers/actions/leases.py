"""The lease of a run or a lane: whoever holds its highest fence may write, everybody else's writes are refused."""

from gpu_workers.models import Lane, Run
from gpu_workers.models.run import RunState
from guildhall.kernel.errors import Conflict


class LeaseLost(Conflict):
    """Another worker took the run over, or it was ended; whatever this worker still holds must be let go."""


def fenced(run: Run, fence: int) -> None:
    """Raises `LeaseLost` unless `fence` is the locked run's."""
    if run.fence != fence or run.state != RunState.RUNNING:
        raise LeaseLost(f"run {run.number} is held by another worker or has ended")


def lane_fenced(repository: str, fence: int) -> None:
    """Raises `LeaseLost` unless `fence` is that of the repository's lane, which is locked: nobody takes it over meanwhile."""
    if not Lane.objects.select_for_update().filter(repository=repository, fence=fence).exists():
        raise LeaseLost(f"the errands of {repository} were taken over")
