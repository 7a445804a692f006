"""Filters that people keep."""

from django.http import QueryDict

from guildhall.kernel.actions import governed, record
from guildhall.kernel.actor import Actor
from guildhall.kernel.clashes import taken_raises
from guildhall.kernel.errors import Denied, Invalid
from workflows.actions.common import shown
from workflows.comfort_events import FilterDeleted, FilterSaved
from workflows.models import SavedFilter
from workflows.policies import sees_all
from workflows.selectors.filters import StoryFilter

MOST = 50
"""Filters of one person."""


@governed("filter.save", lock=None)
def save_filter(*, actor: Actor, name: str, query: str, shared: bool = False) -> SavedFilter:
    """Keep a filter under a name; only what `StoryFilter` understands of the query string is kept.

    Raises `Invalid` for a name that is empty or taken, for a filter that keeps everything, and for one too many;
    `Denied` when a client wants to share.
    """
    name = " ".join(name.replace("\0", "").split())
    wanted = StoryFilter.parse(QueryDict(query[:2000]).dict())
    fields: dict[str, list[str]] = {}
    if not 1 <= len(name) <= 60:
        fields["name"] = ["A name has 1 to 60 characters."]
    if not wanted.query():
        fields["query"] = ["Choose a filter first; this one keeps everything."]
    if SavedFilter.objects.filter(owner=actor.ref).count() >= MOST:
        fields["name"] = [f"You keep {MOST} filters already; delete one."]
    if fields:
        raise Invalid("The filter cannot be kept like this.", fields=fields)
    if shared and not sees_all(actor):
        raise Denied("Filters are shared by members of the team.")
    known = f"You keep a filter “{name}” already."
    with taken_raises(Invalid(known, fields={"name": [known]})):
        row = SavedFilter.objects.create(
            owner=actor.ref, owner_name=shown(actor), name=name, query=wanted.query(), shared=shared
        )
    record(FilterSaved(subject=row.ref, name=name, query=row.query, shared=shared), actor=actor)
    return row


@governed("filter.delete", lock="saved")
def delete_filter(*, actor: Actor, saved: SavedFilter) -> None:
    """Delete one's own filter, or as an admin a shared one. Raises `Denied`."""
    if saved.owner != actor.ref and not (saved.shared and actor.has_role("admin")):
        raise Denied(f"Only {saved.owner_name} deletes this filter.")
    ref, name = saved.ref, saved.name
    saved.delete()
    record(FilterDeleted(subject=ref, name=name), actor=actor)
