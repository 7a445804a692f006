"""Pages of the policy: what is in force, its versions, proposing a change, and what a proposal would do."""

from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render

from governance.actions.policy_drafts import (
    draft_policy,
    edit_policy_draft,
    submit_policy_draft,
    withdraw_policy_draft,
)
from governance.models import PolicyDraft
from governance.policies.change import DRAFTERS
from governance.policies.document_text import MAX_CHARS, PolicyError, decode_policy, one_ending, parse_policy
from governance.policies.tool_names import unknown_tool
from governance.selectors import active_policy
from governance.selectors.confidence import calibration_of
from governance.selectors.policy import diff_lines, drafts_visible_to, find_draft, find_policy, policies_visible_to
from governance.selectors.simulation import simulation_of
from governance.web.policy_shown import shown_draft, simulated
from guildhall.kernel.errors import Denied, GuildhallError, Invalid
from guildhall.portal.registry import parties
from guildhall.portal.views import PageRequest, form_page, page

SHOWN = 50
STATE_TONES = {"draft": "t-idle", "asked": "t-wait", "activated": "t-ok", "withdrawn": "t-idle"}


@dataclass(frozen=True, slots=True)
class WrongLine:
    """A line of a text that is no policy, and what is wrong in it."""

    number: int
    text: str
    messages: list[str]


@page
def policies(request: PageRequest) -> HttpResponse:
    """What is in force, proposals, all versions, and how right agents' confidence was."""
    actor = request.actor
    versions = list(policies_visible_to(actor)[:SHOWN])
    drafts = list(drafts_visible_to(actor)[:SHOWN])
    known = parties([row.made_by for row in versions] + [author for draft in drafts for author in draft.authors])
    context = {
        "tab": "policies",
        "active": next((row for row in versions if row.active), None),
        "versions": [(row, known[row.made_by]) for row in versions],
        "drafts": [_row(draft, [known[author].name for author in draft.authors]) for draft in drafts],
        "calibration": calibration_of(actor),
        "may_write": actor.has_role(*DRAFTERS),
    }
    return render(request, "governance/policies.html", context)


def _row(draft: PolicyDraft, authors: list[str]) -> dict[str, Any]:
    return {"draft": draft, "authors": ", ".join(authors), "tone": STATE_TONES[draft.state]}


@page
def version(request: PageRequest, version: int) -> HttpResponse:
    """One version as it was written, and how it differs from the one before it."""
    row = find_policy(request.actor, version)
    before = policies_visible_to(request.actor).filter(version__lt=row.version).first()
    context = {
        "tab": "policies",
        "row": row,
        "before": before,
        "diff": diff_lines(before.text, row.text) if before else [],
        "may_write": request.actor.has_role(*DRAFTERS),
    }
    return render(request, "governance/policy_version.html", context)


@form_page
def propose(request: PageRequest) -> HttpResponse:
    """The editor, with the text in force or, to go back, that of another version."""
    _refuse_reader(request)
    wanted = request.GET.get("from", "")
    source = find_policy(request.actor, int(wanted)) if wanted.isdecimal() and len(wanted) < 10 else None
    reason = f"Back to version {source.version}: " if source else ""
    if request.method == "GET" or request.method == "HEAD":
        return _editor(request, source.text if source else active_policy().text, reason)
    text, reason = "", request.POST.get("reason", "")
    try:
        text = _sent(request)
        draft = draft_policy(actor=request.actor, text=text, reason=reason)
    except (GuildhallError, PolicyError) as problem:
        return _editor(request, text or request.POST.get("text", ""), reason, problem)
    messages.success(request, "The proposal is kept. It changes nothing until others have approved it.")
    return redirect("policy-draft", number=draft.pk)


@form_page
def edit(request: PageRequest, number: int) -> HttpResponse:
    """The editor of a proposal. Saving it takes back what was asked about it."""
    draft = find_draft(request.actor, number)
    _refuse_reader(request)
    if request.method == "GET" or request.method == "HEAD":
        return _editor(request, draft.text, draft.reason, draft=draft)
    text, reason, revision = "", request.POST.get("reason", ""), request.POST.get("revision", "")
    try:
        text = _sent(request)
        edit_policy_draft(
            actor=request.actor,
            draft=draft,
            text=text,
            reason=reason,
            revision=int(revision) if revision.isdecimal() and len(revision) < 10 else 0,
        )
    except (GuildhallError, PolicyError) as problem:
        return _editor(request, text or request.POST.get("text", ""), reason, problem, draft)
    messages.success(request, "The proposal is changed. What was asked about it before is void.")
    return redirect("policy-draft", number=draft.pk)


@form_page
def draft(request: PageRequest, number: int) -> HttpResponse:
    """A proposal: how it differs, what it loosens, what it would have done, and asking for it."""
    row = find_draft(request.actor, number)
    if request.method == "POST":
        return _act(request, row)
    return _show(request, row)


def _act(request: PageRequest, row: PolicyDraft) -> HttpResponse:
    act = request.POST.get("act", "")
    try:
        if act == "submit":
            submit_policy_draft(actor=request.actor, draft=row, digest=request.POST.get("digest", ""))
            said = "Others are asked now. It comes into force by their approval."
        elif act == "withdraw":
            withdraw_policy_draft(actor=request.actor, draft=row)
            said = "The proposal is withdrawn."
        else:
            raise Invalid("There is no such act.", fields={"act": ["Choose submit or withdraw."]})
    except GuildhallError as problem:
        return _show(request, find_draft(request.actor, row.pk), problem)
    messages.success(request, said)
    return redirect("policy-draft", number=row.pk)


def _show(request: PageRequest, row: PolicyDraft, problem: GuildhallError | None = None) -> HttpResponse:
    shown, actor = shown_draft(row), request.actor
    open_ = row.state in ("draft", "asked")
    context = {
        "tab": "policies",
        "draft": row,
        "shown": shown,
        "tone": STATE_TONES[row.state],
        "authors": [party.name for party in parties(row.authors).values()],
        "found": simulated(simulation_of(actor, parse_policy(row.text))) if open_ else None,
        "may_write": open_ and actor.has_role(*DRAFTERS),
        "may_withdraw": open_ and (actor.ref in row.authors or actor.has_role("admin")),
        "problem": problem,
    }
    return render(request, "governance/policy_draft.html", context, status=problem.status if problem else 200)


def _refuse_reader(request: PageRequest) -> None:
    if not request.actor.has_role(*DRAFTERS):
        roles = ", ".join(role.replace("_", " ") for role in sorted(DRAFTERS))
        raise Denied(f"Proposing a policy needs one of the roles {roles}.")


def _sent(request: PageRequest) -> str:
    """The text of the form, or of the file that came with it. Raises `PolicyError` where that is no text."""
    sent = request.FILES.get("file")
    if sent is None:
        return one_ending(request.POST.get("text", ""))
    return one_ending(decode_policy(sent.read(4 * MAX_CHARS)))


def _editor(
    request: PageRequest,
    text: str,
    reason: str,
    problem: GuildhallError | PolicyError | None = None,
    draft: PolicyDraft | None = None,
) -> HttpResponse:
    unread = isinstance(problem, PolicyError)
    if isinstance(problem, PolicyError):
        said = "; ".join(f"line {line}: {message}" for line, message in problem.problems)
        problem = Invalid(f"The file cannot be read: {said}.")
    context = {
        "tab": "policies",
        "text": text,
        "reason": reason,
        "draft": draft,
        "problem": problem,
        "wrong": _wrong_lines(text) if problem and not unread else [],
        "rows": min(max(text.count("\n") + 2, 20), 48),
    }
    return render(request, "governance/policy_editor.html", context, status=problem.status if problem else 200)


def _wrong_lines(text: str) -> list[WrongLine]:
    """The lines that are wrong, each with what is wrong in it."""
    try:
        parse_policy(text, tools=unknown_tool)
    except PolicyError as error:
        lines = text.split("\n")
        said: dict[int, list[str]] = {}
        for number, message in error.problems:
            said.setdefault(number, []).append(message)
        return [
            WrongLine(number, lines[number - 1] if number <= len(lines) else "", told)
            for number, told in sorted(said.items())
        ]
    return []
