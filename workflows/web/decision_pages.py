"""The decision log, a decision with its alternatives and what it affects, and the forms that write it."""

from typing import Any

from django.core.paginator import Paginator
from django.http import HttpResponse, QueryDict
from django.shortcuts import render
from django.urls import reverse

from guildhall.evidence.selectors import trail
from guildhall.kernel.errors import Denied, GuildhallError, Invalid
from guildhall.portal.activity import entries
from guildhall.portal.registry import address_of
from guildhall.portal.views import PageRequest, form_page, page
from workflows.actions import decide, edit_decision, propose_decision, supersede_decision
from workflows.models import Decision
from workflows.models.planning import DecisionKind
from workflows.policies import sees_all
from workflows.selectors import tree
from workflows.selectors.plan_offers import may, plan_offers
from workflows.web.plan_form import Field, Form, Sent, lines, serve, version_of, whole, words
from workflows.web.sprint_apis import narrowed_decisions
from workflows.web.strategy_pages import done_or_shown, refuse_clients

PAGE_SIZE = 30
VERDICTS = {"": "All", "proposed": "Proposed", "approved": "Approved", "rejected": "Rejected"}
TONES = {"proposed": "t-wait", "approved": "t-ok", "rejected": "t-bad"}
DECISIONS = ("Decisions", "/decisions/")
SHOWN_ENTRIES = 20


def tone_of(row: Decision) -> str:
    """A superseded decision is quiet, whatever it was."""
    return "t-idle" if row.superseded_by_id else TONES[row.verdict]


@page
def decisions(request: PageRequest) -> HttpResponse:
    """The log, newest first; filters live in the address."""
    refuse_clients(request)
    wanted = {name: request.GET.get(name, "").strip()[:160] for name in ("verdict", "kind", "affects", "q")}
    wanted["verdict"] = wanted["verdict"] if wanted["verdict"] in VERDICTS else ""
    wanted["kind"] = wanted["kind"] if wanted["kind"] in DecisionKind.values else ""
    given = {name: value for name, value in wanted.items() if value}
    rows = tree.decisions_visible_to(request.actor).order_by("-id")
    rows = rows.filter(**{name: given[name] for name in ("verdict", "kind") if name in given})
    pages = Paginator(narrowed_decisions(rows, given), PAGE_SIZE).get_page(request.GET.get("page"))
    context = {
        "rows": [(row, tone_of(row), affected(row)) for row in pages],
        "pages": pages,
        "query": _address(given) + "&" if given else "",
        "wanted": wanted,
        "chips": [
            (label, "?" + _address({**given, "verdict": verdict}), verdict == wanted["verdict"])
            for verdict, label in VERDICTS.items()
        ],
        "kinds": [("", "All kinds"), *DecisionKind.choices],
        "filtered": bool(given),
    }
    return render(request, "workflows/decisions.html", context)


def _address(given: dict[str, str]) -> str:
    query = QueryDict(mutable=True)
    query.update({name: value for name, value in given.items() if value})
    return query.urlencode()


def affected(row: Decision) -> list[tuple[str, str]]:
    """What it affects: words and an address, "" when it is shown nowhere."""
    return [(ref.replace(":", " ") if not _named(ref) else _named(ref), address_of(ref)) for ref in row.affects]


def _named(ref: str) -> str:
    kind, _, identity = ref.partition(":")
    return identity if kind in ("story", "task", "project") else ""


@form_page
def decision(request: PageRequest, pk: int) -> HttpResponse:
    """One decision; product owners approve, reject or supersede it here."""
    row = tree.find_decision(request.actor, pk)
    if request.method != "POST":
        return _show(request, row)

    def act() -> str:
        sent = request.POST
        version = whole(sent.get("version", ""), "version")
        name = sent.get("act", "")
        if name in ("approve", "reject"):
            feedback = sent.get("feedback", "")
            decide(actor=request.actor, decision=row, approve=name == "approve", feedback=feedback, version=version)
            return f"The decision is {'approved' if name == 'approve' else 'rejected'}."
        if name == "supersede":
            by = tree.find_decision(request.actor, whole(sent.get("by", ""), "by") or 0)
            supersede_decision(actor=request.actor, decision=row, by=by, version=version)
            return f"“{by.title}” stands in its place."
        raise Invalid("A decision has no such act.", fields={"act": ["Choose approve, reject or supersede."]})

    return done_or_shown(request, act, lambda problem: _show(request, tree.find_decision(request.actor, pk), problem))


def _show(request: PageRequest, row: Decision, problem: GuildhallError | None = None) -> HttpResponse:
    actor = request.actor
    allowed = may(actor, row)
    later = tree.decisions_visible_to(actor).filter(pk__gt=row.pk, verdict="approved", superseded_by__isnull=True)
    context = {
        "row": row,
        "tone": tone_of(row),
        "may": allowed,
        "refused": [(offer.label, " ".join(offer.reasons)) for offer in plan_offers(actor, row) if not offer.allowed],
        "affected": affected(row),
        "supersedes": list(tree.decisions_visible_to(actor).filter(superseded_by=row).order_by("id")),
        "successors": list(later.order_by("-id")[:100]) if allowed["supersede"] else [],
        "entries": entries(trail([row.ref], SHOWN_ENTRIES)),
        "problem": problem,
        "sent": request.POST,
    }
    return render(request, "workflows/decision.html", context, status=problem.status if problem else 200)


def _fields(*first: Field) -> tuple[Field, ...]:
    return (
        *first,
        Field("title", "What is decided", required=True),
        Field("rationale", "Why", "area", limit=20_000, rows=6, required=True),
        Field(
            "alternatives", "Instead of", "area", "One a line: the alternative | why it was not taken", limit=100_000
        ),
        Field(
            "affects", "What it affects", hint="References with commas between: story:SHOP-142, council:7", limit=8000
        ),
    )


def _values(sent: Sent) -> dict[str, Any]:
    alternatives = []
    for line in lines(sent["alternatives"]):
        title, _, why_not = line.partition("|")
        alternatives.append({"title": title.strip(), "why_not": why_not.strip()})
    return {
        "title": sent["title"],
        "rationale": sent["rationale"],
        "alternatives": alternatives,
        "affects": words(sent["affects"]),
    }


@form_page
def new_decision(request: PageRequest) -> HttpResponse:
    """Propose a decision."""
    if not sees_all(request.actor):
        raise Denied("Decisions are proposed by members of the team.")

    def act(sent: Sent) -> tuple[str, str]:
        made = propose_decision(actor=request.actor, kind=sent["kind"], **_values(sent))
        return "The decision is proposed; a product owner approves or rejects it.", reverse("decision", args=[made.pk])

    kinds = Field("kind", "Kind", "select", options=tuple((k.value, k.label) for k in DecisionKind))
    form = Form(
        heading="Propose a decision",
        sub="What, why, and instead of what. It is kept, also when it is rejected.",
        save="Propose it",
        back=DECISIONS[1],
        crumbs=(DECISIONS,),
        fields=_fields(kinds),
        act=act,
        initial={"affects": request.GET.get("affects", "")[:160], "kind": request.GET.get("kind", "")},
    )
    return serve(request, form)


@form_page
def edit(request: PageRequest, pk: int) -> HttpResponse:
    """Change a proposal that nobody has decided on."""
    row = tree.find_decision(request.actor, pk)
    url = reverse("decision", args=[pk])

    def act(sent: Sent) -> tuple[str, str]:
        change: Any = _values(sent)
        edit_decision(actor=request.actor, decision=row, change=change, version=version_of(sent))
        return "The proposal is changed.", url

    form = Form(
        heading="Edit the proposal",
        save="Save the proposal",
        back=url,
        crumbs=(DECISIONS, (f"Decision {pk}", url)),
        fields=_fields(),
        act=act,
        initial={
            "title": row.title,
            "rationale": row.rationale,
            "alternatives": "\n".join(
                f"{one['title']} | {one['why_not']}" if one["why_not"] else one["title"] for one in row.alternatives
            ),
            "affects": ", ".join(row.affects),
        },
        version=row.version,
    )
    return serve(request, form)
