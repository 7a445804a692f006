"""What the rooms bring to the portal's shell: menu entries, panels, names, search and addresses.

The shell knows no domain. Each room registers its parts in `AppConfig.ready()`; everything registered here is called in
the tenant's scope and starts from what the actor may see.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

from guildhall.kernel.actor import Actor

HUES = 6
P = ParamSpec("P")
T = TypeVar("T")
_of_this_page: ContextVar[dict[Any, Any] | None] = ContextVar("of_this_page", default=None)


@contextmanager
def one_page() -> Iterator[None]:
    """While a page is made, what is marked `once_a_page` is looked up once."""
    token = _of_this_page.set({})
    try:
        yield
    finally:
        _of_this_page.reset(token)


def once_a_page(look_up: Callable[Concatenate[Actor, P], T]) -> Callable[Concatenate[Actor, P], T]:
    """For what several parts of a page show, such as the menu's badge and a panel of the dashboard.

    Only for what is read to be shown: it is not looked up again after an action in the same request.
    """

    @wraps(look_up)
    def inner(actor: Actor, *args: P.args, **kwargs: P.kwargs) -> T:
        known = _of_this_page.get()
        if known is None:
            return look_up(actor, *args, **kwargs)
        place = (look_up, actor.tenant, actor.ref, args, tuple(sorted(kwargs.items())))
        if place not in known:
            known[place] = look_up(actor, *args, **kwargs)
        return cast("T", known[place])

    return cast("Callable[Concatenate[Actor, P], T]", inner)


@dataclass(frozen=True, slots=True)
class Party:
    """A person, agent or part of the platform as pages show it. Agents have an icon, people their initials."""

    ref: str
    name: str
    icon: str = ""
    note: str = ""

    @property
    def initials(self) -> str:
        words = self.name.replace("@", " ").split()
        return "".join(word[0] for word in (words[:1] + words[1:][-1:])).upper() or "?"

    @property
    def hue(self) -> int:
        """1 to 6, the same for the same reference."""
        return sum(self.ref.encode()) % HUES + 1


@dataclass(frozen=True, slots=True)
class Badge:
    """A number beside a menu entry. `waits` says that a person is needed; `words` is what it counts."""

    number: int
    words: str
    waits: bool = False


def everybody(actor: Actor) -> bool:
    """A menu entry for every member."""
    return True


@dataclass(frozen=True, slots=True)
class NavItem:
    """One menu entry. `key` is its letter after G; `tab` puts it into the bar at the bottom of small screens too."""

    label: str
    icon: str
    url: str
    order: int
    group: str = ""
    key: str = ""
    tab: bool = False
    shown_to: Callable[[Actor], bool] = everybody
    badge: Callable[[Actor], Badge | None] | None = None
    live: str = ""


@dataclass(frozen=True, slots=True)
class Panel:
    """A part of a page that another room fills.

    `fill(actor, about)` gives the template's `panel`, None to leave it out; a key `summary` holds one sentence for the
    head of the page. `live` are patterns of subjects that change it, `{}` standing for what the page is about; `every` is the
    shortest time between two refreshments, in milliseconds.
    """

    id: str
    place: str
    template: str
    order: int
    fill: Callable[[Actor, Any], dict[str, Any] | None]
    live: str = ""
    every: int = 0


@dataclass(frozen=True, slots=True)
class FilledPanel:
    """A panel with what it shows now."""

    id: str
    template: str
    live: str
    every: int
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Hit:
    """One line of the palette."""

    title: str
    url: str
    icon: str
    kind: str


Names = Callable[[list[str]], Mapping[str, Party]]
Search = Callable[[Actor, str], list[Hit]]


@dataclass(slots=True)
class _Registered:
    nav: list[NavItem] = field(default_factory=list)
    panels: list[Panel] = field(default_factory=list)
    names: dict[str, Names] = field(default_factory=dict)
    searches: list[Search] = field(default_factory=list)
    addresses: dict[str, Callable[[str], str]] = field(default_factory=dict)


_registered = _Registered()


def register_nav(item: NavItem) -> None:
    """Add a menu entry; one per address."""
    if all(known.url != item.url for known in _registered.nav):
        _registered.nav.append(item)
        _registered.nav.sort(key=lambda known: known.order)


def register_panel(panel: Panel) -> None:
    """Add a panel to the place that a page has for others, such as `dashboard.main`."""
    if all(known.id != panel.id for known in _registered.panels):
        _registered.panels.append(panel)
        _registered.panels.sort(key=lambda known: known.order)


def register_names(kind: str, names: Names) -> None:
    """Say who the references `kind:…` are: `names(ids)` gives parties by id, leaving out the unknown."""
    _registered.names[kind] = names


def register_search(search: Search) -> None:
    """Add what the palette finds: `search(actor, text)`; an empty text asks for what is recent."""
    if search not in _registered.searches:
        _registered.searches.append(search)


def register_address(kind: str, address: Callable[[str], str]) -> None:
    """Say where subjects `kind:…` are shown: `address(id)` is a path."""
    _registered.addresses[kind] = address


def nav_for(actor: Actor) -> list[NavItem]:
    """The menu of `actor`, in order."""
    return [item for item in _registered.nav if item.shown_to(actor)]


def panels_for(place: str, actor: Actor, about: Any = None) -> list[FilledPanel]:
    """The panels that fill `place` for `actor` now, in order."""
    filled = []
    for panel in _registered.panels:
        if panel.place == place:
            data = panel.fill(actor, about)
            if data is not None:
                filled.append(FilledPanel(panel.id, panel.template, panel.live.format(about), panel.every, data))
    return filled


def parties(refs: Iterable[str]) -> dict[str, Party]:
    """Who these references are, one look-up per kind. Unknown ones are shown by their id."""
    wanted: dict[str, list[str]] = {}
    for ref in dict.fromkeys(refs):
        kind, _, identity = ref.partition(":")
        wanted.setdefault(kind, []).append(identity)
    found: dict[str, Party] = {}
    for kind, ids in wanted.items():
        known = _registered.names[kind](ids) if kind in _registered.names else {}
        for identity in ids:
            ref = f"{kind}:{identity}"
            found[ref] = known.get(identity) or _unknown(ref, kind, identity)
    return found


def _unknown(ref: str, kind: str, identity: str) -> Party:
    if kind == "system":
        return Party(ref, "Guildhall", "building-arch", identity)
    return Party(ref, identity.replace("-", " ").title() or "Nobody")


def address_of(subject: str) -> str:
    """The path at which `subject` (such as `story:SHOP-142`) is shown, "" when nowhere."""
    kind, _, identity = subject.partition(":")
    address = _registered.addresses.get(kind)
    return address(identity) if address else ""


def search(actor: Actor, text: str) -> list[Hit]:
    """Everything that the palette offers for `text`."""
    return [hit for find in _registered.searches for hit in find(actor, text)]
