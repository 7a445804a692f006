"""Calling councils: who sits is policy, and a story that has to wait for one gets it without being asked."""

import logging
from collections.abc import Iterable
from decimal import Decimal

from django.db.models import Exists, OuterRef, Q, QuerySet

from governance.autonomy import Risk
from governance.selectors import active_policy
from gpu_workers.actions.runs import NewRun, queue_run
from gpu_workers.models import Agent, Run
from gpu_workers.models.run import OPEN, RunKind
from gpu_workers.selectors import given_up, retries_of
from gpu_workers.staff import autonomy_of, drafts_unasked, may_act
from guildhall.kernel.actor import Actor, system_actor
from guildhall.kernel.errors import Conflict, RateLimited
from guildhall.kernel.tenancy import current_tenant
from workflows.actions.councils import convene_council
from workflows.councils import Chair
from workflows.models import Council, Story
from workflows.models.council import OPEN_COUNCIL, CouncilState
from workflows.selectors.councils import HELD_IN, missing_councils, open_council, required_subjects, unheld

logger = logging.getLogger(__name__)
QUESTIONS = {
    "plan": "Are these the right tasks in the right order, and how is each of them best done?",
    "design": "Which design fits this story best?",
    "solution": "Which solution solves this story's problem best?",
}


def chairs_for(story: Story) -> list[Chair]:
    """The agents that the policy's seats go to, each another. Raises `Conflict` naming the role that nobody is there for."""
    taken: list[Agent] = []
    for role in active_policy().document.councils.seats:
        free = (
            Agent.objects.filter(role=role, active=True).exclude(pk__in=[agent.pk for agent in taken]).order_by("name")
        )
        agent = next((agent for agent in free if may_act(agent, story, "low")), None)
        if agent is None:
            raise Conflict(f"No other active agent with the role {role} may sit on a council of {story.reference}.")
        taken.append(agent)
    return [Chair(agent.ref, agent.title, agent.role) for agent in taken]


def call_council(*, actor: Actor, story: Story, subject: str, question: str = "") -> tuple[Council, bool]:
    """The council that deliberates on this, and whether it was called just now. Raises `Invalid`, `Denied`, `Conflict`."""
    known = open_council(story, subject)
    if known is not None:
        return known, False
    asked = question.strip() or QUESTIONS.get(subject, "")
    try:
        made = convene_council(actor=actor, story=story, subject=subject, question=asked, seats=chairs_for(story))
    except Conflict:
        known = open_council(story, subject)
        if known is None:
            raise
        return known, False
    return made, True


def hold_councils() -> None:
    """Call the councils that stories of the current tenant wait for, and have the run of every one queued that lacks it."""
    if required_subjects():
        planned = Story.objects.filter(state__in=HELD_IN, tasks__state="todo").select_related("strategy").distinct()
        stories = {story.pk: story for story in planned}
        for pk, subjects in missing_councils(stories).items():
            for subject in subjects:
                _call_once(stories[pk], subject)
    for council in _unfinished():
        give_run(council)


def _unfinished() -> QuerySet[Council]:
    """Open councils, and stopped ones that people had tried again and that have had no run since."""
    later = Run.objects.filter(subject=OuterRef("subject"), kind=RunKind.COUNCIL, number__gt=OuterRef("number"))
    retried = Run.objects.filter(kind=RunKind.COUNCIL, outcome__has_key="retried_by").exclude(Exists(later))
    again = [int(subject.partition(":")[2]) for subject in retried.values_list("subject", flat=True)]
    wanted = Q(state__in=OPEN_COUNCIL) | Q(state=CouncilState.STOPPED, pk__in=again)
    return Council.objects.filter(wanted, stands=True, waived_by="").order_by("pk")


def _call_once(story: Story, subject: str) -> None:
    if not unheld(story, subject):
        # One was held and came to nothing that counts: a person says how it goes on.
        return
    try:
        call_council(actor=system_actor("dispatcher", current_tenant()), story=story, subject=subject)
    except Conflict as refusal:
        logger.info("no council on the %s of %s: %s", subject, story.reference, refusal.detail)


def give_run(council: Council) -> Run | None:
    """Queue the run of a council; None when it has one already, or agents gave up on it."""
    open_run = Run.objects.filter(subject=council.ref, kind=RunKind.COUNCIL, state__in=OPEN)
    if open_run.exists() or given_up(council.ref, RunKind.COUNCIL):
        return None
    story = council.story
    names = [seat.agent.partition(":")[2] for seat in council.seats.order_by("place")]
    agents = sorted(Agent.objects.filter(name__in=names, active=True), key=lambda agent: names.index(agent.name))
    agent = next(iter(agents), None)
    if agent is None:
        return None
    new = NewRun(
        kind=RunKind.COUNCIL,
        subject=council.ref,
        story=story.ref,
        title=f"Council on the {council.get_subject_display().lower()} of {story.reference}",
        claim=f"{council.ref}:{retries_of(council.ref, RunKind.COUNCIL)}",
        repository=story.project.repository,
        strategy=str(story.strategy.pk) if story.strategy else "",
    )
    try:
        return queue_run(actor=system_actor("dispatcher", current_tenant()), agent=agent, new=new)
    except (Conflict, RateLimited):
        return None


def approves_itself(story: Story, seated: Iterable[Agent], agreement: Decimal | None) -> bool:
    """Whether a council's decision stands without a person: by the story's autonomy, at less than high risk.

    `agreement` is the share of its voters that put the winner first: below the policy's threshold a person decides, as
    where one of those `seated` may draft nothing unasked.
    """
    document = active_policy().document
    autonomy = min(autonomy_of(story), document.highest_autonomy)
    if autonomy < document.councils.approved_from or document.risk_of(story.risk_labels or [], []) is Risk.HIGH:
        return False
    sure = agreement is not None and agreement >= document.confidence.threshold
    return sure and all(drafts_unasked(agent, story) for agent in seated)
