"""Secrets that were opened: every time is in the trail, with who opened which one and what for, never the value."""

from gpu_workers.secret_events import SecretRead
from guildhall.kernel.actions import governed, record
from guildhall.kernel.actor import Actor


@governed("secret.read", lock=None)
def note_secret_read(*, actor: Actor, subject: str, what: str, purpose: str) -> None:
    """Write down that a secret of `subject` (such as `repository:till`) was opened: `what` it is, and what for, in words."""
    record(SecretRead(subject=subject, what=what, purpose=purpose), actor=actor)
