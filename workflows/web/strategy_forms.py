"""Forms of strategies, their schedules, and epics."""

from typing import Any
from zoneinfo import ZoneInfo

from django.http import HttpResponse
from django.urls import reverse

from guildhall.kernel.errors import Denied, Invalid, NotFound
from guildhall.portal.views import PageRequest, form_page
from workflows import actions
from workflows.actions.stories import Content
from workflows.models import Epic, Project, Strategy
from workflows.models.schedule import Overlap
from workflows.models.tree import AUTONOMY
from workflows.policies import sees_all
from workflows.readiness import PRIORITIES, SIZES
from workflows.selectors import find_project, tree
from workflows.web.plan_form import Field, Form, Sent, amount, lines, plain, serve, version_of, words

AUTONOMY_WORDS = {
    "L0": "L0 Manual: people do it",
    "L1": "L1 Assisted: agents propose",
    "L2": "L2 Supervised: agents draft, people submit",
    "L3": "L3 Autopilot: agents act within policy",
}
OVERLAP_WORDS = {
    "skip": "Skip this time",
    "queue": "Wait until it is finished",
    "replace": "Reset it and begin the new one",
}
STRATEGIES = ("Strategies", "/strategies/")


def projects_of(request: PageRequest) -> tuple[tuple[str, str], ...]:
    """The projects to choose from. Raises `Denied` for clients, whose plans are not theirs to make."""
    if not sees_all(request.actor):
        raise Denied("Plans are made by members of the team.")
    return tuple(Project.objects.values_list("key", "name"))


def project_of(request: PageRequest, sent: Sent) -> Project:
    """The chosen project. Raises `Invalid`."""
    try:
        return find_project(request.actor, sent["project"])
    except NotFound:
        raise Invalid("Choose a project.", fields={"project": ["Choose one of the list."]}) from None


def project_field(options: tuple[tuple[str, str], ...]) -> Field:
    """The choice of a project."""
    return Field("project", "Project", "select", options=options, aside=True)


def _strategy_fields(*first: Field) -> tuple[Field, ...]:
    levels = tuple((level, AUTONOMY_WORDS[level]) for level in AUTONOMY)
    return (
        *first,
        Field("title", "Title", required=True, limit=120),
        Field("goal", "Goal", "area", "What is to be true when this is reached.", limit=20_000, required=True),
        Field("success_measure", "How success is measured", "area", limit=20_000, rows=3),
        Field(
            "autonomy",
            "Autonomy",
            "select",
            "The lowest of this, the policy and the agent’s own applies.",
            levels,
            aside=True,
        ),
        Field("budget_usd", "Budget, US dollars", "number", "Everything its stories spend counts.", aside=True),
    )


def _strategy_values(sent: Sent) -> dict[str, Any]:
    texts = {name: sent[name] for name in ("title", "goal", "success_measure", "autonomy")}
    return {**texts, "budget_usd": amount(sent["budget_usd"])}


@form_page
def new_strategy(request: PageRequest) -> HttpResponse:
    """Set a goal for one of the projects."""
    options = projects_of(request)

    def act(sent: Sent) -> tuple[str, str]:
        made = actions.create_strategy(actor=request.actor, project=project_of(request, sent), **_strategy_values(sent))
        return f"“{made}” is set.", reverse("strategy", args=[made.pk])

    form = Form(
        heading="New strategy",
        sub="A goal in words, how far agents may go for it, and what it may cost.",
        save="Set the goal",
        back=STRATEGIES[1],
        crumbs=(STRATEGIES,),
        fields=_strategy_fields(project_field(options)),
        act=act,
        initial={"project": request.GET.get("project", ""), "autonomy": "L2"},
    )
    return serve(request, form)


@form_page
def edit_strategy(request: PageRequest, pk: int) -> HttpResponse:
    """Change a strategy that has not ended."""
    row = tree.find_strategy(request.actor, pk)
    url = reverse("strategy", args=[pk])

    def act(sent: Sent) -> tuple[str, str]:
        change: Any = _strategy_values(sent)
        if change["budget_usd"] is None and row.budget_usd is None:
            del change["budget_usd"]
        actions.edit_strategy(actor=request.actor, strategy=row, change=change, version=version_of(sent))
        return "The strategy is changed.", url

    names = ("title", "goal", "success_measure", "autonomy", "budget_usd")
    form = Form(
        heading=f"Edit “{row}”",
        save="Save the strategy",
        back=url,
        crumbs=(STRATEGIES, (str(row), url)),
        fields=_strategy_fields(),
        act=act,
        initial={name: plain(getattr(row, name)) for name in names},
        version=row.version,
    )
    return serve(request, form)


_SCHEDULE_FIELDS = (
    Field("title", "Title of each story", required=True, hint="{date}, {week}, {month} and {number} are filled in."),
    Field("brief", "Brief of each story", "area", limit=20_000),
    Field("acceptance", "Acceptance criteria", "area", "One a line: given …, when …, then …", limit=40_000),
    Field(
        "cron",
        "When",
        required=True,
        hint="Minute, hour, day of month, month, day of week: 0 9 * * MON",
        limit=100,
        aside=True,
    ),
    Field("timezone", "Time zone", required=True, hint="Such as Europe/Berlin or UTC.", limit=64, aside=True),
    Field("overlap", "While the story before is unfinished", "select", "", tuple(OVERLAP_WORDS.items()), aside=True),
    Field("size", "Size", "select", "", (("", "Not estimated"), *((size, size) for size in SIZES)), aside=True),
    Field(
        "priority", "Priority", "select", "", (("", "Not set"), *((p, p.capitalize()) for p in PRIORITIES)), aside=True
    ),
    Field("risk_labels", "Risks", hint="Labels with commas between, or “none”.", aside=True),
    Field("budget_usd", "Budget of each story, US dollars", "number", aside=True),
)


@form_page
def schedule(request: PageRequest, pk: int) -> HttpResponse:
    """Have a strategy write a story at set times."""
    row = tree.find_strategy(request.actor, pk)
    url = reverse("strategy", args=[pk])

    def act(sent: Sent) -> tuple[str, str]:
        made = actions.set_schedule(
            actor=request.actor,
            strategy=row,
            cron=sent["cron"],
            timezone=sent["timezone"].strip(),
            overlap=sent["overlap"],
            template=_template(sent),
            version=version_of(sent),
        )
        next_at = made.next_at.astimezone(ZoneInfo(made.timezone))
        return f"Its next story is written on {next_at:%-d %b %Y, %H:%M} {made.timezone}.", url

    form = Form(
        heading="Set the schedule" if _schedule_of(row) is None else "Change the schedule",
        sub="At each of these times a story is written and submitted for scope review, in your name.",
        save="Set the schedule",
        back=url,
        crumbs=(STRATEGIES, (str(row), url)),
        fields=_SCHEDULE_FIELDS,
        act=act,
        initial=_schedule_initial(row),
        version=row.version,
    )
    return serve(request, form)


def _schedule_of(row: Strategy) -> Any:
    return getattr(row, "schedule", None)


def _schedule_initial(row: Strategy) -> dict[str, str]:
    found = _schedule_of(row)
    if found is None:
        return {"timezone": "UTC", "overlap": Overlap.SKIP}
    template = found.template
    risks = template.get("risk_labels")
    return {
        **{name: getattr(found, name) for name in ("cron", "timezone", "overlap")},
        **{name: template.get(name) or "" for name in ("title", "brief", "size", "priority", "budget_usd")},
        "acceptance": "\n".join(template.get("acceptance", [])),
        "risk_labels": "" if risks is None else ", ".join(risks) or "none",
    }


def _template(sent: Sent) -> Content:
    risks = words(sent["risk_labels"])
    return Content(
        title=sent["title"],
        brief=sent["brief"],
        acceptance=lines(sent["acceptance"]),
        size=sent["size"],
        priority=sent["priority"],
        risk_labels=None if not risks else [] if [risk.lower() for risk in risks] == ["none"] else risks,
        budget_usd=amount(sent["budget_usd"]),
    )


def _epic_fields(strategies: tuple[tuple[str, str], ...], *first: Field) -> tuple[Field, ...]:
    return (
        *first,
        Field("title", "Title", required=True),
        Field("description", "What it is about", "area", limit=20_000),
        Field("strategy", "Strategy", "select", "", (("", "None"), *strategies), aside=True),
    )


def _strategies(request: PageRequest, project: str = "") -> tuple[tuple[str, str], ...]:
    rows = tree.strategies_visible_to(request.actor).exclude(state="ended")
    rows = rows.filter(project__key=project) if project else rows
    return tuple((str(row.pk), str(row) if project else f"{row} ({row.project.key})") for row in rows)


def _chosen_strategy(request: PageRequest, sent: Sent) -> Strategy | None:
    text = sent["strategy"]
    if not text:
        return None
    if text.isascii() and text.isdecimal() and len(text) < 10:
        found = tree.strategies_visible_to(request.actor).filter(pk=int(text)).first()
        if found is not None:
            return found
    raise Invalid("Choose a strategy.", fields={"strategy": ["Choose one of the list."]})


@form_page
def new_epic(request: PageRequest) -> HttpResponse:
    """Open an epic."""
    options = projects_of(request)

    def act(sent: Sent) -> tuple[str, str]:
        made = actions.create_epic(
            actor=request.actor,
            project=project_of(request, sent),
            title=sent["title"],
            description=sent["description"],
            strategy=_chosen_strategy(request, sent),
        )
        return f"The epic “{made.title}” is open.", reverse("epic", args=[made.pk])

    form = Form(
        heading="New epic",
        sub="Stories that belong together, for one strategy or none.",
        save="Open the epic",
        back=STRATEGIES[1],
        crumbs=(STRATEGIES,),
        fields=_epic_fields(_strategies(request), project_field(options)),
        act=act,
        initial={"project": request.GET.get("project", ""), "strategy": request.GET.get("strategy", "")},
    )
    return serve(request, form)


@form_page
def edit_epic(request: PageRequest, pk: int) -> HttpResponse:
    """Change an open epic."""
    row: Epic = tree.find_epic(request.actor, pk)
    url = reverse("epic", args=[pk])

    def act(sent: Sent) -> tuple[str, str]:
        change: Any = {"title": sent["title"], "description": sent["description"]}
        change["strategy"] = _chosen_strategy(request, sent)
        actions.edit_epic(actor=request.actor, epic=row, change=change, version=version_of(sent))
        return "The epic is changed.", url

    form = Form(
        heading=f"Edit “{row.title}”",
        save="Save the epic",
        back=url,
        crumbs=(STRATEGIES, (row.title, url)),
        fields=_epic_fields(_strategies(request, row.project.key)),
        act=act,
        initial={"title": row.title, "description": row.description, "strategy": plain(row.strategy_id)},
        version=row.version,
    )
    return serve(request, form)
