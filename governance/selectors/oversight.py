"""How one organisation's governance stands, for the platform's owners: counts, kinds and times, none of its people's words."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, F, Min, Q

from governance.models import AgentStanding, Approval, ApprovalState, DraftState, Hold, Policy, PolicyDraft, Violation
from governance.models.violations import ViolationKind, ViolationVerdict
from governance.scoring import is_restricted
from governance.selectors.money import budgets
from governance.selectors.reputation import standings
from governance.views import BudgetView, StandingView

NEAR, FULL = 80, 100
"""Percent of a limit from which on it is near its end, and at its end."""
LISTED = 50
ALARMING = Q(state=ApprovalState.APPROVED, alarmed_at__isnull=False)


@dataclass(frozen=True, slots=True)
class Overview:
    """One organisation in a line. `waiting` and `unexecuted` are approvals, `alarming` those that raised the alarm."""

    waiting: int
    oldest: datetime | None
    unexecuted: int
    alarming: int
    violations: int
    near: int
    full: int
    restricted: int
    version: int | None
    drafts: int
    asked: int
    holds: int
    stopped: int


@dataclass(frozen=True, slots=True)
class OpenApproval:
    """An approval that waits for people or for what was approved to be done."""

    number: int
    kind: str
    risk: str
    state: str
    since: datetime
    expires_at: datetime
    alarmed: bool


@dataclass(frozen=True, slots=True)
class HeldWork:
    """A kill switch of the organisation's own, with how much it stopped."""

    kind: str
    held_at: datetime
    lifted_at: datetime | None
    runs: int
    commands: int
    calls: int


@dataclass(frozen=True, slots=True)
class Draft:
    """A policy that was proposed and is neither in force nor withdrawn."""

    number: int
    base: int
    state: str
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class Detail:
    """One organisation whole: open approvals (alarms first, then the oldest), open violations by kind, limits that are
    near their end, agents (restricted ones first), the policy, and kill switches."""

    approvals: list[OpenApproval]
    violations: Mapping[str, int]
    oldest_violation: datetime | None
    budgets: list[BudgetView]
    agents: list[StandingView]
    version: int | None
    since: datetime | None
    drafts: list[Draft]
    holds: list[HeldWork]


def stalled() -> tuple[int, datetime | None]:
    """How many approvals were given, are not executed and have raised the alarm, and when the first was given."""
    found = Approval.objects.filter(ALARMING).aggregate(number=Count("pk"), since=Min("decided_at"))
    return found["number"], found["since"]


def overview() -> Overview:
    """The current tenant's, from seven queries."""
    pending, approved = Q(state=ApprovalState.PENDING), Q(state=ApprovalState.APPROVED)
    asked = Approval.objects.filter(pending | approved).aggregate(
        waiting=Count("pk", filter=pending),
        oldest=Min("requested_at", filter=pending),
        unexecuted=Count("pk", filter=approved),
        alarming=Count("pk", filter=ALARMING),
    )
    used = [one.percent for one in budgets()]
    drafts = PolicyDraft.objects.aggregate(
        drafts=Count("pk", filter=Q(state=DraftState.DRAFT)), asked=Count("pk", filter=Q(state=DraftState.ASKED))
    )
    holds = [len(stopped) for stopped in Hold.objects.filter(lifted_at=None).values_list("stopped", flat=True)]
    return Overview(
        **asked,
        violations=Violation.objects.filter(verdict=ViolationVerdict.OPEN).count(),
        near=sum(NEAR <= percent < FULL for percent in used),
        full=sum(percent >= FULL for percent in used),
        restricted=sum(map(is_restricted, AgentStanding.objects.values_list("score", flat=True))),
        version=Policy.objects.filter(active=True).values_list("version", flat=True).first(),
        **drafts,
        holds=len(holds),
        stopped=sum(holds),
    )


def detail() -> Detail:
    """The current tenant's, from seven queries; `LISTED` of each list at most."""
    open_ = Violation.objects.filter(verdict=ViolationVerdict.OPEN).values("kind").order_by("kind")
    kinds = list(open_.annotate(number=Count("pk"), oldest=Min("at")))
    policy = Policy.objects.filter(active=True).values_list("version", "made_at").first()
    near = [one for one in budgets() if one.percent >= NEAR]
    return Detail(
        approvals=_approvals(),
        violations={ViolationKind(row["kind"]).label: row["number"] for row in kinds},
        oldest_violation=min((row["oldest"] for row in kinds), default=None),
        budgets=sorted(near, key=lambda one: (-one.percent, one.scope_kind, one.scope_id))[:LISTED],
        agents=sorted(standings(), key=lambda one: (not one.restricted, one.score, one.agent))[:LISTED],
        version=policy[0] if policy else None,
        since=policy[1] if policy else None,
        drafts=[
            Draft(row.pk, row.base_version, row.get_state_display(), row.changed_at)
            for row in PolicyDraft.objects.filter(state__in=[DraftState.DRAFT, DraftState.ASKED])[:LISTED]
        ],
        holds=[held_work(row) for row in Hold.objects.order_by("-id")[:LISTED]],
    )


def _approvals() -> list[OpenApproval]:
    rows = Approval.objects.filter(state__in=[ApprovalState.PENDING, ApprovalState.APPROVED])
    urgent = rows.order_by(F("alarmed_at").asc(nulls_last=True), "id")[:LISTED]
    return [
        OpenApproval(
            row.pk,
            row.get_kind_display(),
            row.risk,
            row.get_state_display(),
            row.decided_at or row.requested_at,
            row.expires_at,
            row.alarmed_at is not None and row.state == ApprovalState.APPROVED,
        )
        for row in urgent
    ]


def held_work(row: Hold) -> HeldWork:
    """A kill switch without its reason and target."""
    inside = [(len(one["commands"]), len(one["calls"])) for one in row.stopped]
    return HeldWork(
        row.get_kind_display(),
        row.held_at,
        row.lifted_at,
        len(inside),
        sum(c for c, _ in inside),
        sum(c for _, c in inside),
    )
