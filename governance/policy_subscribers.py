"""What follows from decisions about the policy: it comes into force, or its draft goes back to those who wrote it."""

import logging

from governance.actions.limits import remove_limit, set_limit
from governance.actions.outcomes import record_outcome, void_approvals
from governance.actions.policy import activate_draft
from governance.actions.policy_drafts import ask_for, return_draft
from governance.events import (
    ApprovalDecided,
    ApprovalExpired,
    ApprovalVoided,
    BudgetLimitRemoved,
    BudgetLimitSet,
    PolicyActivated,
)
from governance.models import BudgetLimit, DraftState, Policy, PolicyDraft
from governance.policies.document import PolicyDocument
from governance.policy_events import PolicyDraftEdited, PolicyDraftSubmitted, PolicyDraftWithdrawn
from governance.selectors import latest_approval
from guildhall.evidence.selectors import done_since
from guildhall.kernel.actor import Actor, system_actor
from guildhall.kernel.consumers import Delivered, consumer
from guildhall.kernel.errors import Conflict, NotFound

logger = logging.getLogger(__name__)


def _platform(event: Delivered) -> Actor:
    return system_actor("policy", event.tenant)


def _draft(subject: str) -> PolicyDraft | None:
    kind, _, pk = subject.partition(":")
    return PolicyDraft.objects.filter(pk=int(pk)).first() if kind == "policy_draft" else None


@consumer("governance.policy_asked", kinds=[PolicyDraftSubmitted, PolicyDraftEdited, PolicyDraftWithdrawn])
def keep_asked(event: Delivered) -> None:
    """A submitted draft is asked for, also when whoever submitted it died on the way; another text voids the question."""
    told = event.data
    draft = _draft(told.subject)
    if draft is None:
        return
    if isinstance(told, PolicyDraftSubmitted):
        if draft.state == DraftState.ASKED and draft.digest == told.digest and not _asked(draft):
            ask_for(actor=_platform(event), draft=draft)
        return
    last = latest_approval(draft.ref)
    if last is not None and (draft.state != DraftState.ASKED or last.binding.get("text_digest") != draft.digest):
        void_approvals(actor=_platform(event), subject=draft.ref, reason=f"{draft} was changed or withdrawn")


def _asked(draft: PolicyDraft) -> bool:
    last = latest_approval(draft.ref)
    return last is not None and last.state in ("pending", "approved") and last.binding["text_digest"] == draft.digest


@consumer("governance.policy_decided", kinds=[ApprovalDecided, ApprovalExpired, ApprovalVoided])
def carry_out(event: Delivered) -> None:
    """An approved draft comes into force and its approval gets the receipt; any other end gives the draft back."""
    decided = event.data
    assert isinstance(decided, ApprovalDecided | ApprovalExpired | ApprovalVoided)
    if decided.approval_kind != "policy_change":
        return
    draft = _draft(decided.about)
    last = latest_approval(decided.about)
    if draft is None or last is None or last.number != decided.number:
        return
    if isinstance(decided, ApprovalDecided) and decided.decision == "approved":
        _activate(event, draft, decided.number)
    elif draft.state == DraftState.ASKED:
        _give_back(event, draft, event.data.sentence())


def _activate(event: Delivered, draft: PolicyDraft, number: int) -> None:
    actor = _platform(event)
    try:
        draft = activate_draft(actor=actor, draft=draft, approval=number)
    except (Conflict, NotFound) as refusal:
        # Told again, it is in force already and lacks only its receipt.
        done = Policy.objects.filter(approval=number).first()
        if done is None:
            logger.warning("approval %s puts no policy into force: %s", number, refusal.detail)
            void_approvals(actor=actor, subject=draft.ref, reason=refusal.detail[:300])
            _give_back(event, draft, refusal.detail)
            return
    version = Policy.objects.get(approval=number)
    try:
        receipt = {"policy_version": version.version, "text_digest": version.digest}
        record_outcome(actor=actor, approval=number, receipt=receipt)
    except Conflict as known:
        logger.info("approval %s has its outcome: %s", number, known.detail)


def _give_back(event: Delivered, draft: PolicyDraft, reason: str) -> None:
    try:
        return_draft(actor=_platform(event), draft=draft, reason=reason)
    except Conflict as known:
        logger.info("%s is back already: %s", draft, known.detail)


@consumer("governance.policy_activated", kinds=[PolicyActivated])
def follow(event: Delivered) -> None:
    """What else was asked on the version before is void; budgets that the new version changes become limits."""
    activated = event.data
    assert isinstance(activated, PolicyActivated)
    active = Policy.objects.filter(active=True).first()
    if active is None or active.version != activated.number:
        return
    reason = f"Version {active.version} of the policy came into force; it has to be compared with that one."
    for draft in PolicyDraft.objects.filter(state=DraftState.ASKED).exclude(base_version=active.version):
        void_approvals(actor=_platform(event), subject=draft.ref, reason=reason)
        _give_back(event, draft, reason)
    before = Policy.objects.filter(version=active.version - 1).first()
    if before is not None:
        _set_limits(event, before, active)


def _set_limits(event: Delivered, before: Policy, after: Policy) -> None:
    """Only what this version says otherwise: limits that people set by hand, also since then, stay as they are."""
    actor = _platform(event)
    old, new = (
        {(budget.scope, budget.window): budget.usd for budget in PolicyDocument.model_validate(row.document).budgets}
        for row in (before, after)
    )
    for scope, window in sorted({*old, *new}):
        wanted = new.get((scope, window))
        subject = BudgetLimit(scope_kind=scope, scope_id="", window=window).ref
        set_since = done_since(kinds=[BudgetLimitSet.kind, BudgetLimitRemoved.kind], subject=subject, since=event.at)
        if wanted == old.get((scope, window)) or set_since:
            continue
        if wanted is not None:
            set_limit(actor=actor, kind=scope, scope_id="", window=window, amount=wanted)
            continue
        try:
            remove_limit(actor=actor, kind=scope, scope_id="", window=window)
        except NotFound as gone:
            logger.info("no limit to remove: %s", gone.detail)
