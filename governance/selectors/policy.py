from dataclasses import dataclass

from governance.models import Policy
from governance.policies.document import PolicyDocument
from guildhall.kernel.errors import Denied


@dataclass(frozen=True, slots=True)
class ActivePolicy:
    """The policy in force: its number, its text as written, and what it says."""

    version: int
    text: str
    document: PolicyDocument


def active_policy() -> ActivePolicy:
    """The tenant's policy. Raises `Denied` when none is loaded."""
    row = Policy.objects.filter(active=True).first()
    if row is None:
        raise Denied("No policy is loaded, so nothing is allowed.")
    return ActivePolicy(row.version, row.text, PolicyDocument.model_validate(row.document))
