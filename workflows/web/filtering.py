"""The filters of the board and the list as links and choices; the address alone says what is chosen."""

from collections.abc import Mapping
from dataclasses import dataclass

from django.db.models import Q

from guildhall.kernel.actor import Actor
from guildhall.portal.registry import once_a_page
from workflows.machines import STORY
from workflows.models import Epic, Label, SavedFilter, Sprint
from workflows.policies import sees_all
from workflows.readiness import PRIORITIES
from workflows.selectors import tree
from workflows.selectors.beside import filters_visible_to
from workflows.selectors.filters import ME, NOBODY, StoryFilter
from workflows.selectors.people import assignable

MOST_CHOICES = 100
SHOWN_AS = {
    "": ("All", ""),
    "mine": ("Waiting for me", ""),
    "working": ("Agents working", "robot"),
    "client": ("Client-visible", "eye"),
    "watched": ("Watched", "bell"),
}
HEADS = (("key", "Key"), ("title", "Story"), ("ready", "Ready"), ("changed", "Moved"))


@dataclass(frozen=True, slots=True)
class Chip:
    """A filter: a link that keeps the rest of the address."""

    label: str
    icon: str
    number: int
    url: str
    current: bool


@dataclass(frozen=True, slots=True)
class Choice:
    """One menu of a filter: its values with their names; `chosen` is the value that is in force, `said` its name."""

    field: str
    label: str
    options: list[tuple[str, str]]
    chosen: str

    @property
    def said(self) -> str:
        return dict(self.options).get(self.chosen, self.chosen)


def _address(query: str) -> str:
    return f"?{query}" if query else "?"


def chips(actor: Actor, wanted: StoryFilter, as_list: bool, numbers: Mapping[str, int]) -> list[Chip]:
    """The quick filters with how many each keeps; those of the team are not shown to clients."""
    view = "list" if as_list else ""
    known = SHOWN_AS if sees_all(actor) else {show: SHOWN_AS[show] for show in ("", "watched")}
    return [
        Chip(label, icon, numbers[show], _address(wanted.query(show=show, view=view)), show == wanted.show)
        for show, (label, icon) in known.items()
    ]


def choices(actor: Actor, wanted: StoryFilter, as_list: bool) -> list[Choice]:
    """The menus of the filter form; one that has nothing to choose from is left out."""
    projects = list(tree.projects_visible_to(actor).order_by("key").values_list("key", "name")[:MOST_CHOICES])
    found = [Choice("project", "Project", projects if len(projects) > 1 else [], wanted.project)]
    if sees_all(actor):
        found += [
            Choice("epic", "Epic", _epics(wanted), wanted.epic),
            Choice("sprint", "Sprint", _sprints(wanted, len(projects) > 1), wanted.sprint),
            Choice("label", "Label", labels(actor)[:MOST_CHOICES], wanted.label),
            Choice("assignee", "Responsible", _people(actor), wanted.assignee),
            Choice("priority", "Priority", [(name, name.capitalize()) for name in PRIORITIES], wanted.priority),
        ]
    if as_list:
        found.append(Choice("state", "State", list(STORY.states.items()), wanted.state))
    return [choice for choice in found if choice.options]


@once_a_page
def people(actor: Actor) -> list[tuple[str, str]]:
    """Who can be made responsible, for the filter and for what is done to many at once."""
    return assignable(actor)


@once_a_page
def labels(actor: Actor) -> list[tuple[str, str]]:
    """All labels by their keys, for the filter and for what is done to many at once."""
    return [(str(pk), name) for pk, name in Label.objects.values_list("pk", "name")]


def _people(actor: Actor) -> list[tuple[str, str]]:
    return [(ME, "Me"), (NOBODY, "Nobody"), *people(actor)[:MOST_CHOICES]]


def _epics(wanted: StoryFilter) -> list[tuple[str, str]]:
    rows = Epic.objects.filter(_of(wanted)).order_by("title").values_list("pk", "title")
    return [(str(pk), title) for pk, title in rows[:MOST_CHOICES]]


def _sprints(wanted: StoryFilter, several_projects: bool) -> list[tuple[str, str]]:
    rows = Sprint.objects.filter(_of(wanted)).order_by("-id").values_list("pk", "project__key", "name")
    several = several_projects and not wanted.project
    return [(str(pk), f"{key}: {name}" if several else name) for pk, key, name in rows[:MOST_CHOICES]]


def _of(wanted: StoryFilter) -> Q:
    return Q(project__key=wanted.project) if wanted.project else Q()


@dataclass(frozen=True, slots=True)
class Kept:
    """A saved filter as a link; `mine` ones can be deleted here."""

    saved: SavedFilter
    url: str
    current: bool
    mine: bool


def saved_for(actor: Actor, wanted: StoryFilter, as_list: bool) -> list[Kept]:
    """The filters that the reader may use, as links of this view."""
    view = "&view=list" if as_list else ""
    return [
        Kept(row, f"?{row.query}{view}", row.query == wanted.query(), row.owner == actor.ref)
        for row in filters_visible_to(actor)[:MOST_CHOICES]
    ]


@dataclass(frozen=True, slots=True)
class SortLink:
    """A column's head: where it leads, and whether the list is sorted by it now, which way."""

    label: str
    url: str
    sorted: str


def sort_links(wanted: StoryFilter) -> dict[str, SortLink]:
    """Heads that sort; the same head again turns the order round."""
    now = wanted.sort or ("rank" if wanted.text else "-changed")
    links = {}
    for name, label in HEADS:
        first = f"-{name}" if name in ("ready", "changed") else name
        other = name if first.startswith("-") else f"-{name}"
        after = other if now == first else first
        way = {name: "ascending", f"-{name}": "descending"}.get(now, "")
        links[name] = SortLink(label, f"?{wanted.query(sort=after, view='list')}", way)
    return links
