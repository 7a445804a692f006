"""Which approvals a client's open pages hear of."""

from governance.selectors.approvals import visible_approvals
from guildhall.kernel.actor import Actor
from guildhall.realtime.socket import register_subject_filter


def approvals_known_to(actor: Actor, subjects: list[str]) -> set[str]:
    """Those of the subjects `approval:…` that `actor` may see now."""
    numbers = [int(number) for subject in subjects if (number := subject.partition(":")[2]).isdecimal()]
    return {
        f"approval:{number}" for number in visible_approvals(actor).filter(pk__in=numbers).values_list("pk", flat=True)
    }


def register() -> None:
    """Called once the apps are ready."""
    register_subject_filter("approval", approvals_known_to)
