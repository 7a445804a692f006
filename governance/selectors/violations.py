"""Violations as members see them; clients see none."""

from django.db.models import Q, QuerySet

from governance.models import Violation
from governance.selectors.lists import refuse_outsider
from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import NotFound

JUDGES = ("admin", "architect", "product_owner", "devops")


def violations_visible_to(actor: Actor) -> QuerySet[Violation]:
    """All of them, newest first. Raises `Denied` for clients."""
    refuse_outsider(actor)
    return Violation.objects.all()


def find_violation(actor: Actor, number: int) -> Violation:
    """One of them. Raises `NotFound`, and `Denied` for clients."""
    row = violations_visible_to(actor).filter(pk=number).first()
    if row is None:
        raise NotFound(f"There is no violation #{number}.")
    return row


def may_judge(actor: Actor) -> bool:
    """Whether the actor says what a violation was."""
    return actor.is_person and actor.has_role(*JUDGES)


def open_violations() -> int:
    """How many nobody has looked at."""
    return Violation.objects.filter(verdict="open").count()


def why_stop(subject: str, stop_after: int) -> str:
    """Why the run `subject` has to end: it broke a rule that ends runs, or too many; "" when it may go on.

    Those that people called false positives do not count. `stop_after` 0 is never.
    """
    rows = Violation.objects.filter(~Q(verdict="false_positive"), subject=subject)
    found = list(rows.order_by("id").values_list("what", "stops"))
    deadly = next((what for what, stops in found if stops), "")
    if deadly:
        return f"It broke a rule that ends a run: {deadly}"
    if stop_after and len(found) >= stop_after:
        return f"It broke {len(found)} rules, and the policy ends a run at {stop_after}. The last: {found[-1][0]}"
    return ""
