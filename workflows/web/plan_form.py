"""One form for everything that is planned: its fields as data, errors beside them, the same template for all."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render

from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import GuildhallError, Invalid, NotFound
from guildhall.portal.views import PageRequest
from workflows.models import Project
from workflows.policies import OWNERS

Sent = dict[str, str]


@dataclass(frozen=True, slots=True)
class Field:
    """One input. `kind` is text, area, select, date or number; `aside` puts it into the narrow column."""

    name: str
    label: str
    kind: str = "text"
    hint: str = ""
    options: tuple[tuple[str, str], ...] = ()
    limit: int = 200
    rows: int = 4
    required: bool = False
    aside: bool = False
    value: str = ""
    errors: tuple[str, ...] = ()


@dataclass(frozen=True)
class Form:
    """A page with one form. `act` carries out what was sent: the words for the toast and where to go then."""

    heading: str
    save: str
    back: str
    crumbs: tuple[tuple[str, str], ...]
    fields: tuple[Field, ...]
    act: Callable[[Sent], tuple[str, str]]
    initial: Mapping[str, str] = field(default_factory=dict)
    sub: str = ""
    version: int | None = None


def may_open(actor: Actor) -> bool:
    """Whether the actor opens and changes projects."""
    return actor.has_role(*OWNERS)


def no_project_yet(request: PageRequest) -> HttpResponse | None:
    """The page that leads to the first project, where there is none to plan in; None where there is one."""
    if Project.objects.exists():
        return None
    return render(request, "workflows/no_project.html", {"opens": may_open(request.actor)})


def serve(request: PageRequest, form: Form) -> HttpResponse:
    """Show the form, or carry it out; what was refused is shown with what was sent."""
    if any(one.name == "project" for one in form.fields) and (nowhere := no_project_yet(request)):
        return nowhere
    names = [one.name for one in form.fields]
    if request.method != "POST":
        return _shown(request, form, {name: form.initial.get(name, "") for name in names}, None)
    sent = {name: request.POST.get(name, "").replace("\r\n", "\n") for name in [*names, "version"]}
    try:
        said, url = form.act(sent)
    except NotFound:
        raise
    except GuildhallError as error:
        return _shown(request, form, sent, error)
    messages.success(request, said)
    return redirect(url)


def _shown(request: PageRequest, form: Form, sent: Sent, problem: GuildhallError | None) -> HttpResponse:
    wrong = problem.fields if problem else {}
    fields = [replace(one, value=sent[one.name], errors=tuple(wrong.get(one.name, ()))) for one in form.fields]
    context = {
        "form": form,
        "wide": [one for one in fields if not one.aside],
        "narrow": [one for one in fields if one.aside],
        "problem": problem,
        "version": sent.get("version") or form.version or "",
    }
    return render(request, "workflows/plan_form.html", context, status=problem.status if problem else 200)


def version_of(sent: Sent) -> int | None:
    """The version that the form was made for."""
    text = sent.get("version", "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else None


def lines(text: str) -> list[str]:
    """The lines that say something."""
    return [line.strip() for line in text.split("\n") if line.strip()]


def words(text: str) -> list[str]:
    """Comma-separated words."""
    return [word.strip() for word in text.split(",") if word.strip()]


def amount(text: str, name: str = "budget_usd") -> Decimal | None:
    """US dollars, None for nothing. Raises `Invalid` for what is no amount."""
    if not text.strip():
        return None
    try:
        return Decimal(text.strip().removeprefix("$"))
    except InvalidOperation:
        raise Invalid("This is not an amount.", fields={name: ["Give US dollars, such as 2.50."]}) from None


def day(text: str, name: str) -> date | None:
    """A day, None for nothing. Raises `Invalid` for what is none."""
    if not text.strip():
        return None
    try:
        return date.fromisoformat(text.strip())
    except ValueError:
        raise Invalid("This is not a day.", fields={name: ["Give a day such as 2026-12-04."]}) from None


def whole(text: str, name: str) -> int | None:
    """A whole number, None for nothing. Raises `Invalid` for what is none."""
    if not text.strip():
        return None
    if not (text.strip().isascii() and text.strip().isdecimal()) or len(text.strip()) > 9:
        raise Invalid("This is not a number.", fields={name: ["Give a whole number."]})
    return int(text)


def plain(value: Any) -> str:
    """A column as a form's text."""
    if value is None:
        return ""
    return f"{value.normalize():f}" if isinstance(value, Decimal) else str(value)
