"""Choosing what a story hangs on in its form: an epic, a strategy, or neither."""

from typing import Any

from django.db.models import Q

from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import Invalid
from workflows.actions import Place
from workflows.models import Story
from workflows.selectors import tree

Options = list[tuple[str, str]]


def options(actor: Actor, story: Story | None) -> dict[str, Options]:
    """Open epics and strategies to choose from, and those that the story hangs on already; with their project's key
    where the story has none yet."""
    epics = tree.epics_visible_to(actor).filter(Q(state="open") | Q(pk=story.epic_id if story else None))
    strategies = tree.strategies_visible_to(actor).filter(
        ~Q(state="ended") | Q(pk=story.strategy_id if story else None)
    )
    if story is not None:
        epics, strategies = epics.filter(project=story.project_id), strategies.filter(project=story.project_id)
    ordered: dict[str, Any] = {"epics": epics.order_by("project__key", "rank", "id"), "strategies": strategies}
    return {
        name: [(str(row.pk), str(row) if story else f"{row} ({row.project.key})") for row in rows]
        for name, rows in ordered.items()
    }


def chosen(actor: Actor, sent: dict[str, str]) -> Place:
    """What the form says. Raises `Invalid` for what is not to choose from."""
    epic = _pk(sent, "epic")
    strategy = _pk(sent, "strategy")
    place = Place(epic=None, strategy=None)
    if epic is not None:
        place["epic"] = tree.epics_visible_to(actor).filter(pk=epic).first()
    if strategy is not None:
        place["strategy"] = tree.strategies_visible_to(actor).filter(pk=strategy).first()
    unknown = [name for name, pk in (("epic", epic), ("strategy", strategy)) if pk is not None and not place[name]]  # type: ignore[literal-required]
    if unknown:
        raise Invalid("The story cannot be put there.", fields={name: ["Choose one of the list."] for name in unknown})
    return place


def _pk(sent: dict[str, str], name: str) -> int | None:
    """The chosen row; 0, which is nobody's, for what is no number."""
    text = sent[name].strip()
    if not text:
        return None
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else 0
