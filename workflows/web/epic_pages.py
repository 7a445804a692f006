"""The page of an epic: its stories in their order, how far they have come, its place among its neighbours."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.http import HttpResponse
from django.shortcuts import render

from guildhall.evidence.selectors import trail
from guildhall.kernel.errors import Conflict, GuildhallError, Invalid
from guildhall.portal.activity import entries
from guildhall.portal.views import PageRequest, form_page
from workflows.actions import close_epic, order_epics, order_stories, reopen_epic
from workflows.models import Epic
from workflows.policies import GRANTS, may_write
from workflows.selectors import tree
from workflows.selectors.plan_offers import may, plan_offers
from workflows.web.plan_form import whole
from workflows.web.shown import Card, cards, story_state
from workflows.web.strategy_pages import SHOWN_ENTRIES, TONES, done_or_shown

STEPS = {"up": -1, "down": 1}
MOST_IN_EPIC = 200
"""Stories that the page shows; the list of stories has all of them."""


@form_page
def epic(request: PageRequest, pk: int) -> HttpResponse:
    """One epic: its stories by state, and the acts on it."""
    row = tree.find_epic(request.actor, pk)
    if request.method != "POST":
        return _show_epic(request, row)
    acts = {"close": (close_epic, "closed"), "reopen": (reopen_epic, "open again")}

    def act() -> str:
        name = request.POST.get("act", "")
        if name in STEPS:
            return _step(request, row, STEPS[name])
        if name == "place":
            return _place(request, row)
        if name not in acts:
            raise Invalid(
                "An epic has no such act.", fields={"act": [f"Choose one of {', '.join([*acts, *STEPS, 'place'])}."]}
            )
        carry_out, said = acts[name]
        carry_out(actor=request.actor, epic=row, version=whole(request.POST.get("version", ""), "version"))
        return f"The epic is {said}."

    return done_or_shown(request, act, lambda problem: _show_epic(request, tree.find_epic(request.actor, pk), problem))


def _beside(request: PageRequest, row: Epic) -> Any:
    """The epic among those that are shown with it: of the same strategy, or of the project where it has none."""
    rows = tree.epics_visible_to(request.actor).filter(project=row.project_id, strategy=row.strategy_id)
    return rows.order_by("rank", "id")


def _step(request: PageRequest, row: Epic, step: int) -> str:
    """Change places with the neighbour above or below. Raises `Conflict` where there is none."""
    shown = [epic.pk for epic in _beside(request, row)]
    place = shown.index(row.pk) + step
    if not 0 <= place < len(shown):
        raise Conflict("It is at the end of the order already.")
    everything = tree.epics_visible_to(request.actor).filter(project=row.project_id)
    order = list(everything.order_by("rank", "id").values_list("pk", flat=True))
    here, there = order.index(row.pk), order.index(shown[place])
    order[here], order[there] = order[there], order[here]
    version = whole(request.POST.get("version", ""), "version")
    order_epics(actor=request.actor, project=row.project, order=order, version=version)
    return f"“{row.title}” is {'before' if step < 0 else 'after'} the one that it changed places with."


def _place(request: PageRequest, row: Epic) -> str:
    """Put a story of the epic before another one (`before`), or last. Raises `Invalid` for what is not of the epic."""
    sent = request.POST
    moved, before = sent.get("story", ""), sent.get("before", "")
    order = list(tree.stories_of(request.actor, row).values_list("reference", flat=True))
    strange = [reference for reference in (moved, before) if reference and reference not in order]
    if strange or not moved or moved == before:
        problem = "Choose two stories of this epic."
        raise Invalid(problem, fields={"story": [problem]})
    order.remove(moved)
    order.insert(order.index(before) if before else len(order), moved)
    order_stories(actor=request.actor, epic=row, order=order, version=whole(sent.get("version", ""), "version"))
    return f"{moved} is {f'before {before}' if before else 'last'} now."


@dataclass(frozen=True, slots=True)
class Placed:
    """A story of the epic: before which it comes to stand one place up, and one down ("" for last); None at the ends."""

    card: Card
    up: str | None
    down: str | None


def _placed(shown: Mapping[str, Card], order: Sequence[str]) -> list[Placed]:
    """The cards with their neighbours in the order of all stories, some of which may not be shown."""
    ends = [None, *order, "", None]
    return [Placed(card, ends[at], ends[at + 3]) for at, card in enumerate(shown.values())]


def _show_epic(request: PageRequest, row: Epic, problem: GuildhallError | None = None) -> HttpResponse:
    actor = request.actor
    stories = list(tree.stories_of(actor, row).prefetch_related("tasks", "labels")[:MOST_IN_EPIC])
    order = list(tree.stories_of(actor, row).values_list("reference", flat=True))
    counts = tree.story_states(row)
    context = {
        "row": row,
        "tone": TONES[row.state],
        "may": may(actor, row),
        "writes_stories": may_write(actor),
        "refused": [(offer.label, " ".join(offer.reasons)) for offer in plan_offers(actor, row) if not offer.allowed],
        "states": [(story_state(state), number) for state, number in sorted(counts.items(), key=_by_way)],
        "placed": _placed(cards(stories, with_cost=True), order),
        "hidden": len(order) - len(stories),
        "places": actor.has_role(*GRANTS["epic.order_stories"]) and len(order) > 1,
        "entries": entries(trail([row.ref], SHOWN_ENTRIES)),
        "beside": list(_beside(request, row)),
        "orders": actor.has_role(*GRANTS["epic.order"]),
        "problem": problem,
    }
    return render(request, "workflows/epic.html", context, status=problem.status if problem else 200)


def _by_way(counted: tuple[str, int]) -> int:
    return story_state(counted[0]).progress
