"""What a reader wants to see of the stories, as the address of the board and the list says it."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any
from urllib.parse import urlencode

from django.db.models import Q, QuerySet

from guildhall.kernel.actor import Actor
from workflows.machines import STORY
from workflows.models import Story, Task, Watch
from workflows.policies import sees_all
from workflows.readiness import PRIORITIES
from workflows.selectors.lists import PENDING, pending_for, stories_visible_to, waiting_states
from workflows.selectors.search import BEST_FIRST, cleaned, searched

SHOWS = ("mine", "working", "client", "watched")
SORTS: dict[str, tuple[str, ...]] = {
    "-changed": ("-changed_at", "-id"),
    "changed": ("changed_at", "id"),
    "key": ("project_id", "number"),
    "-key": ("-project_id", "-number"),
    "title": ("title", "id"),
    "-title": ("-title", "-id"),
    "ready": ("dor_score", "id"),
    "-ready": ("-dor_score", "-id"),
    "rank": BEST_FIRST,
}
NOBODY, ME = "none", "me"
_FORMS = {
    "show": re.compile("|".join(SHOWS)),
    "project": re.compile("[A-Z][A-Z0-9]{1,9}"),
    "epic": re.compile("[1-9][0-9]{0,8}"),
    "sprint": re.compile("[1-9][0-9]{0,8}"),
    "label": re.compile("[1-9][0-9]{0,8}"),
    "assignee": re.compile(f"{NOBODY}|{ME}|person:[A-Za-z0-9_-]{{1,40}}"),
    "state": re.compile("|".join(STORY.states)),
    "priority": re.compile("|".join(PRIORITIES)),
    "sort": re.compile("|".join(SORTS)),
}


@dataclass(frozen=True, slots=True)
class StoryFilter:
    """One choice per field, "" for any. `text` is searched for; `assignee` is a reference, `me` or `none`."""

    show: str = ""
    project: str = ""
    epic: str = ""
    sprint: str = ""
    label: str = ""
    assignee: str = ""
    state: str = ""
    priority: str = ""
    text: str = ""
    sort: str = ""

    @classmethod
    def parse(cls, given: Mapping[str, Any]) -> "StoryFilter":
        """What an address says; whatever has no meaning here is left out, so that old links still open."""
        known = {name: str(given.get(name, "")) for name in _FORMS}
        fields = {name: value for name, value in known.items() if _FORMS[name].fullmatch(value)}
        return cls(**fields, text=cleaned(str(given.get("text", ""))))

    def query(self, **changes: str) -> str:
        """The query string of this filter with `changes`; names that are no field of it are kept as they are."""
        fields = asdict(self)
        own = {name: value for name, value in changes.items() if name in fields}
        merged = {**asdict(replace(self, **own)), **{n: v for n, v in changes.items() if n not in fields}}
        return urlencode({name: value for name, value in merged.items() if value})

    @property
    def narrows(self) -> bool:
        """Whether it leaves anything out."""
        return any(value for name, value in asdict(self).items() if name != "sort")

    @property
    def order(self) -> tuple[str, ...]:
        """Columns to sort by: what was asked for, or what fits best, or what moved last."""
        return SORTS[self.sort or ("rank" if self.text else "-changed")]


def matching(actor: Actor, wanted: StoryFilter) -> QuerySet[Story]:
    """The stories that the actor may see and this filter keeps, annotated with `rank`, in no order."""
    stories = stories_visible_to(actor)
    if not sees_all(actor):
        # What a client does not read of a story it cannot find out by filters either.
        wanted = replace(wanted, epic="", sprint="", label="", assignee="")
    exact = {
        "project__key": wanted.project,
        "epic": wanted.epic,
        "sprint": wanted.sprint,
        "labels": wanted.label,
        "state": wanted.state,
        "priority": wanted.priority,
    }
    stories = stories.filter(**{name: value for name, value in exact.items() if value})
    if wanted.assignee:
        people = {NOBODY: "", ME: actor.ref}
        stories = stories.filter(assignee=people.get(wanted.assignee, wanted.assignee))
    if wanted.show:
        stories = stories.filter(shown_as(actor, wanted.show))
    return searched(stories.order_by(), actor, wanted.text)


def shown_as(actor: Actor, show: str) -> Q:
    """The condition of one of SHOWS."""
    if show == "watched":
        return Q(pk__in=Watch.objects.filter(person=actor.ref, wanted=True).values("story_id"))
    if show == "client":
        return Q(client_visible=True)
    if not sees_all(actor):
        return Q(pk__in=[])
    if show == "working":
        held = Task.objects.filter(lease_until__isnull=False, holder__startswith="agent:")
        return Q(pk__in=held.values("story_id"))
    return _waiting_for(actor)


def _waiting_for(actor: Actor) -> Q:
    """Stories that the actor's roles have to move on, or whose tasks they can take up."""
    due = Q(state__in=waiting_states(actor))
    for role in sorted(actor.roles & (set(PENDING) - {"product_owner"})):
        due |= Q(pk__in=pending_for(actor, role).order_by().values("story_id"))
    return due
