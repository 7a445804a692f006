"""The form that writes and edits a story. What is missing is said by its readiness afterwards, so drafts may be thin."""

from decimal import Decimal, InvalidOperation
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render

from guildhall.kernel.errors import Denied, GuildhallError, Invalid, NotFound
from guildhall.portal.views import PageRequest, form_page
from workflows.actions import Content, create_story, edit_story
from workflows.actions.stories import EDITABLE
from workflows.models import Project, Story
from workflows.policies import may_write
from workflows.readiness import PRIORITIES, SIZES
from workflows.selectors import find_project, find_story
from workflows.web.placing import chosen, options
from workflows.web.plan_form import no_project_yet

NONE_STATED = "none"
NOT_A_WRITER = "Stories are written by members of the team; viewers and clients read them."


@form_page
def new_story(request: PageRequest) -> HttpResponse:
    """Write a story into one of the projects."""
    if not may_write(request.actor):
        raise Denied(NOT_A_WRITER)
    if nowhere := no_project_yet(request):
        return nowhere
    if request.method != "POST":
        return _form(request, {name: request.GET.get(name, "") for name in ("project", "epic", "strategy")})
    sent = _sent(request)
    try:
        project = find_project(request.actor, sent["project"])
        place = chosen(request.actor, sent)
        story = create_story(
            actor=request.actor,
            project=project,
            content=_content(sent),
            epic=place["epic"],
            strategy=place["strategy"],
        )
    except GuildhallError as error:
        if isinstance(error, NotFound):
            error = Invalid("Choose a project.", fields={"project": ["Choose one of the list."]})
        return _form(request, sent, problem=error)
    messages.success(request, f"{story.reference} is written. Its readiness is {story.dor_score} of 100.")
    return redirect("story", reference=story.reference)


@form_page
def edit(request: PageRequest, reference: str) -> HttpResponse:
    """Change a story: all of it until its scope is settled, then what is no part of that, until it is archived."""
    story = find_story(request.actor, reference)
    if not may_write(request.actor):
        raise Denied(NOT_A_WRITER)
    if request.method != "POST":
        return _form(request, _as_sent(story), story=story)
    sent = _sent(request)
    version = sent["version"]
    whole = "title" in request.POST
    try:
        edit_story(
            actor=request.actor,
            story=story,
            content=_content(sent) if whole else _lasting(request, sent),
            version=int(version) if version.isdecimal() and len(version) < 10 else None,
            place=chosen(request.actor, sent) if whole else None,
        )
    except NotFound:
        raise
    except GuildhallError as error:
        return _form(request, sent, story=story, problem=error)
    messages.success(request, f"{reference} is changed.")
    return redirect("story", reference=reference)


def may_be_edited(story: Story) -> bool:
    """Whether anything of it may still change."""
    return bool(story.state != "archived")


FIELDS = (
    "project",
    "title",
    "brief",
    "evidence",
    "acceptance",
    "size",
    "priority",
    "risk_labels",
    "depends_on",
    "budget_usd",
    "client_visible",
    "epic",
    "strategy",
    "version",
)


def _sent(request: PageRequest) -> dict[str, str]:
    return {name: request.POST.get(name, "").replace("\r\n", "\n") for name in FIELDS}


def _as_sent(story: Story) -> dict[str, str]:
    needs = ", ".join(story.dependencies.values_list("needs__reference", flat=True))
    return {
        "project": story.project.key,
        "title": story.title,
        "brief": story.brief,
        "evidence": story.evidence,
        "acceptance": "\n".join(story.acceptance),
        "size": story.size,
        "priority": story.priority,
        "risk_labels": "" if story.risk_labels is None else ", ".join(story.risk_labels) or NONE_STATED,
        "depends_on": needs or (NONE_STATED if story.dependencies_stated else ""),
        "budget_usd": "" if story.budget_usd is None else f"{story.budget_usd.normalize():f}",
        "client_visible": "on" if story.client_visible else "",
        "epic": str(story.epic_id or ""),
        "strategy": str(story.strategy_id or ""),
        "version": str(story.version),
    }


def _content(sent: dict[str, str]) -> Content:
    """What the form says. Raises `Invalid` for an amount that is none."""
    return Content(
        title=sent["title"],
        brief=sent["brief"],
        evidence=sent["evidence"],
        acceptance=[line.strip() for line in sent["acceptance"].split("\n") if line.strip()],
        size=sent["size"],
        priority=sent["priority"],
        risk_labels=_listed(sent["risk_labels"]),
        depends_on=_listed(sent["depends_on"]),
        budget_usd=_amount(sent["budget_usd"]),
        client_visible=bool(sent["client_visible"]),
    )


def _lasting(request: PageRequest, sent: dict[str, str]) -> Content:
    """What the form says of a story whose scope is settled; it shows nothing else of it. Raises `Invalid` for half a form."""
    if "priority" not in request.POST:
        raise Invalid(
            "The form came without its fields; nothing was changed.", fields={"priority": ["Send the form whole."]}
        )
    return Content(priority=sent["priority"], client_visible=bool(sent["client_visible"]))


def _listed(text: str) -> list[str] | None:
    """Comma-separated words; None when nothing is said, [] for “none”."""
    words = [word.strip() for word in text.split(",") if word.strip()]
    if not words:
        return None
    return [] if [word.lower() for word in words] == [NONE_STATED] else words


def _amount(text: str) -> Decimal | None:
    if not text.strip():
        return None
    try:
        return Decimal(text.strip().removeprefix("$"))
    except InvalidOperation:
        raise Invalid(
            "The budget is not an amount.", fields={"budget_usd": ["Give US dollars, such as 2.50."]}
        ) from None


def _form(
    request: PageRequest, sent: dict[str, Any], *, story: Story | None = None, problem: GuildhallError | None = None
) -> HttpResponse:
    context = {
        "sent": sent,
        "story": story,
        "problem": problem,
        "projects": list(Project.objects.values_list("key", "name")) if story is None else [],
        **options(request.actor, story),
        "sizes": SIZES,
        "priorities": PRIORITIES,
        "settled": story is not None and story.state not in EDITABLE,
    }
    return render(request, "workflows/story_form.html", context, status=problem.status if problem else 200)
