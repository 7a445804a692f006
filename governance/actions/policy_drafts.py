"""Proposals for the policy: writing, asking, giving back and withdrawing them. Nothing here changes what is in force."""

from typing import Any

from django.db.models.functions import Now

from governance.actions.approvals import request_approval
from governance.actions.policy import read_policy, text_digest
from governance.models import DraftState, PolicyDraft
from governance.people import people
from governance.policies.change import CHANGE, deciders_left, locks_out, loosened, risk_of_change
from governance.policies.document import PolicyDocument
from governance.policies.document_text import one_ending
from governance.policy_events import (
    PolicyDrafted,
    PolicyDraftEdited,
    PolicyDraftReturned,
    PolicyDraftSubmitted,
    PolicyDraftWithdrawn,
)
from governance.selectors.policy import ActivePolicy, active_policy
from governance.views import ApprovalView
from guildhall.kernel.actions import governed, record
from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import Conflict, Denied, Invalid, Stale
from guildhall.kernel.reasons import reason_problems


@governed("policy.draft", lock=None)
def draft_policy(*, actor: Actor, text: str, reason: str) -> PolicyDraft:
    """Propose `text` (YAML) as the next policy. Raises `Invalid` with one message per wrong line."""
    text, active = _checked(text, reason)
    draft = PolicyDraft.objects.create(
        text=text,
        digest=text_digest(text),
        base_version=active.version,
        reason=reason.strip()[:300],
        authors=[actor.ref],
    )
    draft.refresh_from_db()
    record(
        PolicyDrafted(
            subject=draft.ref,
            draft=draft.pk,
            digest=draft.digest,
            base_version=draft.base_version,
            reason=draft.reason,
        ),
        actor=actor,
        after=_facts(draft),
        reason=draft.reason,
    )
    return draft


@governed("policy.edit_draft", lock="draft")
def edit_policy_draft(*, actor: Actor, draft: PolicyDraft, text: str, reason: str, revision: int) -> PolicyDraft:
    """Change a draft, and base it on the policy that is in force now. What was asked about it is void.

    Raises `Invalid`, `Stale` when `revision` is not the present one, `Conflict` when it is in force or withdrawn.
    """
    _refuse_closed(draft)
    if revision != draft.revision:
        raise Stale(f"{draft} was changed meanwhile; look at revision {draft.revision} first.")
    text, active = _checked(text, reason)
    before = _facts(draft)
    draft.write()
    draft.text, draft.digest, draft.reason = text, text_digest(text), reason.strip()[:300]
    draft.base_version, draft.asked_by, draft.state_reason = active.version, "", ""
    draft.authors = sorted({*draft.authors, actor.ref})
    draft.revision += 1
    draft.save()
    PolicyDraft.objects.filter(pk=draft.pk).update(changed_at=Now())
    draft.refresh_from_db()
    record(
        PolicyDraftEdited(
            subject=draft.ref,
            draft=draft.pk,
            digest=draft.digest,
            base_version=draft.base_version,
            revision=draft.revision,
        ),
        actor=actor,
        before=before,
        after=_facts(draft),
    )
    return draft


def submit_policy_draft(*, actor: Actor, draft: PolicyDraft, digest: str) -> ApprovalView:
    """Ask people to put a draft into force; `digest` is of the text that the asker looked at. Returns the approval.

    Raises `Conflict` when the draft is another by now, is not based on the policy in force, changes nothing, would
    lock everybody out, or when too few people could approve it.
    """
    return ask_for(actor=actor, draft=_submit(actor=actor, draft=draft, digest=digest))


def ask_for(*, actor: Actor, draft: PolicyDraft) -> ApprovalView:
    """The approval of a submitted draft, asked once: the same draft gives the same question."""
    before, after = active_policy().document, read_policy(draft.text)
    found = loosened(before, after)
    lines = [draft.reason, "", *(["It loosens:"] if found else ["It loosens nothing."]), *(f"- {one}" for one in found)]
    return request_approval(
        actor=actor,
        kind=CHANGE,
        subject=draft.ref,
        title=f"Put policy draft {draft.pk} into force: {draft.reason}",
        summary="\n".join(lines),
        binding={"draft": draft.pk, "text_digest": draft.digest, "base_version": draft.base_version},
        risk=risk_of_change(before, after),
        requester=draft.asked_by,
        excluded=draft.authors,
    )


@governed("policy.submit_draft", lock="draft")
def _submit(*, actor: Actor, draft: PolicyDraft, digest: str) -> PolicyDraft:
    _refuse_closed(draft)
    if digest != draft.digest:
        raise Conflict(f"{draft} was changed since you looked at it; look once more.")
    if draft.state == DraftState.ASKED:
        raise Conflict(f"{draft} waits for its approval already.")
    active, document = active_policy(), read_policy(draft.text)
    _refuse_unaskable(actor, draft, active, document)
    draft.ask()
    draft.asked_by, draft.state_reason = actor.ref, ""
    draft.save(update_fields=["state", "asked_by", "state_reason"])
    found = loosened(active.document, document)
    record(
        PolicyDraftSubmitted(
            subject=draft.ref,
            draft=draft.pk,
            digest=draft.digest,
            base_version=draft.base_version,
            risk=str(risk_of_change(active.document, document)),
            loosens=found,
        ),
        actor=actor,
        before={"state": "draft"},
        after={"state": draft.state},
        reason=draft.reason,
    )
    return draft


def _refuse_unaskable(actor: Actor, draft: PolicyDraft, active: ActivePolicy, document: PolicyDocument) -> None:
    if draft.base_version != active.version:
        raise Conflict(
            f"{draft} was written on version {draft.base_version}, and version {active.version} is in force. Edit it: "
            "it is then compared with that one."
        )
    if draft.text == active.text:
        raise Conflict("It says what the policy in force says; there is nothing to approve.")
    members = people()
    if problem := locks_out(active.document, document, members):
        raise Conflict(problem)
    risk = risk_of_change(active.document, document)
    needed = active.document.approvers(CHANGE, risk)
    there = deciders_left(active.document, members, {*draft.authors, actor.ref})
    if there < needed:
        roles = " or ".join(active.document.deciders(CHANGE))
        raise Conflict(
            f"A change of {risk} risk needs {needed} {'people' if needed > 1 else 'person'} with the role {roles} besides "
            f"you and its authors; there {'is' if there == 1 else 'are'} {there}. Invite somebody, or have another write it."
        )


@governed("policy.return_draft", lock="draft")
def return_draft(*, actor: Actor, draft: PolicyDraft, reason: str) -> PolicyDraft:
    """Give a draft back that waited for an approval. Raises `Conflict` when it does not wait."""
    if draft.state != DraftState.ASKED:
        raise Conflict(f"{draft} does not wait for an approval.")
    draft.write()
    draft.asked_by, draft.state_reason = "", reason[:300]
    draft.save(update_fields=["state", "asked_by", "state_reason"])
    record(
        PolicyDraftReturned(subject=draft.ref, draft=draft.pk, reason=draft.state_reason),
        actor=actor,
        before={"state": "asked"},
        after={"state": draft.state},
        reason=draft.state_reason,
    )
    return draft


@governed("policy.withdraw_draft", lock="draft")
def withdraw_policy_draft(*, actor: Actor, draft: PolicyDraft, reason: str = "") -> PolicyDraft:
    """Take a proposal back; what was asked about it is void. For its authors and admins."""
    if actor.ref not in draft.authors and not actor.has_role("admin"):
        raise Denied("Only those who wrote it and admins withdraw a proposal.")
    _refuse_closed(draft)
    before = draft.state
    draft.withdraw()
    draft.state_reason = reason.strip()[:300]
    draft.save(update_fields=["state", "state_reason"])
    record(
        PolicyDraftWithdrawn(subject=draft.ref, draft=draft.pk, reason=draft.state_reason),
        actor=actor,
        before={"state": before},
        after={"state": draft.state},
        reason=draft.state_reason,
    )
    return draft


def _checked(text: str, reason: str) -> tuple[str, ActivePolicy]:
    text = one_ending(text)
    problems: dict[str, list[str]] = {}
    if wrong := reason_problems(reason):
        problems["reason"] = wrong
    try:
        read_policy(text, proposed=True)
    except Invalid as wrong:
        problems |= wrong.fields
    if problems:
        raise Invalid("This cannot be proposed.", fields=problems)
    return text, active_policy()


def _refuse_closed(draft: PolicyDraft) -> None:
    if draft.state in (DraftState.ACTIVATED, DraftState.WITHDRAWN):
        raise Conflict(f"{draft} is {draft.get_state_display().lower()}; propose a new one.")


def _facts(draft: PolicyDraft) -> dict[str, Any]:
    return {"digest": draft.digest, "base_version": draft.base_version, "state": draft.state}
