"""What a run is about, read from its task or story."""

from dataclasses import replace

from governance.autonomy import Autonomy
from gpu_workers.actions.retries import RETRY_REASON
from gpu_workers.incidents.reading import incident_of
from gpu_workers.models import Agent, Run
from gpu_workers.models.run import RunKind
from gpu_workers.planner.reading import proposal_of
from gpu_workers.runs.context import Brief
from guildhall.kernel.errors import NotFound
from guildhall.kernel.redaction import redact
from workflows.models import Story, Task
from workflows.selectors.councils import counsel_for

DEFAULT_AUTONOMY = "L2"


def brief_of(run: Run) -> Brief:
    """The brief of a run. Raises `NotFound` when its task, its story or what else it is about is gone."""
    return replace(_brief_of(run), again=_said_again(run))


def _said_again(run: Run) -> str:
    """Why a person had agents try again what the run before this one gave up on, or one before it."""
    before = Run.objects.filter(
        subject=run.subject, kind=run.kind, number__lt=run.number, outcome__has_key="retried_by"
    )
    last = before.order_by("-number").values_list("outcome", flat=True).first() or {}
    return redact(str(last.get(RETRY_REASON, "")))


def _brief_of(run: Run) -> Brief:
    if run.kind == RunKind.INCIDENT:
        incident = incident_of(run.subject)
        return _at_desk(run, incident.project, incident.title, incident.description)
    if run.kind == RunKind.BACKLOG:
        proposal = proposal_of(run.subject)
        return _at_desk(run, proposal.project, proposal.get_kind_display(), proposal.wish)
    if run.kind in (RunKind.PLAN, RunKind.COUNCIL):
        return _of_story(run, story_of(run))
    task = Task.objects.select_related("story__project", "story__strategy").filter(reference=_name(run.subject)).first()
    if task is None:
        raise NotFound(f"There is no {run.subject} any more.")
    return Brief(
        task=task.reference,
        story=task.story.reference,
        project=task.story.project.key,
        title=task.title,
        brief=f"{task.story.title}\n{task.story.brief}".strip(),
        acceptance=tuple(task.acceptance or task.story.acceptance),
        evidence=task.evidence or task.story.evidence,
        role=task.role,
        risk=task.risk,
        feedback=task.feedback,
        counsel="\n\n".join(counsel_for(task.story).values()),
    )


def _of_story(run: Run, story: Story) -> Brief:
    return Brief(
        task="",
        story=story.reference,
        project=story.project.key,
        title=story.title,
        brief=story.brief,
        acceptance=tuple(story.acceptance),
        evidence=story.evidence,
        role=run.agent.role,
        risk="low",
    )


def _at_desk(run: Run, project: str, title: str, words: str) -> Brief:
    """The brief of a run that touches no repository."""
    return Brief(
        task="",
        story="",
        project=project,
        title=title,
        brief=words,
        acceptance=(),
        evidence="",
        role=run.agent.role,
        risk="low",
    )


def story_of(run: Run) -> Story:
    """The story that a run is about. Raises `NotFound`."""
    story = Story.objects.select_related("project", "strategy").filter(reference=_name(run.story)).first()
    if story is None:
        raise NotFound(f"There is no {run.story} any more.")
    return story


def levels_now(run: Run) -> tuple[Autonomy, Autonomy]:
    """What the run's strategy and the cap of its agent allow at this moment: people lower them while it works."""
    of_story = Story.objects.filter(reference=_name(run.story)).values_list("strategy__autonomy", flat=True).first()
    cap = Agent.objects.values_list("autonomy_cap", flat=True).get(pk=run.agent_id)
    return Autonomy(int((of_story or DEFAULT_AUTONOMY)[1])), Autonomy(int(cap[1]))


def _name(ref: str) -> str:
    return ref.partition(":")[2]
