"""What one has been told, and what waits for one's roles."""

from dataclasses import dataclass
from typing import Any

from django.core.paginator import Paginator
from django.http import HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from governance.selectors import pending_for as approvals_for
from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import Invalid, NotFound
from guildhall.portal.activity import entries
from guildhall.portal.markdown import plain_excerpt
from guildhall.portal.registry import Party, parties
from guildhall.portal.views import PageRequest, form_page, page
from workflows.actions.following import read_notices
from workflows.models import Notice, Story, Watch
from workflows.policies import sees_all
from workflows.selectors import pending_for, stories_visible_to, tasks_visible_to
from workflows.selectors.activity import activity
from workflows.selectors.beside import find_item, inbox_of
from workflows.selectors.lists import CLAIMS, waiting_states
from workflows.selectors.people import suggestions
from workflows.web.beside import address
from workflows.web.shown import TaskRow, cards, task_rows

PAGE_SIZE, SHOWN = 30, 50
ROLE_NAMES = {"qa": "QA", "devops": "DevOps"}


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the inbox."""

    notice: Notice
    who: Party
    url: str
    said: str


@form_page
def inbox(request: PageRequest) -> HttpResponse:
    """Mentions and what moved of what one follows; a line is read once it was opened, or all at once."""
    actor = request.actor
    if request.method == "POST":
        given = request.POST.get("read", "")
        if given != "all" and not (given.isascii() and given.isdecimal() and len(given) < 16):
            raise Invalid("Say what was read.", fields={"read": ["Send the number of a line, or all."]})
        one = None if given == "all" else int(given)
        read_notices(actor=actor, notice=one)
        line = inbox_of(actor).filter(pk=one).first() if one is not None else None
        return redirect(_url(line) if line is not None else "/inbox/")
    show = request.GET.get("show", "")
    found = inbox_of(actor)
    shown = {"unread": found.filter(read_at=None), "mentions": found.filter(kind="mention")}.get(show, found)
    given = request.GET.get("page", "1")
    pages = Paginator(shown, PAGE_SIZE).get_page(given if given.isascii() and len(given) < 7 else "1")
    context = {
        "lines": _lines(list(pages.object_list)),
        "pages": pages,
        "show": show if show in ("unread", "mentions") else "",
        "unread": found.filter(read_at=None).count(),
        "watched": _watched(actor),
    }
    return render(request, "workflows/inbox.html", context)


def _lines(notices: list[Notice]) -> list[Line]:
    known = parties(notice.actor for notice in notices)
    return [
        Line(
            notice,
            Party(notice.actor, notice.actor_name, known[notice.actor].icon),
            _url(notice),
            plain_excerpt(notice.comment.text) if notice.comment else "",
        )
        for notice in notices
    ]


def _url(notice: Notice) -> str:
    anchor = f"#comment-{notice.comment_id}" if notice.comment_id else ""
    item = notice.task or notice.story
    return f"{address(item)}{anchor}" if item else reverse("strategy", args=[notice.strategy_id])


def _watched(actor: Actor) -> list[Story]:
    """The stories that one follows and that moved last."""
    followed = Watch.objects.filter(person=actor.ref, wanted=True, task=None)
    return list(stories_visible_to(actor).filter(pk__in=followed.values("story_id")).order_by("-changed_at")[:8])


@dataclass(frozen=True, slots=True)
class Pile:
    """What waits for one role: the first of the tasks, how many there are, and the act that takes one up."""

    role: str
    rows: list[TaskRow]
    number: int
    claim: str


@page
def waiting(request: PageRequest) -> HttpResponse:
    """Everything that one could do next: approvals, stories to move on, tasks to take up, tasks one holds."""
    actor = request.actor
    states = waiting_states(actor)
    due = stories_visible_to(actor).filter(state__in=states).order_by("changed_at")
    stories = list(due.prefetch_related("tasks", "labels")[:SHOWN]) if states else []
    held = list(tasks_visible_to(actor).filter(holder=actor.ref).order_by("lease_until")[:SHOWN])
    piles = [pile for role in sorted(actor.roles & set(CLAIMS)) if (pile := _pile(actor, role)).number]
    decide = approvals_for(actor)[:SHOWN]
    context: dict[str, Any] = {
        "approvals": decide,
        "stories": list(cards(stories, with_cost=False).values()),
        "stories_number": due.count() if states else 0,
        "held": task_rows(held, with_cost=False),
        "piles": piles,
        "team": sees_all(actor),
        "nothing": not (decide or stories or held or piles),
    }
    return render(request, "workflows/waiting.html", context)


def _pile(actor: Actor, role: str) -> Pile:
    found = pending_for(actor, role)
    rows = task_rows(list(found[:SHOWN]), with_cost=False)
    return Pile(ROLE_NAMES.get(role, role.capitalize()), rows, found.count() if rows else 0, CLAIMS[role])


@page
def mentions(request: PageRequest) -> HttpResponse:
    """Whom `?q=` may be the beginning of, for the list under an @."""
    found = suggestions(request.actor, request.GET.get("q", "").replace("\0", "")[:60])
    people = [{"handle": who.handle, "name": who.name, "kind": who.kind} for who in found]
    return JsonResponse({"people": people})


@page
def history(request: PageRequest, reference: str) -> HttpResponse:
    """Everything that happened to a story with its tasks, or to a task, page by page; not for clients."""
    item = find_item(request.actor, reference)
    if not sees_all(request.actor):
        raise NotFound("There is no page at this address, or it is not yours to see.")
    given = request.GET.get("before", "")
    before = int(given) if given.isascii() and given.isdecimal() and len(given) < 16 else None
    rows = activity(request.actor, item, before=before, limit=PAGE_SIZE + 1)
    context = {
        "item": item,
        "item_url": address(item),
        "entries": entries(rows[:PAGE_SIZE]),
        "older": rows[PAGE_SIZE - 1]["id"] if len(rows) > PAGE_SIZE else None,
        "before": before,
    }
    return render(request, "workflows/history.html", context)
