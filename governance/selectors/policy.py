"""The policy in force, its versions, and what is proposed for the next one."""

import difflib
from dataclasses import dataclass
from datetime import datetime

from django.db.models import QuerySet

from governance.models import Policy, PolicyDraft
from governance.policies.document import PolicyDocument
from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import Denied, NotFound

CONTEXT_LINES = 3


@dataclass(frozen=True, slots=True)
class ActivePolicy:
    """The policy in force: its number, its text as written, and what it says."""

    version: int
    text: str
    document: PolicyDocument


@dataclass(frozen=True, slots=True)
class DiffLine:
    """One line of a diff: `mark` is + - @ or a space; numbers are those of the line before and after, None where it is
    not there."""

    mark: str
    text: str
    before: int | None = None
    after: int | None = None


def active_policy() -> ActivePolicy:
    """The tenant's policy. Raises `Denied` when none is loaded."""
    row = Policy.objects.filter(active=True).first()
    if row is None:
        raise Denied("No policy is loaded, so nothing is allowed.")
    return ActivePolicy(row.version, row.text, PolicyDocument.model_validate(row.document))


def policy_at(when: datetime | None) -> ActivePolicy:
    """The policy that was in force at `when`; None is now. Raises `Denied` when there was none."""
    row = Policy.objects.filter(made_at__lte=when).order_by("-version").first() if when else None
    return ActivePolicy(row.version, row.text, PolicyDocument.model_validate(row.document)) if row else active_policy()


def policies_visible_to(actor: Actor) -> QuerySet[Policy]:
    """All versions, newest first. Raises `Denied` for clients: how the house is run is not theirs to read."""
    _refuse_outsider(actor)
    return Policy.objects.order_by("-version")


def find_policy(actor: Actor, version: int) -> Policy:
    """One version. Raises `NotFound`."""
    row = policies_visible_to(actor).filter(version=version).first()
    if row is None:
        raise NotFound(f"There is no version {version} of the policy.")
    return row


def drafts_visible_to(actor: Actor) -> QuerySet[PolicyDraft]:
    """All proposals, newest first. Raises `Denied` for clients."""
    _refuse_outsider(actor)
    return PolicyDraft.objects.order_by("-id")


def find_draft(actor: Actor, number: int) -> PolicyDraft:
    """One proposal. Raises `NotFound`, whether it is missing or another tenant's."""
    row = drafts_visible_to(actor).filter(pk=number).first()
    if row is None:
        raise NotFound(f"There is no policy draft {number}.")
    return row


def _refuse_outsider(actor: Actor) -> None:
    if actor.is_person and not actor.roles - {"client"}:
        raise Denied("This is for members of the organisation, not for clients.")


def diff_lines(before: str, after: str) -> list[DiffLine]:
    """The changed lines with their neighbours, as people read them; empty where nothing changed."""
    old, new = before.split("\n"), after.split("\n")
    found: list[DiffLine] = []
    for group in difflib.SequenceMatcher(None, old, new, autojunk=False).get_grouped_opcodes(CONTEXT_LINES):
        found.append(DiffLine("@", f"line {group[0][3] + 1}"))
        for kind, old_from, old_to, new_from, new_to in group:
            if kind == "equal":
                pairs = zip(range(old_from, old_to), range(new_from, new_to), strict=True)
                found += [DiffLine(" ", old[i], i + 1, j + 1) for i, j in pairs]
                continue
            found += [DiffLine("-", old[i], i + 1, None) for i in range(old_from, old_to)]
            found += [DiffLine("+", new[j], None, j + 1) for j in range(new_from, new_to)]
    return found
