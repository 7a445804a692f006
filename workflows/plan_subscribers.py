"""What follows from plans: scheduled stories are written and submitted, closing sprints settle their stories."""

from governance.scopes import ScopeKind
from governance.selectors.holds import is_held
from guildhall.kernel.actor import Actor, system_actor
from guildhall.kernel.consumers import Delivered, consumer
from guildhall.kernel.errors import Conflict, Denied, GuildhallError, Invalid, NotFound
from tenants.selectors import standing_actor
from workflows.actions.firing import release_queued, settle_firing, write_scheduled_story
from workflows.actions.sprints import finish_closing
from workflows.actions.story_acts import transition_story
from workflows.events import StoryTransitioned
from workflows.models import Sprint, Story, Strategy, StrategyRun, StrategySchedule
from workflows.models.schedule import FiringState, Overlap
from workflows.plan_events import FiringSettled, SprintClosing, StrategyEdited, StrategyFired, StrategyMoved
from workflows.promised import give_limit
from workflows.selectors.planned import FINISHED, unfinished_runs
from workflows.selectors.sprints import unsettled_stories


def _platform(event: Delivered) -> Actor:
    return system_actor("workflows", event.tenant)


@consumer("workflows.schedules", kinds=[StrategyFired, FiringSettled, StrategyMoved, StoryTransitioned])
def carry_out_schedules(event: Delivered) -> None:
    """Write and submit the story of a firing; let the next one begin when the one before is finished."""
    told = event.data
    if isinstance(told, StrategyFired):
        if told.state == FiringState.FIRED:
            run = _run(told.subject, told.number)
            if run is not None and not _settled(run):
                _carry_out(event, run)
    elif isinstance(told, FiringSettled):
        if told.state in (FiringState.FAILED, FiringState.REPLACED):
            _release(event, _strategy(told.subject))
    elif isinstance(told, StrategyMoved):
        if told.to_state == "active":
            _release(event, _strategy(told.subject))
    elif isinstance(told, StoryTransitioned) and told.to_state in (*FINISHED, "draft"):
        found = StrategyRun.objects.filter(story__reference=told.story).select_related("strategy").first()
        _release(event, found.strategy if found else None)


def _strategy(subject: str) -> Strategy | None:
    return Strategy.objects.filter(pk=int(subject.partition(":")[2])).first()


def _run(subject: str, number: int) -> StrategyRun | None:
    runs = StrategyRun.objects.select_related("strategy", "story")
    return runs.filter(strategy_id=int(subject.partition(":")[2]), number=number).first()


def _settled(run: StrategyRun) -> bool:
    """Whether it has come to something: what was told again must not submit, replace or fail it any more."""
    return run.submitted or run.state not in (FiringState.FIRED, FiringState.PLANNED)


def _release(event: Delivered, strategy: Strategy | None) -> None:
    if strategy is None or not strategy.runs.filter(state=FiringState.QUEUED).exists():
        return
    try:
        release_queued(actor=_platform(event), strategy=strategy)
    except Conflict:
        return  # the one before is not finished, or somebody began it meanwhile


def _carry_out(event: Delivered, run: StrategyRun) -> None:
    """As far as it was not done before: each step looks at what is there."""
    schedule = StrategySchedule.objects.filter(strategy=run.strategy).first()
    if schedule is None and run.story is None:
        _settle(event, run, FiringState.FAILED, "its schedule was taken away")
        return
    if run.state == FiringState.FIRED and (hold := is_held(strategy=str(run.strategy_id))):
        # The calendar begins it once that is lifted.
        _settle(event, run, FiringState.QUEUED, hold.sentence)
        return
    try:
        owner = standing_actor(schedule.owner if schedule else run.story.author, via="schedule")  # type: ignore[union-attr]
        if schedule is not None and schedule.overlap == Overlap.REPLACE:
            _replace_earlier(event, run, owner)
        story = run.story
        if run.state == FiringState.FIRED:
            story = write_scheduled_story(actor=owner, strategy=run.strategy, number=run.number)
        if story is not None and not run.submitted:
            _submit(event, run, story, owner)
    except Conflict:
        now = _run(event.data.subject, run.number)
        if now is not None and not _settled(now):
            raise  # somebody moved something meanwhile: the delivery is tried again, and looks at what is there then
    except (Denied, NotFound, Invalid) as refusal:
        _settle(event, run, FiringState.FAILED, _in_words(refusal))


def _in_words(refusal: GuildhallError) -> str:
    """Why it could not be carried out, each field named."""
    causes = [f"{name}: {problem}" for name, problems in refusal.fields.items() for problem in problems]
    return " ".join([refusal.detail, *causes])


def _submit(event: Delivered, run: StrategyRun, story: Story, owner: Actor) -> None:
    if story.state == "draft":
        transition_story(actor=owner, story=story, name="submit")
    _settle(event, run, FiringState.PLANNED, "")


def _replace_earlier(event: Delivered, run: StrategyRun, owner: Actor) -> None:
    reason = f"Replaced by time {run.number} of its schedule."
    for earlier in unfinished_runs(run.strategy_id, before=run.number).select_related("strategy", "story"):
        if earlier.story is not None and earlier.story.state != "draft":
            transition_story(actor=owner, story=earlier.story, name="reset", feedback=reason)
        _settle(event, earlier, FiringState.REPLACED, reason)
    for waiting in run.strategy.runs.filter(number__lt=run.number, state=FiringState.QUEUED).order_by("number"):
        _settle(event, waiting, FiringState.REPLACED, reason)


def _settle(event: Delivered, run: StrategyRun, state: FiringState, reason: str) -> None:
    try:
        settle_firing(actor=_platform(event), strategy=run.strategy, number=run.number, state=state, reason=reason)
    except Conflict:
        return  # settled by an earlier delivery


@consumer("workflows.strategy_budgets", kinds=[StrategyEdited])
def change_budget(event: Delivered) -> None:
    """Give a strategy whose budget was changed its new limit."""
    told = event.data
    if not isinstance(told, StrategyEdited) or "budget_usd" not in told.fields:
        return
    strategy = _strategy(told.subject)
    if strategy is not None and strategy.budget_usd is not None:
        give_limit(event, ScopeKind.STRATEGY, str(strategy.pk), strategy.budget_usd)


@consumer("workflows.sprints", kinds=[SprintClosing])
def close_sprints(event: Delivered) -> None:
    """Settle every story of a closing sprint by an act of its own, then close it.

    Killed at any moment it is delivered again and goes on with what is left: settled stories are not found any more.
    """
    sprint = Sprint.objects.filter(pk=int(event.data.subject.partition(":")[2]), state="closing").first()
    if sprint is None:
        return
    for story, act in unsettled_stories(sprint):
        try:
            transition_story(actor=_platform(event), story=story, name=act)
        except Conflict:
            continue  # moved by somebody meanwhile; what is left is looked at at the end
    try:
        finish_closing(actor=_platform(event), sprint=sprint)
    except Conflict:
        if Sprint.objects.filter(pk=sprint.pk, state="closing").exists():
            raise  # a story came back between: the delivery is tried again
