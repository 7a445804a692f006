"""Putting a policy into force: the founding one by the platform, every later one by an approval of exactly its text."""

import hashlib

from django.db.models import Max

from governance.events import PolicyActivated
from governance.models import Policy, PolicyDraft
from governance.people import people
from governance.policies.change import locks_out
from governance.policies.document import PolicyDocument
from governance.policies.document_text import PolicyError, parse_policy
from governance.policies.tool_names import unknown_tool
from governance.selectors.approvals import approved_for
from guildhall.kernel.actions import governed, record
from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import Conflict, Invalid


def text_digest(text: str) -> str:
    """SHA-256 (hex) of a policy's text: what its approval is bound to."""
    return hashlib.sha256(text.encode()).hexdigest()


def read_policy(text: str, *, proposed: bool = False) -> PolicyDocument:
    """The policy in `text`. Raises `Invalid` with one message `line N: …` per problem.

    One that is only `proposed` may name no tool that nobody knows.
    """
    try:
        return parse_policy(text, tools=unknown_tool if proposed else None)
    except PolicyError as error:
        messages = [f"line {line}: {message}" for line, message in error.problems]
        raise Invalid("This is not a policy.", fields={"text": messages}) from None


@governed("policy.found", lock=None)
def found_policy(*, actor: Actor, text: str) -> int:
    """Give a new tenant its first policy and return its number, 1. Raises `Invalid`; `Conflict` when there is one."""
    document = read_policy(text)
    if Policy.objects.exists():
        raise Conflict("There is a policy already; a change of it needs an approval.")
    return _put_into_force(actor, text, document, version=1, before=None, approval=None).version


@governed("policy.activate", lock="draft")
def activate_draft(*, actor: Actor, draft: PolicyDraft, approval: int) -> PolicyDraft:
    """Put a draft into force for which approval number `approval` was given.

    Raises `Conflict` when the approval is not of exactly this text on exactly the version that is in force now, was
    used already, or when nobody could change the policy afterwards.
    """
    digest = text_digest(draft.text)
    if draft.state != "asked" or draft.digest != digest:
        raise Conflict(f"{draft} is not what was asked for any more.")
    approved_for(approval, {"draft": draft.pk, "text_digest": digest, "base_version": draft.base_version})
    before = Policy.objects.select_for_update().filter(active=True).first()
    latest = Policy.objects.aggregate(latest=Max("version"))["latest"] or 0
    if before is None or (before.version, latest) != (draft.base_version, draft.base_version):
        raise Conflict(f"Another policy came into force since {draft} was written on version {draft.base_version}.")
    document = read_policy(draft.text)
    if problem := locks_out(PolicyDocument.model_validate(before.document), document, people()):
        raise Conflict(problem)
    Policy.objects.filter(active=True).update(active=False)
    policy = _put_into_force(actor, draft.text, document, version=latest + 1, before=before, approval=approval)
    draft.activate()
    draft.activated_as = policy.version
    draft.state_reason = ""
    draft.save(update_fields=["state", "activated_as", "state_reason"])
    return draft


def _put_into_force(
    actor: Actor, text: str, document: PolicyDocument, *, version: int, before: Policy | None, approval: int | None
) -> Policy:
    policy = Policy.objects.create(
        version=version,
        text=text,
        document=document.model_dump(mode="json"),
        digest=text_digest(text),
        active=True,
        approval=approval,
        made_by=actor.ref,
    )
    record(
        PolicyActivated(subject=policy.ref, number=policy.version, digest=policy.digest),
        actor=actor,
        before={"version": before.version, "digest": before.digest} if before else None,
        after={"version": policy.version, "digest": policy.digest, "approval": approval},
    )
    return policy
