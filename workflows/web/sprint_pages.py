"""Pages of sprints: what is committed, how it burns down, what can be added, and what a closing will do."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.core.paginator import Paginator
from django.db.models import Case, IntegerField, QuerySet, When
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse

from guildhall.evidence.selectors import trail
from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import GuildhallError, Invalid
from guildhall.portal.activity import entries
from guildhall.portal.views import PageRequest, form_page, page
from workflows.actions import close_sprint, edit_sprint, open_sprint, transition_story
from workflows.burndown import points_of
from workflows.models import Sprint, Story
from workflows.readiness import PRIORITIES
from workflows.selectors import find_story, stories_visible_to, tree
from workflows.selectors.facts import WAITING
from workflows.selectors.plan_offers import may, plan_offers
from workflows.selectors.sprints import Summary, burn_down_of, stories_in, summary_of, unsettled_stories
from workflows.web.plan_form import Field, Form, Sent, day, plain, serve, version_of, whole
from workflows.web.shown import cards
from workflows.web.sprint_apis import commit, take_out
from workflows.web.strategy_forms import project_field, project_of, projects_of
from workflows.web.strategy_pages import SHOWN_ENTRIES, chosen, done_or_shown, refuse_clients

PAGE_SIZE, WAITING_SHOWN = 30, 50
TONES = {"open": "t-run", "closing": "t-wait", "closed": "t-ok"}
SPRINTS = ("Sprints", "/sprints/")
AFTERWARDS = {"re_estimate": "is estimated anew", "drop": "is dropped"}


@dataclass(frozen=True, slots=True)
class Closing:
    """What closing would do now, by references."""

    done: list[str]
    carried: list[str]
    kept: list[tuple[str, str]]


@page
def sprints(request: PageRequest) -> HttpResponse:
    """Sprints, the open ones first, then the newest."""
    refuse_clients(request)
    project, projects = chosen(request)
    rows = tree.sprints_visible_to(request.actor).order_by("-state", "-id")
    rows = rows.filter(project__key=project) if project else rows
    pages = Paginator(rows, PAGE_SIZE).get_page(request.GET.get("page"))
    context = {
        "rows": [(row, TONES[row.state]) for row in pages],
        "pages": pages,
        "query": f"project={project}&" if project else "",
        "project": project,
        "projects": projects,
        "writes": request.actor.has_role("admin", "product_owner"),
    }
    return render(request, "workflows/sprints.html", context)


@form_page
def sprint(request: PageRequest, pk: int) -> HttpResponse:
    """One sprint; its forms commit stories, take them out and close it."""
    row = tree.find_sprint(request.actor, pk)
    if request.method != "POST":
        return _show(request, row)
    return done_or_shown(
        request,
        lambda: _do(request.actor, row, request.POST),
        lambda problem: _show(request, tree.find_sprint(request.actor, pk), problem),
    )


def _do(actor: Actor, row: Sprint, sent: Any) -> str:
    name = sent.get("act", "")
    if name == "close":
        close_sprint(actor=actor, sprint=row, version=whole(sent.get("version", ""), "version"))
        return f"{row.name} is being closed; each of its stories is settled now."
    if name not in ("commit", "take_out", *AFTERWARDS):
        raise Invalid("A sprint has no such act.", fields={"act": ["Choose close, commit or take_out."]})
    story = find_story(actor, sent.get("story", "")[:24])
    seen = whole(sent.get("version", ""), "version")
    if name == "commit":
        commit(actor, row, story, seen)
        return f"{story.reference} is in {row.name}."
    if name == "take_out":
        take_out(actor, row, story, seen)
        return f"{story.reference} is out of {row.name}; continue it, estimate it anew or drop it."
    transition_story(actor=actor, story=story, name=name, version=seen)
    return f"{story.reference} {AFTERWARDS[name]}."


def _show(request: PageRequest, row: Sprint, problem: GuildhallError | None = None) -> HttpResponse:
    actor = request.actor
    allowed = may(actor, row)
    owner = actor.has_role("product_owner")
    stories = list(stories_in(actor, row))
    days = burn_down_of(row)
    left = next((day.points for day in reversed(days) if day.points is not None), 0) or 0
    pages = Paginator(_waiting(actor, row), WAITING_SHOWN).get_page(request.GET.get("page"))
    waiting = list(pages)
    until_now = None if row.summary else summary_of(row)
    summary = until_now.as_dict() if until_now else row.summary
    context = {
        "row": row,
        "tone": TONES[row.state],
        "may": allowed,
        "owner": owner,
        "refused": [(offer.label, " ".join(offer.reasons)) for offer in plan_offers(actor, row) if not offer.allowed],
        "cards": [(card, points_of(card.story.size)) for card in cards(stories, with_cost=True).values()],
        "days": days,
        "left": left,
        "planned": [(story, points_of(story.size)) for story in waiting if story.state == "planned"],
        "carried": [(story, points_of(story.size)) for story in waiting if story.state == "carry_over"],
        "pages": pages,
        "closing": _closing(row, until_now) if allowed["close"] and until_now else None,
        "summary": summary,
        "cost": Decimal(summary["cost_usd"]),
        "entries": entries(trail([row.ref], SHOWN_ENTRIES)),
        "problem": problem,
        "sent": request.POST,
    }
    return render(request, "workflows/sprint.html", context, status=problem.status if problem else 200)


def _waiting(actor: Actor, row: Sprint) -> QuerySet[Story]:
    """The project's stories that could enter, the most urgent first; one without a priority comes last."""
    found = stories_visible_to(actor).filter(project=row.project_id, state__in=WAITING)
    ranks = [When(priority=name, then=rank) for rank, name in enumerate(PRIORITIES, 1)]
    urgency = Case(*ranks, default=0, output_field=IntegerField())
    return found.order_by(urgency.desc(), "number") if row.state == "open" else found.none()


def _closing(row: Sprint, summary: Summary) -> Closing:
    acts = unsettled_stories(row)
    moved = {story.reference for story, _ in acts}
    return Closing(
        done=[*summary.done, *(story.reference for story, act in acts if act == "close")],
        carried=[story.reference for story, act in acts if act == "carry_over"],
        kept=[(kept.story, kept.why) for kept in summary.kept if kept.story not in moved],
    )


def _fields(*first: Field) -> tuple[Field, ...]:
    return (
        *first,
        Field("name", "Name", hint="Without one it is called by its number.", limit=120),
        Field("goal", "Goal", "area", "What the sprint is for, in a sentence or two.", limit=5000),
        Field("starts_on", "Starts on", "date", "Today, when it is left open.", aside=True),
        Field("ends_on", "Ends on", "date", "The sprint closes by itself after this day (UTC).", aside=True),
        Field("capacity", "Capacity, points", "number", "XS 1, S 2, M 3, L 5, XL 8.", limit=5, aside=True),
    )


def _values(sent: Sent) -> dict[str, Any]:
    return {
        "goal": sent["goal"],
        "capacity": whole(sent["capacity"], "capacity"),
        "ends_on": day(sent["ends_on"], "ends_on"),
    }


@form_page
def new_sprint(request: PageRequest) -> HttpResponse:
    """Open a project's next sprint."""
    options = projects_of(request)

    def act(sent: Sent) -> tuple[str, str]:
        content: Any = {**_values(sent), "name": sent["name"]}
        if starts := day(sent["starts_on"], "starts_on"):
            content["starts_on"] = starts
        made = open_sprint(actor=request.actor, project=project_of(request, sent), content=content)
        return f"{made.name} is open.", reverse("sprint", args=[made.pk])

    form = Form(
        heading="Open a sprint",
        sub="One sprint at a time is open per project.",
        save="Open the sprint",
        back=SPRINTS[1],
        crumbs=(SPRINTS,),
        fields=_fields(project_field(options)),
        act=act,
        initial={"project": request.GET.get("project", "")},
    )
    return serve(request, form)


@form_page
def edit(request: PageRequest, pk: int) -> HttpResponse:
    """Change an open sprint."""
    row = tree.find_sprint(request.actor, pk)
    url = reverse("sprint", args=[pk])

    def act(sent: Sent) -> tuple[str, str]:
        change: Any = {**_values(sent), "name": sent["name"], "starts_on": day(sent["starts_on"], "starts_on")}
        edit_sprint(actor=request.actor, sprint=row, change=change, version=version_of(sent))
        return f"{sent['name'].strip()} is changed.", url

    form = Form(
        heading=f"Edit {row.name}",
        save="Save the sprint",
        back=url,
        crumbs=(SPRINTS, (row.name, url)),
        fields=_fields(),
        act=act,
        initial={name: plain(getattr(row, name)) for name in ("name", "goal", "starts_on", "ends_on", "capacity")},
        version=row.version,
    )
    return serve(request, form)
