"""What a run asked in words is answered while there is somebody to hear it."""

from governance.policies.answers import QUESTION
from gpu_workers.actions.runs import hold_on
from gpu_workers.models import Run
from gpu_workers.models.run import ENDED
from guildhall.kernel.actions import ActionContext
from guildhall.kernel.errors import Denied


def check_answer(context: ActionContext) -> None:
    """Registered with the kernel. Nobody answers a run that has ended or is stopped by a kill switch, and they are told why."""
    asked = context.target
    if context.name != "approval.decide" or asked.state != "pending" or not asked.binding.get(QUESTION):
        return
    run = Run.objects.filter(number=asked.binding.get("run")).first()
    if run is None or run.state in ENDED:
        why = f"{run.get_state_display().lower()}: {run.reason}" if run else "gone."
        raise Denied(f"The run that asked is {why}"[:500])
    if hold := hold_on(run):
        raise Denied(f"{hold.sentence} What agents ask is answered once that is lifted."[:500])
