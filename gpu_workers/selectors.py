"""Reading runs, changes and agents. Every read starts from what the actor may see."""

from itertools import takewhile
from typing import Any

from django.db.models import Case, CharField, Count, Exists, F, OuterRef, Q, QuerySet, Subquery, Sum, Value, When
from django.db.models.functions import Coalesce, Concat

from gpu_workers.events import ChangeReverted, ChangeRevertFailed, ChangeRevertRequested, ChangeRevertUnknown
from gpu_workers.models import (
    Agent,
    ChangeRemark,
    ChangeRequest,
    CIRun,
    ForgeConnection,
    HandIn,
    Repository,
    Run,
    RunLog,
    RunStep,
)
from gpu_workers.models.change import ChangeState
from gpu_workers.models.run import GIVEN_UP, OPEN, Phase, RunKind
from gpu_workers.policies import GRANTS
from guildhall.evidence.selectors import unanswered
from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import NotFound
from workflows.ports import Terms

TEAM = frozenset({"admin", "product_owner", "architect", "developer", "qa", "devops", "data", "viewer"})
"""Roles that see runs; clients do not."""
MAX_RUNS = 6
"""Runs of one kind that a task or story gets by itself; after that a person has to look at it."""


def runs_visible_to(actor: Actor) -> QuerySet[Run]:
    """Runs that `actor` may see, newest first."""
    rows = Run.objects.select_related("agent")
    return rows if has_team_role(actor) else rows.none()


def run_for(actor: Actor, number: int) -> Run:
    """One run. Raises `NotFound` when there is none or the actor may not know of it."""
    run = runs_visible_to(actor).filter(number=number).first()
    if run is None:
        raise NotFound(f"There is no run {number}.")
    return run


def changes_visible_to(actor: Actor) -> QuerySet[ChangeRequest]:
    """Change requests that `actor` may see, newest first."""
    rows = ChangeRequest.objects.select_related("run")
    return rows if has_team_role(actor) else rows.none()


def changes_of_project(changes: QuerySet[ChangeRequest], project: str) -> QuerySet[ChangeRequest]:
    """Those of these changes that are of tasks of the project with this key."""
    return changes.filter(task__startswith=f"{project}-")


def change_for(actor: Actor, number: int) -> ChangeRequest:
    """One change request. Raises `NotFound` like `run_for`."""
    change = changes_visible_to(actor).filter(number=number).first()
    if change is None:
        raise NotFound(f"There is no change request {number}.")
    return change


def hand_ins_visible_to(actor: Actor) -> QuerySet[HandIn]:
    """What people handed in that `actor` may see, newest first."""
    rows = HandIn.objects.order_by("-pk")
    return rows if has_team_role(actor) else rows.none()


def agents_visible_to(actor: Actor) -> QuerySet[Agent]:
    """Agents that `actor` may see, with how many of their runs are open."""
    rows = Agent.objects.annotate(open_runs=Count("runs", filter=Q(runs__state__in=OPEN)))
    return rows if has_team_role(actor) else rows.none()


def agent_for(actor: Actor, name: str) -> Agent:
    """One agent. Raises `NotFound` like `run_for`."""
    agent = agents_visible_to(actor).filter(name=name).first()
    if agent is None:
        raise NotFound(f"There is no agent {name}.")
    return agent


def repositories_visible_to(actor: Actor) -> QuerySet[Repository]:
    """Repositories that `actor` may see."""
    return Repository.objects.all() if has_team_role(actor) else Repository.objects.none()


def connection_for(actor: Actor, name: str) -> ForgeConnection:
    """How a repository is kept on GitHub. Raises `NotFound` like `run_for`, and for a built-in one."""
    found = ForgeConnection.objects.filter(repository__in=repositories_visible_to(actor), repository__name=name)
    connection = found.select_related("repository").first()
    if connection is None:
        raise NotFound(f"There is no repository {name} on GitHub.")
    return connection


def remark_for(actor: Actor, number: int, pk: int) -> ChangeRemark:
    """One remark on a change. Raises `NotFound` like `change_for`."""
    remark = change_for(actor, number).remarks.filter(pk=pk).first()
    if remark is None:
        raise NotFound(f"Change {number} has no such remark.")
    return remark


def reverts_under_way(repository: str) -> list[int]:
    """Numbers of merged changes of a repository whose revert was asked for, and of which nobody has said since what became."""
    answers = [ChangeReverted.kind, ChangeRevertFailed.kind, ChangeRevertUnknown.kind]
    return _merged(repository, unanswered(kind=ChangeRevertRequested.kind, answers=answers))


def unknown_reverts(repository: str) -> list[int]:
    """Numbers of merged changes of a repository of which people were told last that nobody knows whether they are reverted."""
    answers = [ChangeReverted.kind, ChangeRevertFailed.kind, ChangeRevertRequested.kind]
    return _merged(repository, unanswered(kind=ChangeRevertUnknown.kind, answers=answers))


def _merged(repository: str, subjects: list[str]) -> list[int]:
    numbers = [int(subject.partition(":")[2]) for subject in subjects]
    merged = ChangeRequest.objects.filter(repository=repository, state=ChangeState.MERGED, number__in=numbers)
    return list(merged.order_by("number").values_list("number", flat=True))


def ci_visible_to(actor: Actor) -> QuerySet[CIRun]:
    """CI results that `actor` may see, newest first."""
    return CIRun.objects.all() if has_team_role(actor) else CIRun.objects.none()


def ci_for(actor: Actor, pk: int) -> CIRun:
    """One CI result. Raises `NotFound` like `run_for`."""
    row = ci_visible_to(actor).filter(pk=pk).first()
    if row is None:
        raise NotFound(f"There is no CI run {pk}.")
    return row


def tries_of(subject: str, kind: str) -> list[Run]:
    """The runs of `subject` since a person last asked to try again, newest first, at most `MAX_RUNS`."""
    runs = Run.objects.filter(subject=subject, kind=kind).order_by("-number")[:MAX_RUNS]
    return list(takewhile(lambda run: not run.outcome.get("retried_by"), runs))


def given_up(subject: str, kind: str) -> bool:
    """Whether agents start no run of this kind for `subject` any more until a person asks for it."""
    tries = tries_of(subject, kind)
    return bool(tries) and (tries[0].state in GIVEN_UP or len(tries) >= MAX_RUNS)


def state_of_last(kind: Any, prefix: str) -> Coalesce:
    """For a query over tasks or stories: the state of their last run of `kind` (a value or an expression).

    "" where there is none, or people asked to try again. `prefix` comes before their references in a run's subject.
    """
    retried = When(outcome__has_key="retried_by", then=Value(""))
    runs = Run.objects.annotate(counts_as=Case(retried, default=F("state"), output_field=CharField()))
    last = runs.filter(subject=Concat(Value(prefix), OuterRef("reference")), kind=kind).order_by("-number")
    return Coalesce(Subquery(last.values("counts_as")[:1]), Value(""))


def retries_of(subject: str, kind: str) -> int:
    """How often people have asked to try again."""
    return Run.objects.filter(subject=subject, kind=kind, outcome__has_key="retried_by").count()


def repository_named(name: str) -> Repository:
    """A repository. Raises `NotFound` when there is none."""
    repository = Repository.objects.filter(name=name).first()
    if repository is None:
        raise NotFound(f"There is no repository {name!r}.")
    return repository


def run_of_council(council: str) -> Run | None:
    """The latest run of a council (its reference)."""
    return Run.objects.filter(subject=council, kind=RunKind.COUNCIL).select_related("agent").first()


def council_at_work(council: str) -> bool:
    """Whether a run of this council (its reference) is open."""
    return Run.objects.filter(subject=council, kind=RunKind.COUNCIL, state__in=OPEN).exists()


def change_of_task(task: str) -> ChangeRequest | None:
    """The change request of a task (its reference), if there is one."""
    return ChangeRequest.objects.filter(task=task).first()


def terms_of_repository(name: str) -> Terms | None:
    """How CI is run in a repository and the branch that changes are merged into, None where there is no such one.

    At GitHub whoever may push makes branches that nobody here approved: whoever may connect it names the one to merge into.
    """
    connected = Exists(ForgeConnection.objects.filter(repository=OuterRef("pk")))
    found = Repository.objects.filter(name=name).values_list("ci_command", "default_branch", connected).first()
    if found is None:
        return None
    return Terms(found[0], found[1], GRANTS["repository.connect"] if found[2] else ())


def steps_of(run: Run) -> list[RunStep]:
    """A run's steps in order, without what went in and came out, which may be much."""
    return list(run.steps.defer("request", "response").order_by("id"))


def step_for(actor: Actor, number: int, pk: int) -> RunStep:
    """One step of run `number`. Raises `NotFound` like `run_for`."""
    step = RunStep.objects.select_related("run").filter(run=run_for(actor, number), pk=pk).first()
    if step is None:
        raise NotFound(f"Run {number} has no such step.")
    return step


def log_of(run: Run, after: int = 0, limit: int = 500) -> list[RunLog]:
    """Up to `limit` pieces of a run's live output after the piece `after`."""
    return list(run.log.filter(pk__gt=after).order_by("pk")[:limit])


def totals_of(run: Run) -> dict[str, Any]:
    """Tokens and cost (USD) of a run's steps."""
    found = run.steps.aggregate(tokens_in=Sum("tokens_in"), tokens_out=Sum("tokens_out"), cost=Sum("cost"))
    return {name: value or 0 for name, value in found.items()}


def phases_of(run: Run) -> list[dict[str, str]]:
    """The five phases with their state: past, now, bad or nothing yet."""
    order = [Phase(p) for p in Phase.values]
    touched = set(run.steps.values_list("phase", flat=True).distinct())
    at = order.index(Phase(run.phase))
    shown = []
    for index, phase in enumerate(order):
        state = "past" if phase in touched and index != at else ""
        if index == at:
            state = "now" if run.is_open else ("bad" if run.state in ("failed", "escalated") else "past")
        shown.append({"key": phase.value, "label": phase.label, "state": state})
    return shown


def has_team_role(actor: Actor) -> bool:
    """Whether the actor is more than a client: an agent, a part of the platform, or a member with a team role."""
    return actor.kind != "person" or actor.has_role(*TEAM)


def known_runs(numbers: list[str]) -> set[str]:
    """Which of these numbers are runs', as text."""
    wanted = [
        int(text) for text in numbers if text.isascii() and text.isdecimal() and len(text) < 11 and int(text) < 2**31
    ]
    return {str(number) for number in Run.objects.filter(number__in=wanted).values_list("number", flat=True)}


def known_agents(names: list[str]) -> set[str]:
    """Which of these names are agents'."""
    return set(Agent.objects.filter(name__in=names).values_list("name", flat=True))


def active_agents(actor: Actor) -> list[tuple[str, str]]:
    """Names and titles of the agents that work here, for whoever may know of them."""
    return list(agents_visible_to(actor).filter(active=True).order_by("name").values_list("name", "title"))
