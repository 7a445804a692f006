"""What agents do when something happens: take claims up, move their work on, merge what was approved, stop."""

import logging

from gateway.actions.holds import keep_stop
from governance.actions.allowances import Limited, left_of
from governance.actions.outcomes_held import retry_held
from governance.actions.reputation import apply_reputation
from governance.events import BudgetOverrun, WorkResumed
from governance.scoring import ReputationKind
from gpu_workers.actions.changes import close_change
from gpu_workers.actions.retries import retry_run
from gpu_workers.agent_events import AgentWoken
from gpu_workers.applying_events import PlanApplyEnded
from gpu_workers.carrying_out import merge_stopped
from gpu_workers.claims import MOVER
from gpu_workers.councils.deliberation import council_of
from gpu_workers.dispatch import dispatch, dispatcher, give_run
from gpu_workers.errands import order
from gpu_workers.events import (
    AgentRegistered,
    AgentWorkCompleted,
    ChangeClosed,
    ChangeReverted,
    ChangeRevertRequested,
    CIFinished,
    RunEnded,
    RunHalted,
    RunLetGo,
    RunQueued,
    RunRetried,
)
from gpu_workers.forge_events import PullRequestOpened
from gpu_workers.forges.choosing import connection_of
from gpu_workers.founding import found_repositories
from gpu_workers.going_on import GOES_ON_IN, said_of, take_up_again
from gpu_workers.models import Agent, ChangeRequest, Run
from gpu_workers.models.change import ChangeState
from gpu_workers.models.errand import ErrandKind
from gpu_workers.models.run import BLAMELESS, GIVEN_UP, UNCLAIMED, RunKind, RunState
from gpu_workers.moving import move_on
from gpu_workers.runs.engine import stop_runs
from gpu_workers.runs.settling import settle_asked, settle_kept
from gpu_workers.runs.using import charge_used
from gpu_workers.tasks import execute_run, serve_lane, wake_runs
from guildhall.kernel.actor import Actor, ActorKind, system_actor
from guildhall.kernel.consumers import Delivered, consumer
from guildhall.kernel.errors import Conflict, Denied
from workflows.actions import transition_task
from workflows.actions.councils import stop_council
from workflows.council_events import CouncilConvened, CouncilWaived, DeliberationCompleted, DeliberationStopped
from workflows.events import ProjectCreated, StoryTransitioned, TaskAssigned, TaskTransitioned
from workflows.models import Project, Task
from workflows.plan_events import ProjectEdited

logger = logging.getLogger(__name__)
STOPS = ("reset", "carry_over", "drop")


@consumer(
    "agents.dispatch",
    kinds=[
        TaskTransitioned,
        StoryTransitioned,
        RunEnded,
        RunRetried,
        CouncilConvened,
        CouncilWaived,
        DeliberationCompleted,
        AgentRegistered,
        AgentWoken,
    ],
)
def hand_out(event: Delivered) -> None:
    """Whenever work moved, a council was called or decided, or somebody became free or was added, see what waits."""
    if isinstance(event.data, AgentRegistered) and event.actor["kind"] == ActorKind.SYSTEM:
        # One of those that an organisation starts with: nothing waits yet.
        return
    dispatch()


@consumer("agents.councils", kinds=[RunEnded])
def end_council(event: Delivered) -> None:
    """A council whose run gave up came to no result; a person has to say how it goes on."""
    ended = event.data
    assert isinstance(ended, RunEnded)
    if not ended.about.startswith("council:") or ended.state not in GIVEN_UP:
        return
    council = council_of(ended.about)
    last = Run.objects.filter(subject=ended.about).order_by("-number").first()
    if last is None or last.ref != ended.subject:
        # Another run goes on with it.
        return
    try:
        stop_council(actor=system_actor("council", event.tenant), council=council, reason=ended.reason)
    except Conflict as known:
        logger.info("%s has ended already: %s", council, known.detail)


@consumer("agents.repositories", kinds=[ProjectCreated, ProjectEdited])
def found(event: Delivered) -> None:
    """A project names its repositories: those that are missing are made, the others take over what it says of them."""
    project = Project.objects.filter(key=event.data.subject.removeprefix("project:")).first()
    if project is not None:
        found_repositories(system_actor("repositories", event.tenant), project)


@consumer("agents.claims", kinds=[TaskAssigned])
def take_up(event: Delivered) -> None:
    """An agent holds a claim: make its run."""
    assigned = event.data
    assert isinstance(assigned, TaskAssigned)
    kind, _, name = assigned.assignee.partition(":")
    task = Task.objects.select_related("story__project", "story__strategy").filter(reference=assigned.task).first()
    if kind != "agent" or task is None or task.claim_token != assigned.claim_token or task.holder != assigned.assignee:
        return
    made = give_run(task, name, assigned.part, assigned.claim_token)
    if made is not None or Run.objects.filter(claim=f"{task.ref}:{assigned.claim_token}").exists():
        return
    agent = Agent.objects.filter(name=name).first()
    if agent is not None and not (agent.active and left_of(Limited.AGENT_RUNS)):
        # It was put to rest at this moment, or the last run of today went to another claim: this one is free again.
        transition_task(actor=agent.actor(), task=task, name="release", claim_token=assigned.claim_token)


@consumer("agents.start", kinds=[RunQueued, RunRetried, RunLetGo])
def start(event: Delivered) -> None:
    """A run that is queued, that goes on, or that its last worker let go of: tell the workers."""
    run = Run.objects.filter(number=int(event.data.subject.partition(":")[2])).first()
    if run is not None and run.is_open:
        execute_run.send(event.tenant, number=run.number)


@consumer("agents.resumes", kinds=[WorkResumed])
def go_on(event: Delivered) -> None:
    """A kill switch was lifted: what it stopped goes on at once, approved merges too, and what waits is handed out."""
    wake_runs()
    retry_held(actor=_executor(event), stopped=merge_stopped)
    dispatch()


@consumer("agents.platform_stops", kinds=[RunHalted])
def tell_owner(event: Delivered) -> None:
    """A run was stopped by the owner's hold over all organisations: the owner sees how much that was in each."""
    halted = event.data
    assert isinstance(halted, RunHalted)
    if halted.hold == "platform":
        run, commands, calls = int(halted.subject.partition(":")[2]), len(halted.commands), len(halted.calls)
        keep_stop(hold=halted.hold_id, tenant=event.tenant, run=run, commands=commands, calls=calls)


@consumer(MOVER, kinds=[AgentWorkCompleted])
def finished(event: Delivered) -> None:
    """An agent's work is done: move the task or story on, in the agent's own name."""
    done = event.data
    assert isinstance(done, AgentWorkCompleted)
    try:
        move_on(done, event.at)
    except (Conflict, Denied) as refusal:
        # The claim went elsewhere, or a person moved it first: what the run did stands beside it, unused.
        logger.info("%s of run %s comes too late: %s", done.verdict, done.run, refusal.detail)


@consumer("agents.charges", kinds=[RunEnded])
def charge_kept(event: Delivered) -> None:
    """A run ended: an answer that its worker had kept and not charged yet is charged, and what else the run has used."""
    run = Run.objects.select_related("agent").filter(number=int(event.data.subject.partition(":")[2])).first()
    if run is not None and not run.is_open:
        cashier = system_actor("cashier", event.tenant)
        settle_kept(actor=cashier, run=run)
        charge_used(actor=cashier, run=run)


@consumer("agents.endings", kinds=[RunEnded, RunLetGo, PlanApplyEnded])
def settle_ended(event: Delivered) -> None:
    """A run ended, or its last worker let go since: what it asked people ends too, and what it left is told of."""
    run = Run.objects.select_related("agent").filter(number=int(event.data.subject.partition(":")[2])).first()
    if run is not None and not run.is_open:
        settle_asked(actor=_executor(event), run=run)


@consumer("agents.releases", kinds=[RunEnded])
def let_go(event: Delivered) -> None:
    """A run that gave up lets its claim go, so that a person can take the task; after one that had lost it agents may."""
    ended = event.data
    assert isinstance(ended, RunEnded)
    if ended.state not in (RunState.ESCALATED, RunState.FAILED, RunState.CANCELLED):
        return
    run = Run.objects.select_related("agent").filter(number=int(ended.subject.partition(":")[2])).first()
    task = Task.objects.select_related("story").filter(reference=ended.about.partition(":")[2]).first()
    if run is None or task is None or not run.claim:
        return
    if UNCLAIMED in run.outcome:
        _try_anew(run)
        return
    token = int(run.claim.rpartition(":")[2])
    if task.holder == ended.agent and task.claim_token == token:
        try:
            transition_task(actor=run.agent.actor(), task=task, name="release", claim_token=token)
        except (Conflict, Denied) as refusal:
            logger.info("run %s holds nothing any more: %s", run.number, refusal.detail)


def _try_anew(run: Run) -> None:
    try:
        retry_run(actor=dispatcher(), run=run, reason=run.reason)
    except Conflict as known:
        logger.info("run %s is followed by another already: %s", run.number, known.detail)


@consumer("agents.reverts", kinds=[ChangeRevertRequested])
def take_back(event: Delivered) -> None:
    """A merged change that a person wants back is to be undone, in its repository's turn."""
    change = ChangeRequest.objects.get(number=int(event.data.subject.partition(":")[2]))
    order(ErrandKind.REVERT, change.number, change.repository, event)
    serve_lane.send(event.tenant, repository=change.repository)


@consumer("agents.pull_requests", kinds=[ChangeClosed, PullRequestOpened])
def close_pull_request(event: Delivered) -> None:
    """Of a change that nobody wants any more no pull request stays open, nor one that was just being opened."""
    change = ChangeRequest.objects.get(number=int(event.data.subject.partition(":")[2]))
    if change.state == ChangeState.CLOSED and connection_of(change.repository) is not None:
        order(ErrandKind.CLOSE, change.number, change.repository, event)
        serve_lane.send(event.tenant, repository=change.repository)


@consumer("agents.reputation", kinds=[RunEnded, CIFinished, ChangeReverted, BudgetOverrun])
def judge_agents(event: Delivered) -> None:
    """What an agent's doings are worth; once per event."""
    found = _worth(event)
    if found is not None:
        agent, kind = found
        actor = system_actor("reputation", event.tenant)
        apply_reputation(actor=actor, agent=agent, kind=kind, source=f"event:{event.id}", reason=event.data.sentence())


def _worth(event: Delivered) -> tuple[str, ReputationKind] | None:
    data = event.data
    if isinstance(data, RunEnded):
        if data.about.startswith("council:"):
            # What several agents did together is no one's merit or fault.
            return None
        if data.state == RunState.FAILED and _blameless(data):
            return None
        kinds = {
            RunState.SUCCEEDED: ReputationKind.RUN_SUCCEEDED,
            RunState.FAILED: ReputationKind.RUN_FAILED,
            RunState.ESCALATED: ReputationKind.ESCALATED,
        }
        kind = kinds.get(RunState(data.state))
        return (data.agent, kind) if kind else None
    if isinstance(data, CIFinished) and data.author.startswith("agent:") and data.status != "error":
        passed = data.status == "passed"
        return data.author, ReputationKind.TESTS_PASSED if passed else ReputationKind.TESTS_FAILED
    if isinstance(data, ChangeReverted) and data.author.startswith("agent:"):
        return data.author, ReputationKind.CHANGE_REVERTED
    if isinstance(data, BudgetOverrun) and data.owner.startswith("run:"):
        run = Run.objects.select_related("agent").filter(number=int(data.owner.partition(":")[2])).first()
        return (run.agent.ref, ReputationKind.COST_OVERRUN) if run and run.kind != RunKind.COUNCIL else None
    return None


def _blameless(ended: RunEnded) -> bool:
    """Whether what the run needed stayed away."""
    return Run.objects.filter(number=int(ended.subject.partition(":")[2]), outcome__has_key=BLAMELESS).exists()


@consumer("agents.stops", kinds=[StoryTransitioned, TaskTransitioned, DeliberationStopped])
def stop(event: Delivered) -> None:
    """A story that was stopped and a task that was cancelled stop their runs, as does a council whose plan is gone;
    changes that nobody goes on from are closed.

    A story that goes on again has agents take up what its stop ended. Closed are a cancelled task's and a dropped story's
    changes: a story that is reset or carried over goes on where its tasks are. Runs that began since are another attempt's:
    an event that is told once more leaves them alone.
    """
    moved = event.data
    unwanted = ChangeRequest.objects.none()
    if isinstance(moved, StoryTransitioned) and moved.action in STOPS:
        stop_runs(moved.subject, said_of(moved.story, moved.action), begun_by=event.at)
        if moved.action == "drop":
            unwanted = ChangeRequest.objects.filter(story=moved.subject)
    elif isinstance(moved, StoryTransitioned) and moved.to_state in GOES_ON_IN:
        take_up_again(moved)
    if isinstance(moved, TaskTransitioned) and moved.to_state == "cancelled":
        stop_runs(moved.subject, f"{moved.task} was cancelled", begun_by=event.at)
        unwanted = ChangeRequest.objects.filter(task=moved.task)
    if isinstance(moved, DeliberationStopped) and not council_of(moved.subject).stands:
        stop_runs(moved.subject, moved.reason, begun_by=event.at)
    for change in unwanted.filter(state=ChangeState.OPEN):
        close_change(actor=dispatcher(), change=change)


def _executor(event: Delivered) -> Actor:
    return system_actor("executor", event.tenant)
