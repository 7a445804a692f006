"""Pages of durable consumers: how far each is, what it could not handle, and what can be done about it."""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render

from guildhall.evidence.actions import dismiss_letters, retry_letters, rewind_consumer, wake_consumer
from guildhall.evidence.streams import (
    ConsumerState,
    Letter,
    consumer_for,
    consumers_for,
    events_between,
    letter_for,
    letters_for,
)
from guildhall.kernel.errors import GuildhallError, Invalid
from guildhall.portal.registry import parties
from guildhall.portal.views import PageRequest, form_page, page

TONES = {"failing": "t-bad", "behind": "t-wait", "reading": "t-run", "up_to_date": "t-ok"}
WORDS = {"failing": "Failing", "behind": "Behind", "reading": "Reading", "up_to_date": "Up to date"}


@page
def overview(request: PageRequest) -> HttpResponse:
    """All consumers and all dead letters."""
    states = consumers_for(request.actor)
    context = {
        "rows": [(state, WORDS[state.state], TONES[state.state]) for state in states],
        "letters": _shown(letters_for(request.actor)),
        "waiting": sum(state.dead_letters for state in states),
        "failing": sum(state.state == "failing" for state in states),
        "largest": max((state.lag for state in states), default=0),
    }
    return render(request, "streams/consumers.html", context)


@form_page
def consumer(request: PageRequest, consumer: str) -> HttpResponse:
    """One consumer with its dead letters, and the forms that are about all of them."""
    state = consumer_for(request.actor, consumer)
    if request.method == "POST":
        return _act(request, lambda status, **more: _consumer(request, state, status=status, **more), consumer)
    return _consumer(request, state)


def _consumer(request: PageRequest, state: ConsumerState, *, status: int = 200, **more: Any) -> HttpResponse:
    context = {
        "c": state,
        "word": WORDS[state.state],
        "tone": TONES[state.state],
        "letters": _shown(letters_for(request.actor, state.name)),
        **more,
    }
    return render(request, "streams/consumer.html", context, status=status)


@form_page
def letter(request: PageRequest, consumer: str, position: int) -> HttpResponse:
    """One dead letter: what happened, why it could not be handled, and the forms to try again or set it aside."""
    found = letter_for(request.actor, consumer, position)

    def show(status: int = 200, **more: Any) -> HttpResponse:
        (shown,) = _shown([found])
        return render(request, "streams/letter.html", {"row": shown, "l": found, **more}, status=status)

    if request.method == "POST":
        return _act(request, lambda status, **more: show(status, **more), consumer, position)
    return show()


def _act(
    request: PageRequest, again: Callable[..., HttpResponse], consumer: str, position: int | None = None
) -> HttpResponse:
    """Carry out a form's act; what is refused comes back with its reason and what was typed."""
    act, reason = request.POST.get("act", ""), request.POST.get("reason", "")
    positions = None if position is None else [position]
    try:
        if act == "retry":
            found = retry_letters(actor=request.actor, consumer=consumer, positions=positions)
            messages.success(request, f"{_events(len(found))} handed over once more; how it went shows here.")
        elif act == "dismiss":
            found = dismiss_letters(actor=request.actor, consumer=consumer, reason=reason, positions=positions)
            messages.success(request, f"{_events(len(found))} set aside.")
        elif act == "wake":
            wake_consumer(actor=request.actor, consumer=consumer)
            messages.success(request, f"{consumer} tries again at once.")
        else:
            raise Invalid("Choose what shall happen.", fields={"act": ["Choose retry, dismiss or wake."]})
    except GuildhallError as error:
        return again(error.status, problem=error, reason=reason)
    return redirect("consumer", consumer=consumer)


def _events(number: int) -> str:
    return "1 event is" if number == 1 else f"{number} events are"


@form_page
def replay(request: PageRequest, consumer: str) -> HttpResponse:
    """Says what reading again from `?position=` on will do, and asks for the reason before it does it."""
    state = consumer_for(request.actor, consumer)
    said = (request.POST if request.method == "POST" else request.GET).get("position", "")
    position = int(said) if said.isascii() and said.isdigit() and len(said) < 19 else 0
    problem: GuildhallError | None = None
    if request.method == "POST":
        try:
            events = rewind_consumer(
                actor=request.actor, consumer=consumer, position=position, reason=request.POST.get("reason", "")
            )
        except GuildhallError as error:
            problem = error
        else:
            messages.success(request, f"{consumer} reads {events} events again.")
            return redirect("consumer", consumer=consumer)
    handled = events_between(state.kinds, position, state.position) if 1 <= position <= state.position else 0
    context = {
        "c": state,
        "position": position,
        "said": said,
        "possible": 1 <= position <= state.position,
        "passed": state.position - position + 1,
        "handled": handled,
        "problem": problem,
        "reason": request.POST.get("reason", ""),
    }
    return render(request, "streams/replay.html", context, status=problem.status if problem else 200)


def _shown(letters: list[Letter]) -> list[dict[str, Any]]:
    """Letters with who did what they tell."""
    known = parties(letter.actor.get("ref", "") for letter in letters)
    return [{"letter": one, "who": known[one.actor.get("ref", "")]} for one in letters]
