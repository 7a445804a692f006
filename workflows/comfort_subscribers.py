"""What follows for those who look on: inbox lines of moves, watchers of what they wrote, bytes of deleted files.

These are rows made from events for reading, like an index; a second delivery finds them there.
"""

from django.core.files.storage import default_storage
from django.db.models import QuerySet

from guildhall.kernel.consumers import Delivered, consumer
from tenants.models import Comember
from workflows.comfort_events import FileDeleted
from workflows.council_events import DeliberationCompleted, DeliberationStopped
from workflows.events import StoryCreated, StoryTransitioned, TaskAssigned, TaskTransitioned
from workflows.machines import STORY, TASK
from workflows.models import Council, Notice, NoticeKind, Story, Strategy, StrategyRun, Task, Watch
from workflows.models.schedule import FiringState, StrategySchedule
from workflows.plan_events import FiringSettled
from workflows.policies import OWNERS
from workflows.selectors.people import members_who_see, team_of


@consumer("workflows.watchers", kinds=[StoryCreated])
def follow_what_one_writes(event: Delivered) -> None:
    """Whoever writes a story follows it."""
    told = event.data
    if not isinstance(told, StoryCreated) or event.actor["kind"] != "person":
        return
    story = Story.objects.filter(reference=told.story).first()
    if story is not None:
        Watch.objects.bulk_create(
            [Watch(story=story, person=event.actor["ref"], created_at=event.at)], ignore_conflicts=True
        )


@consumer("workflows.assigned", kinds=[TaskAssigned])
def tell_who_has_it(event: Delivered) -> None:
    """Whoever claims a task follows it, and hears of it when it comes back to them, with the feedback."""
    told = event.data
    if not isinstance(told, TaskAssigned) or not told.assignee.startswith("person:"):
        return
    task = Task.objects.select_related("story__project").filter(reference=told.task).first()
    if task is None:
        return
    follows = Watch(story=task.story, task=task, person=told.assignee, created_at=event.at)
    Watch.objects.bulk_create([follows], ignore_conflicts=True)
    if told.feedback:
        sentence = f"gave {told.task} back to you: {told.feedback}"
        _tell(event, task.story, {told.assignee}, sentence, task=task, kind=NoticeKind.ASSIGNED)


@consumer(
    "workflows.notices",
    kinds=[StoryTransitioned, TaskTransitioned, DeliberationCompleted, DeliberationStopped, FiringSettled],
)
def tell_watchers(event: Delivered) -> None:
    """A line for each who follows the story or the task that moved, or that a council was about; the mover is left out."""
    told = event.data
    if isinstance(told, TaskTransitioned):
        task = Task.objects.select_related("story__project").filter(reference=told.task).first()
        if task is not None:
            sentence = f"moved {told.task} to {TASK.states[told.to_state]}"
            # Whoever has it again is told why by a line of their own.
            people = _following(event, task.watches.all())
            people -= {task.implementer} if told.action.startswith("reject_") else set()
            _tell(event, task.story, people, sentence, task=task)
    elif isinstance(told, StoryTransitioned):
        story = _story(told.story)
        if story is not None:
            sentence = f"moved {story} to {STORY.states[told.to_state]}"
            _tell(event, story, _following(event, story.watches.filter(task=None)), sentence)
    elif isinstance(told, (DeliberationCompleted, DeliberationStopped)):
        _tell_of_council(event, told)
    elif isinstance(told, FiringSettled) and told.state == FiringState.FAILED:
        _tell_of_failing(event, told)


def _tell_of_failing(event: Delivered, told: FiringSettled) -> None:
    """Its owner and who may set the schedule hear that it fails, the first of several times alone.

    The line stands beside its newest story, or leads to the strategy where it has none.
    """
    strategy = Strategy.objects.filter(pk=int(told.subject.partition(":")[2])).first()
    before = StrategyRun.objects.filter(strategy=strategy, number=told.number - 1, state=FiringState.FAILED)
    if strategy is None or before.exists():
        return
    story = Story.objects.select_related("project").filter(strategy=strategy).order_by("-number").first()
    setters = Comember.objects.filter(roles__overlap=list(OWNERS)).values_list("public_id", flat=True)
    owners = StrategySchedule.objects.filter(strategy=strategy).values_list("owner", flat=True)
    why = f"could not write a story by the schedule of “{told.title[:80]}”: {told.reason[:120]}"
    sentence = f"{why} Whoever sets the schedule anew takes it over."
    _tell(event, story or strategy, {*(f"person:{one}" for one in setters), *owners}, sentence)


def _tell_of_council(event: Delivered, told: DeliberationCompleted | DeliberationStopped) -> None:
    """Whoever called it hears of its end, too."""
    story = _story(told.story)
    council = Council.objects.filter(pk=int(told.subject.partition(":")[2])).first()
    if story is None or council is None:
        return
    people = {*_following(event, story.watches.filter(task=None)), council.asked_by}
    sentence = told.sentence().removeprefix(f"{council} ")
    _tell(event, story, people, sentence, by=str(council).capitalize(), kind=NoticeKind.COUNCIL)


def _story(reference: str) -> Story | None:
    return Story.objects.select_related("project").filter(reference=reference).first()


def _following(event: Delivered, watches: QuerySet[Watch]) -> set[str]:
    """Those who followed then; whoever began later is not told of old moves when they are read once more."""
    return set(watches.filter(wanted=True, created_at__lte=event.at).values_list("person", flat=True))


def _tell(
    event: Delivered,
    about: Story | Strategy,
    people: set[str],
    sentence: str,
    *,
    task: Task | None = None,
    by: str = "",
    kind: NoticeKind = NoticeKind.MOVED,
) -> None:
    """Clients hear of moves of stories alone. `by` is whose doing it is shown as, where that is not the actor."""
    mover = event.actor["ref"]
    others = sorted(people - {mover})
    if isinstance(about, Strategy):
        story, strategy, seeing = None, about, team_of(others)
    else:
        story, strategy = about, None
        seeing = members_who_see(about, others, client_visible=kind == NoticeKind.MOVED)
    Notice.objects.bulk_create(
        [
            Notice(
                person=ref,
                kind=kind,
                story=story,
                strategy=strategy,
                task=task,
                event=event.id,
                sentence=sentence[:300],
                actor=mover,
                actor_name=(by or event.actor["name"])[:200],
            )
            for ref in sorted(seeing)
        ],
        ignore_conflicts=True,
    )


@consumer("workflows.files", kinds=[FileDeleted])
def remove_bytes(event: Delivered) -> None:
    """The file goes once its row is gone; a file that is gone already is no matter."""
    if isinstance(event.data, FileDeleted):
        default_storage.delete(event.data.stored)
