"""Agents as pages show them: standing, trend, results and what each may do unasked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from django.db.models import Count, Q
from django.utils import timezone

from governance.autonomy import ActionClass, Autonomy, Environment, Verdict, decide
from governance.scoring import RESTRICTED_BELOW, SHIPPED, PermissionLevel, ReputationKind, next_level
from governance.selectors import active_policy, spend_by, standing_of
from governance.selectors.reputation import all_standings, trends
from governance.views import ReputationChange, StandingView
from gpu_workers.models import Agent, Run
from gpu_workers.models.run import ENDED, RunState
from gpu_workers.runs.brief import DEFAULT_AUTONOMY
from gpu_workers.tools import tools_of
from gpu_workers.web.shown import agent_party
from guildhall.portal.registry import Party

DAYS = 30
WEEK = 7
LEVELS = {
    PermissionLevel.SANDBOX_ONLY: ("Sandbox only", 0, 89, "Own branch and sandbox. Every result is reviewed."),
    PermissionLevel.STAGING_ACCESS: ("Staging", 90, 129, "Works and deploys up to staging."),
    PermissionLevel.PROD_LOW_RISK: ("Prod, low risk", 130, 159, "Copy, styles, flags in production."),
    PermissionLevel.PROD_FULL_ACCESS: ("Prod, full", 160, None, "Any deployment, still within the policy."),
}
"""Name, first and last score, and what it is for."""
KINDS = {
    "run_succeeded": "Run succeeded",
    "run_failed": "Run failed",
    "cost_overrun": "Cost overrun",
    "violation": "Violation",
    "change_reverted": "Change reverted",
    "escalated": "Escalated to a person",
    "tests_passed": "Tests passed",
    "tests_failed": "Tests failed",
    "adjusted": "Adjusted",
    "decay": "Weeks without work",
}


@dataclass(frozen=True, slots=True)
class AgentRow:
    """One agent of the leaderboard. `success` is in percent, None where no run ended in the last 30 days."""

    agent: Agent
    who: Party
    standing: StandingView
    level: str
    trend: list[int]
    runs: int
    success: int | None
    per_run: Decimal | None

    @property
    def week(self) -> int:
        """What the last seven days changed."""
        return self.trend[-1] - self.trend[-1 - WEEK]


@dataclass(frozen=True, slots=True)
class _Results:
    """Ended runs, those that succeeded, and those that nobody cancelled."""

    runs: int = 0
    well: int = 0
    judged: int = 0


@dataclass(frozen=True, slots=True)
class Rung:
    """One level of the ladder with how many agents stand on it."""

    name: str
    scores: str
    words: str
    agents: int


def agent_rows(agents: Sequence[Agent]) -> list[AgentRow]:
    """Rows, best standing first; a fixed number of queries however many agents there are."""
    known, told = all_standings(), trends([agent.ref for agent in agents], days=DAYS)
    since = timezone.now() - timedelta(days=DAYS)
    ended = Run.objects.filter(agent__in=agents, state__in=ENDED, ended_at__gte=since).values("agent")
    counted = ended.annotate(
        runs=Count("pk"), well=Count("pk", filter=Q(state=RunState.SUCCEEDED)),
        judged=Count("pk", filter=~Q(state=RunState.CANCELLED)),
    ).order_by("agent")  # fmt: skip
    results = {int(row["agent"]): _Results(row["runs"], row["well"], row["judged"]) for row in counted}
    spent = {line.owner: line.spent for line in spend_by("agent", since=since)}
    rows = [
        _row(agent, known[agent.ref], told[agent.ref], results.get(agent.pk, _Results()), spent) for agent in agents
    ]
    return sorted(rows, key=lambda row: (-row.standing.score, row.agent.title))


def _row(
    agent: Agent, standing: StandingView, trend: list[int], result: "_Results", spent: Mapping[str, Decimal]
) -> AgentRow:
    return AgentRow(
        agent=agent,
        who=agent_party(agent),
        standing=standing,
        level=LEVELS[standing.level][0],
        trend=trend,
        runs=result.runs,
        success=100 * result.well // result.judged if result.judged else None,
        per_run=spent.get(agent.ref, Decimal(0)) / result.runs if result.runs else None,
    )


def ladder(standings: Sequence[StandingView]) -> list[Rung]:
    """The four levels, with how many of these agents have each."""
    return [
        Rung(
            name,
            f"{low} to {high}" if high else f"{low} and up",
            words,
            sum(standing.level == level for standing in standings),
        )
        for level, (name, low, high, words) in LEVELS.items()
    ]


@dataclass(frozen=True, slots=True)
class Permissions:
    """What an agent does unasked, what it asks for, and why it is no more."""

    cap: Autonomy
    highest: Autonomy
    unasked: list[str]
    asked: list[str]


def permissions(agent: Agent, standing: StandingView) -> Permissions:
    """As the policy has it now, in a workspace, for a strategy of the usual autonomy and low risk."""
    policy = active_policy().document
    cap = Autonomy(int(agent.autonomy_cap[1]))
    found: dict[Verdict, list[str]] = {verdict: [] for verdict in Verdict}
    for action in ActionClass:
        decision = decide(
            action,
            level=standing.level,
            environment=Environment.WORKSPACE,
            strategy=Autonomy(int(DEFAULT_AUTONOMY[1])),
            agent_cap=cap,
            policy_cap=policy.autonomy_cap(action, standing.level, Environment.WORKSPACE),
            restricted=standing.restricted,
        )
        found[decision.verdict].append(action.replace("_", " "))
    return Permissions(cap, policy.highest_autonomy, found[Verdict.ALLOW], found[Verdict.ASK])


@dataclass(frozen=True, slots=True)
class GivenTool:
    """A tool of an agent's role: what it does (an action class), and whether the tenant's policy gives it to the role too."""

    name: str
    action_class: str
    allowed: bool


def given_tools(agent: Agent) -> list[GivenTool]:
    """What the agent's role can call, in a fixed order, as the policy has it now."""
    allowed = active_policy().document.tools_of(agent.role)
    return [GivenTool(tool.name, str(tool.action_class), tool.name in allowed) for tool in tools_of(agent.role)]


@dataclass(frozen=True, slots=True)
class Way:
    """What lifts a standing: to where, how many points, and what gives them."""

    name: str
    points: int
    runs: int


def way_up(standing: StandingView) -> Way | None:
    """To the end of the restriction, or to the next level; None at the top."""
    policy = active_policy().document.reputation
    gain = policy.get(ReputationKind.RUN_SUCCEEDED, SHIPPED[ReputationKind.RUN_SUCCEEDED])
    if standing.restricted:
        name, points = "it asks no more for each action", RESTRICTED_BELOW - standing.score
    else:
        above = next_level(standing.score)
        if above is None:
            return None
        name, points = f"it reaches the level {LEVELS[above[0]][0]}", above[1]
    return Way(name, points, -(-points // gain) if gain > 0 else 0)


def shown_change(change: ReputationChange) -> tuple[ReputationChange, str]:
    """A change with its kind in words."""
    return change, KINDS.get(change.kind, change.kind)


def standing_row(agent: Agent) -> tuple[StandingView, list[int]]:
    """One agent's standing and trend."""
    return standing_of(agent.ref), trends([agent.ref], days=DAYS)[agent.ref]
