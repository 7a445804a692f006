"""What governance keeps about some things, as the trail names it."""

from django.db.models import Q

from governance.models import Approval, Violation
from guildhall.evidence.selectors import about_rows


def entries_about(things: Q) -> Q:
    """Entries of the trail about approvals and violations of what `things` keeps, a condition on `subject`."""
    approvals, violations = Approval.objects.filter(things), Violation.objects.filter(things)
    return about_rows("approval", approvals) | about_rows("violation", violations)
