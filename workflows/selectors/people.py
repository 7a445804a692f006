"""Who can be mentioned and made responsible: members by a handle made of their name, agents by their own."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from django.db.models import QuerySet
from django.utils.text import slugify

from guildhall.kernel.actor import Actor, ActorKind, system_actor
from guildhall.portal.markdown import handles_in
from tenants.models import Comember
from tenants.selectors import members_visible_to
from workflows.models import Story
from workflows.policies import may_see, sees_all

MOST_MENTIONS = 30


@dataclass(frozen=True, slots=True)
class Mentionable:
    """Somebody who can be written to as `@handle`."""

    ref: str
    handle: str
    name: str
    kind: str


AgentNames = Callable[[Actor], Iterable[tuple[str, str]]]
_agents: list[AgentNames] = []


def register_agent_names(names: AgentNames) -> None:
    """Name the one who knows the agents: pairs of name and title. A room above this one has them."""
    _agents[:] = [names]


def mentionable(actor: Actor) -> list[Mentionable]:
    """Everybody that `actor` may name; a client only people of its own and those who answer to it, the product owners.

    A handle stands for the same one whoever writes or reads it.
    """
    agents = [
        Mentionable(f"agent:{name}", name, title, "agent")
        for names in _agents
        for name, title in names(system_actor("workflows", actor.tenant))
    ]
    people = _members(Comember.objects.order_by("pk"), {agent.handle for agent in agents})
    visible = members_visible_to(actor)
    if sees_all(actor):
        return sorted([*agents, *_among(people, visible)], key=lambda who: who.handle)
    owners = Comember.objects.filter(roles__contains=["product_owner"])
    return sorted(_among(people, visible, owners), key=lambda who: who.handle)


def _among(people: Iterable[Mentionable], *visible: QuerySet[Comember]) -> list[Mentionable]:
    refs = {f"person:{row}" for rows in visible for row in rows.values_list("public_id", flat=True)}
    return [who for who in people if who.ref in refs]


def _members(rows: Iterable[Comember], taken: set[str]) -> list[Mentionable]:
    """Handles are names in small letters; a second one of the same name, and one that an agent has, has a number."""
    found: dict[str, Mentionable] = {}
    for row in rows:
        base = slugify(row.name)[:50] or f"person-{row.public_id}".lower()
        handle, number = base, 1
        while handle in found or handle in taken:
            number += 1
            handle = f"{base}-{number}"
        found[handle] = Mentionable(f"person:{row.public_id}", handle, row.name, "person")
    return list(found.values())


def suggestions(actor: Actor, text: str, limit: int = 8) -> list[Mentionable]:
    """Whom `@text` may be the beginning of: by handle or any word of the name."""
    begun = text.strip().lstrip("@").lower()
    found = [
        who
        for who in mentionable(actor)
        if who.handle.startswith(begun) or any(word.lower().startswith(begun) for word in who.name.split())
    ]
    return found[:limit]


def mentioned_in(actor: Actor, text: str) -> list[Mentionable]:
    """Whom the handles in `text` stand for, in order; words after an @ that are nobody's handle are only words."""
    known = {who.handle: who for who in mentionable(actor)}
    wanted = dict.fromkeys(handle.lower() for handle in handles_in(text))
    return [known[handle] for handle in wanted if handle in known][:MOST_MENTIONS]


def members_who_see(story: Story, refs: Iterable[str], *, client_visible: bool = True) -> set[str]:
    """Those of `refs` that are members now and may know of the story; clients only of what is shown to them."""
    ids = [ref.removeprefix("person:") for ref in refs if ref.startswith("person:")]
    found = set()
    for row in Comember.objects.filter(public_id__in=ids):
        actor = member_as_actor(row)
        if may_see(actor, story) and (client_visible or sees_all(actor)):
            found.add(actor.ref)
    return found


def team_of(refs: Iterable[str]) -> set[str]:
    """Those of `refs` that are members now and more than a client."""
    ids = [ref.removeprefix("person:") for ref in refs if ref.startswith("person:")]
    known = (member_as_actor(row) for row in Comember.objects.filter(public_id__in=ids))
    return {actor.ref for actor in known if sees_all(actor)}


def member_as_actor(row: Comember) -> Actor:
    """A member as policies see one; never for acting."""
    return Actor(
        kind=ActorKind.PERSON,
        id=row.public_id,
        name=row.name,
        tenant="",
        roles=frozenset(row.roles),
        client=row.client or None,
        via="policy",
    )


def assignable(actor: Actor) -> list[tuple[str, str]]:
    """Members who can be responsible for a story, as (reference, name) by name: everybody who is more than a client."""
    rows = members_visible_to(actor).exclude(roles=["client"]) if sees_all(actor) else ()
    return [(f"person:{row.public_id}", row.name) for row in rows]
