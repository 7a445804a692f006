"""An event, an action and a job that leave marks, for tests in this process and in a worker."""

from typing import ClassVar

from django.core.cache import cache

from guildhall.kernel.actions import governed, record
from guildhall.kernel.actor import Actor, system_actor
from guildhall.kernel.events import Event
from guildhall.kernel.jobs import job
from guildhall.kernel.tenancy import current_scope_name


class Marked(Event):
    kind: ClassVar[str] = "test.kernel.marked"
    text: str


@governed("test.mark", lock=None)
def mark(*, actor: Actor, text: str) -> None:
    record(Marked(subject="mark:1", text=text), actor=actor)


@job("default")
def mark_later(*, text: str) -> None:
    """Leave a mark in the tenant's evidence and in its cache."""
    tenant = current_scope_name() or ""
    mark(actor=system_actor("marker", tenant), text=text)
    cache.set("marked", text)
