"""The board and the list of stories: filters in the address, bounded lanes, moves by dragging."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.core.paginator import Paginator
from django.core.signing import BadSignature, TimestampSigner
from django.http import HttpResponse, JsonResponse
from django.shortcuts import render

from guildhall.kernel.errors import Conflict, GuildhallError, Invalid, NotFound
from guildhall.kernel.unseen import PROSE, seen
from guildhall.kernel.versions import check_version
from guildhall.portal.views import PageRequest, form_page, page
from workflows.actions import transition_story
from workflows.machines import STORY, Offer
from workflows.models import Project, Story
from workflows.policies import may_write, sees_all
from workflows.selectors import find_story, offers_for
from workflows.selectors.filters import StoryFilter, matching
from workflows.selectors.lanes import DEEPEST, LANE, counts, lanes, numbers
from workflows.web.bulk import bulk_choices
from workflows.web.filtering import chips, choices, saved_for, sort_links
from workflows.web.plan_form import may_open
from workflows.web.shown import GROUPS, SERIOUS, Card, State, cards, droppable, story_state

PAGE_SIZE = 50
UNDONE = "Taken back right after the move."
"""The reason of an undo, where the act that leads back asks for one."""
UNDO_WITHIN = timedelta(minutes=10)
_SIGNER = TimestampSigner(salt="workflows.board.undo")


@dataclass(frozen=True, slots=True)
class Lane:
    """One state on the board: its first cards, how many there are, how to see more, and where its cards may go."""

    state: State
    cards: list[Card]
    number: int
    more: str
    to: str
    rest: str

    @property
    def left(self) -> int:
        return self.number - len(self.cards)


@page
def stories(request: PageRequest) -> HttpResponse:
    """The board, or the same stories as a list; filters live in the address."""
    wanted = StoryFilter.parse(request.GET)
    as_list = request.GET.get("view") == "list"
    actor = request.actor
    team = sees_all(actor)
    context: dict[str, Any] = {
        "wanted": wanted,
        "as_list": as_list,
        "team": team,
        "writes_stories": may_write(actor),
        "chips": chips(actor, wanted, as_list, numbers(actor, wanted)),
        "choices": choices(actor, wanted, as_list),
        "saved": saved_for(actor, wanted, as_list),
        "query": wanted.query(),
        "board_query": wanted.query(sort=""),
        "list_query": wanted.query(view="list"),
        "clear_query": "view=list" if as_list else "",
        **(_list(request, wanted, team) if as_list else _board(request, wanted, team)),
    }
    if team and not context["any"]:
        context["projectless"] = not Project.objects.exists()
        context["opens"] = may_open(actor)
    return render(request, "workflows/list.html" if as_list else "workflows/stories.html", context)


def _board(request: PageRequest, wanted: StoryFilter, team: bool) -> dict[str, Any]:
    found = matching(request.actor, wanted)
    depth = _depth(request)
    number = counts(found)
    heads = lanes(found, depth)
    shown = cards([story for state in heads for story in heads[state]], with_cost=team)
    columns = []
    for name, states in GROUPS:
        rows = [
            _lane(state, [shown[s.reference] for s in heads[state]], number, wanted, depth, request) for state in states
        ]
        columns.append({"name": name, "number": sum(lane.number for lane in rows), "lanes": rows})
    parked = _lane("carry_over", [shown[s.reference] for s in heads["carry_over"]], number, wanted, depth, request)
    return {
        "columns": columns,
        "parked": parked,
        "archived": number.get("archived", 0),
        "any": bool(number) or wanted.narrows,
        "empty": not number,
    }


def _lane(
    state: str,
    items: list[Card],
    number: dict[str, int],
    wanted: StoryFilter,
    depth: dict[str, int],
    request: PageRequest,
) -> Lane:
    now = depth.get(state, 1)
    deeper = wanted.query(lane=state, depth=str(now + 1)) if now < DEEPEST and len(items) == now * LANE else ""
    return Lane(
        state=story_state(state),
        cards=items,
        number=number.get(state, 0),
        more=deeper,
        to=" ".join(droppable(request.actor, state)),
        rest=wanted.query(state=state, view="list"),
    )


def _depth(request: PageRequest) -> dict[str, int]:
    """The one lane that was asked to be longer, as `?lane=draft&depth=3`."""
    lane, depth = request.GET.get("lane", ""), request.GET.get("depth", "")
    if lane not in STORY.states or not depth.isascii() or not depth.isdecimal() or len(depth) > 2:
        return {}
    return {lane: min(max(int(depth), 1), DEEPEST)}


def _list(request: PageRequest, wanted: StoryFilter, team: bool) -> dict[str, Any]:
    found = matching(request.actor, wanted)
    if not wanted.state:
        found = found.exclude(state="archived")
    rows = found.order_by(*wanted.order).prefetch_related("tasks", "labels")
    pages = Paginator(rows, PAGE_SIZE)
    shown = pages.get_page(_page_number(request))
    listed = list(shown.object_list)
    held = cards(listed, with_cost=team)
    return {
        "pages": shown,
        "cards": [held[story.reference] for story in listed],
        "sorts": sort_links(wanted),
        "any": bool(listed) or wanted.narrows,
        "page_query": wanted.query(view="list"),
        "bulk": bulk_choices(request.actor) if may_write(request.actor) else None,
    }


def _page_number(request: PageRequest) -> str:
    given = request.GET.get("page", "1")
    return given if given.isascii() and given.isdecimal() and len(given) < 7 else "1"


@form_page
def move(request: PageRequest, reference: str) -> HttpResponse:
    """Move a story into another state by whichever act leads there: `to`, `version`, and `feedback` where it is asked.

    With the `undo_key` of an answer as `undo` it takes that move back: an act like any other, for a reason that says so.

    Answers with JSON: what happened, or why not and what is still needed. It is what dragging on the board sends; the
    story's own page has the same acts as forms.
    """
    story = find_story(request.actor, reference)
    before = story.state
    if request.method != "POST":
        raise Invalid("Moves are sent as a form.", fields={"to": ["Send the state to move to."]})
    sent = request.POST
    try:
        offer = _offer(request, story, sent.get("to", ""))
        check_version(story, _version(sent.get("version", "")))  # or the reader would be asked about another act
        asks, undoes = _asks(offer, sent), _takes_back(request, story, sent)
        if asks and not (undoes and asks != ["page"]):
            return JsonResponse({"moved": False, "asks": asks, "label": offer.label, **_words(story, offer)})
        transition_story(
            actor=request.actor,
            story=story,
            name=offer.action,
            feedback=UNDONE if undoes else sent.get("feedback", ""),
            version=_version(sent.get("version", "")),
        )
    except NotFound:
        raise
    except GuildhallError as error:
        return JsonResponse({"moved": False, "detail": error.detail}, status=error.status)
    story.refresh_from_db()
    told = f"{story.reference} is in “{STORY.states[story.state]}” now."
    undo = "" if undoes else _way_back(request, story, before)
    key = _SIGNER.sign(_move_of(request, story, undo)) if undo else ""
    answer = {"moved": True, "detail": told, "version": story.version, "state": story.state, "undo": undo}
    return JsonResponse({**answer, "undo_key": key})


def _takes_back(request: PageRequest, story: Story, sent: Any) -> bool:
    """Whether the reader proves that the last thing that happened to the story was their own move from there."""
    try:
        return _SIGNER.unsign(sent.get("undo", ""), max_age=UNDO_WITHIN) == _move_of(request, story, sent.get("to", ""))
    except BadSignature:
        return False


def _move_of(request: PageRequest, story: Story, came_from: str) -> str:
    return f"{request.actor.tenant} {request.actor.ref} {story.pk} {story.version} {came_from}"


def _way_back(request: PageRequest, story: Story, before: str) -> str:
    """The state that the story came from, where an act of the reader's leads back to it now; "" where none does."""
    for offer in offers_for(request.actor, story):
        free = offer.allowed and not offer.automatic and not offer.decided_by and "tasks" not in offer.needs
        if free and offer.target == before:
            return before
    return ""


def _offer(request: PageRequest, story: Story, to: str) -> Offer:
    """The act that leads from the story's state to `to`: one that is allowed if there is any, the one that asks least.

    Raises `Invalid` for a state that there is not, `Conflict` when no act leads there.
    """
    if to not in STORY.states:
        raise Invalid("There is no such state.", fields={"to": [f"Choose one of {', '.join(STORY.states)}."]})
    if to == story.state:
        raise Conflict(f"{story.reference} is in “{STORY.states[to]}” already.")
    offers = [offer for offer in offers_for(request.actor, story) if not offer.decided_by]
    leading = [offer for offer in offers if offer.target == to]
    if leading:
        return min(leading, key=lambda offer: (offer.automatic, not offer.allowed, len(offer.needs)))
    ways = dict.fromkeys(STORY.states[offer.target] for offer in offers if not offer.automatic)
    now = f"From “{STORY.states[story.state]}” no act leads to “{STORY.states[to]}”."
    raise Conflict(f"{now} Possible: {', '.join(ways)}." if ways else now)


def _asks(offer: Offer, sent: Any) -> list[str]:
    """What the act needs and was not sent: words why, or a yes to something that is not easily undone."""
    if not offer.allowed:
        return []
    if "tasks" in offer.needs and offer.action != "derive_tasks":
        return ["page"]
    missing = ["feedback"] if "feedback" in offer.needs and not sent.get("feedback", "").strip() else []
    return missing or (["confirm"] if offer.action in SERIOUS and not sent.get("confirm") else [])


def _words(story: Story, offer: Offer) -> dict[str, str]:
    row = STORY.row(story.state, offer.action)
    effect = f" {row.effect.capitalize()}." if row and row.effect else ""
    goes = f"“{seen(story.title, PROSE)}” goes from “{STORY.states[story.state]}” to “{STORY.states[offer.target]}”."
    return {
        "title": f"{offer.label}: {story.reference}?",
        "detail": f"{goes}{effect}",
        "page": f"/stories/{story.reference}/#act-{offer.action}",
    }


def _version(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else None
