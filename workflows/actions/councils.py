"""A council from its call to its decision. Who worked out the words of it is not asked here: scores decide, by rows."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db.models.functions import Now

from governance.actions.starters import note_starter
from guildhall.kernel.actions import governed, record
from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import Conflict, Invalid
from workflows.actions.common import shown
from workflows.actions.council_ends import note_stopped
from workflows.council_events import (
    ContributionMade,
    CouncilConvened,
    CouncilWaived,
    DeliberationCompleted,
    DeliberationEntered,
)
from workflows.councils import CRITERIA, Chair, Choice, Message, Vote, majority
from workflows.events import DecisionMade
from workflows.machines import FEEDBACK_MIN
from workflows.models import Council, CouncilScore, CouncilSeat, Decision, Story
from workflows.models.council import OPEN_COUNCIL, Contribution, CouncilPhase, CouncilState, CouncilSubject
from workflows.ports import council_at_work
from workflows.selectors.councils import best_texts, open_council, passed, ranking

MIN_SEATS, MAX_SEATS = 3, 7
DECISION_KINDS = {CouncilSubject.PLAN: "plan", CouncilSubject.DESIGN: "design", CouncilSubject.SOLUTION: "design"}
CLOSED_STORIES = ("done", "archived")


@governed("council.convene", lock="story")
def convene_council(*, actor: Actor, story: Story, subject: str, question: str, seats: Sequence[Chair]) -> Council:
    """Call a council on a story's plan, design or solution. Raises `Invalid`, and `Conflict` while one deliberates on it."""
    _check_call(story, subject, question, seats)
    known = open_council(story, subject)
    if known is not None:
        raise Conflict(f"{known} deliberates on this already.", council=known.pk)
    for left in story.councils.filter(subject=subject, state__in=OPEN_COUNCIL):
        # Its plan is gone, and nothing goes on with it.
        note_stopped(left, actor, f"{story.reference} is planned anew")
    tasks = story.tasks.exclude(state="cancelled").order_by("rank", "number")
    council = Council.objects.create(
        story=story,
        subject=subject,
        question=question.strip(),
        tasks=list(tasks.values_list("reference", flat=True)),
        asked_by=actor.ref,
        asked_by_name=shown(actor),
    )
    CouncilSeat.objects.bulk_create(
        [
            CouncilSeat(council=council, place=place, agent=seat.agent, agent_name=seat.name[:200], role=seat.role)
            for place, seat in enumerate(seats)
        ]
    )
    agents = [seat.agent for seat in seats]
    note_starter(actor=actor, subject=council.ref)
    record(CouncilConvened(subject=council.ref, story=story.reference, about=subject, agents=agents), actor=actor)
    return council


def _check_call(story: Story, subject: str, question: str, seats: Sequence[Chair]) -> None:
    fields: dict[str, list[str]] = {}
    if subject not in CouncilSubject.values:
        fields["subject"] = [f"Choose one of {', '.join(CouncilSubject.values)}."]
    if not question.strip():
        fields["question"] = ["Say what is to be decided."]
    if not MIN_SEATS <= len(seats) <= MAX_SEATS or len(seats) % 2 == 0:
        fields["seats"] = [f"A council has an odd number of seats, {MIN_SEATS} to {MAX_SEATS}."]
    elif len({seat.agent for seat in seats}) < len(seats):
        fields["seats"] = ["Each agent sits once."]
    if fields:
        raise Invalid("The council cannot be called like this.", fields=fields)
    if story.state in CLOSED_STORIES:
        raise Conflict(f"{story.reference} is {story.state}; there is nothing left to deliberate on.")


@governed("council.enter", lock="council")
def enter_phase(*, actor: Actor, council: Council, phase: str) -> Council:
    """Begin the council's next phase; a phase that it has reached already is not begun again. Raises `Conflict`."""
    _check_stands(council)
    if council.state == CouncilState.COMPLETED:
        raise Conflict(f"{council} has decided.")
    if council.waived_by:
        raise Conflict(f"{council.waived_by_name} let the story go on without {council}.")
    other = (
        council.story.councils.filter(subject=council.subject, state__in=OPEN_COUNCIL).exclude(pk=council.pk).first()
    )
    if other is not None:
        raise Conflict(f"{other} deliberates on this meanwhile.", council=other.pk)
    council.deliberate()
    order = ["", *CouncilPhase.values]
    council.phase = max(council.phase, phase, key=order.index)
    council.reason = ""
    council.save(update_fields=["state", "phase", "reason"])
    Council.objects.filter(pk=council.pk, started_at=None).update(started_at=Now())
    event = DeliberationEntered(subject=council.ref, story=council.story.reference, phase=council.phase)
    record(event, actor=actor, after={"phase": council.phase})
    return council


def _check_stands(council: Council) -> None:
    if not council.stands:
        raise Conflict(f"{council.story.reference} is planned anew; {council} stands for nothing any more.")


def keep_contribution(*, actor: Actor, council: Council, message: Message) -> Contribution:
    """Keep what a seat said; the same message again gives the row that is there, and is told once.

    Raises `Conflict` unless the council deliberates, `Invalid` for scores that are out of range, of one's own proposal or
    of somebody who is not there.
    """
    seats = {seat.letter: seat for seat in council.seats.all()}
    author, about = _seat(seats, message.letter), _seat(seats, message.about) if message.about else None
    said = Contribution.objects.filter(
        council=council, phase=message.phase, author=author, about=about, attempt=message.attempt
    )
    return said.first() or _contribute(actor=actor, council=council, message=message)


@governed("council.contribute", lock="council")
def _contribute(*, actor: Actor, council: Council, message: Message) -> Contribution:
    _check_stands(council)
    if council.state != CouncilState.DELIBERATING:
        raise Conflict(f"{council} is {council.get_state_display().lower()}; it hears nothing more.")
    seats = {seat.letter: seat for seat in council.seats.all()}
    author, about = _seat(seats, message.letter), _seat(seats, message.about) if message.about else None
    row, made = Contribution.objects.get_or_create(
        council=council,
        phase=message.phase,
        author=author,
        about=about,
        attempt=message.attempt,
        defaults={
            "title": message.title[:120],
            "text": message.text,
            "valid": not message.problem,
            "problem": message.problem[:300],
            "model": message.model[:200],
            "tokens_in": message.tokens_in,
            "tokens_out": message.tokens_out,
            "cost": message.cost,
            "duration_ms": message.duration_ms,
        },
    )
    if made:
        _keep_scores(row, seats, message)
    event = ContributionMade(
        subject=council.ref,
        story=council.story.reference,
        phase=message.phase,
        letter=message.letter,
        about=message.about,
        valid=row.valid,
        tokens=row.tokens_in + row.tokens_out,
    )
    record(event, actor=actor)
    return row


def _seat(seats: Mapping[str, CouncilSeat], letter: str) -> CouncilSeat:
    if letter not in seats:
        raise Invalid(f"No seat {letter[:8]}.", fields={"letter": [f"Name one of {', '.join(seats)}."]})
    return seats[letter]


def _keep_scores(row: Contribution, seats: Mapping[str, CouncilSeat], message: Message) -> None:
    for letter, given in message.scores.items():
        about = _seat(seats, letter)
        if about == row.author:
            raise Invalid("Nobody scores its own proposal.", fields={"scores": [f"{letter} is the author's own."]})
        try:
            vote = Vote(message.letter, letter, {name: rating for name, (rating, _) in given.items()})
        except ValueError as error:
            raise Invalid("These are no scores.", fields={"scores": [f"{letter}: {error}."]}) from None
        reasons = {name: given[name][1] for name in CRITERIA}
        CouncilScore.objects.create(contribution=row, author=row.author, about=about, reasons=reasons, **vote.ratings)


@governed("council.conclude", lock="council")
def conclude_council(*, actor: Actor, council: Council, approves: bool) -> Council:
    """Choose the winner by the scores that are there and write the decision; with `approves` it is approved at once.

    A council that has decided keeps its decision. Raises `Conflict` when too few seats scored, nothing was scored, or the
    story is planned anew meanwhile.
    """
    _check_stands(council)
    if council.state != CouncilState.DELIBERATING:
        raise Conflict(f"{council} is {council.get_state_display().lower()}.")
    seats = list(council.seats.all())
    voters = CouncilScore.objects.filter(author__council=council).values("author").distinct().count()
    ranked = ranking(council)
    if voters < majority(len(seats)) or not ranked:
        raise Conflict(f"Only {voters} of {len(seats)} seats gave scores; {majority(len(seats))} are needed.")
    winner = next(seat for seat in seats if seat.letter == ranked[0].seat)
    decision = _decide(council, seats, ranked, approves)
    council.winner, council.decision = winner, decision
    council.complete()
    council.save(update_fields=["state", "winner", "decision"])
    Council.objects.filter(pk=council.pk).update(ended_at=Now())
    record(_made(decision), actor=actor)
    event = DeliberationCompleted(
        subject=council.ref,
        story=council.story.reference,
        about=council.subject,
        winner=winner.letter,
        agent=winner.agent,
        mean=points(ranked[0]),
        decision=decision.ref,
        verdict=decision.verdict,
    )
    record(event, actor=actor, after={"ranking": [f"{choice.seat} {points(choice)}" for choice in ranked]})
    return council


def points(choice: Choice) -> str:
    """A mean with two decimals."""
    return f"{float(choice.mean):.2f}"


def _decide(council: Council, seats: Sequence[CouncilSeat], ranked: Sequence[Choice], approves: bool) -> Decision:
    texts = best_texts(council)
    named = {seat.letter: seat for seat in seats}
    best = texts[ranked[0].seat]
    scored = ", ".join(f"{choice.seat} {points(choice)}" for choice in ranked)
    head = f"Proposal {ranked[0].seat} of {named[ranked[0].seat].agent_name} won in {council}: {scored} of 10."
    verdict = {"verdict": "approved", "decided_at": Now()} if approves else {}
    by: dict[str, Any] = {"decided_by": council.ref, "decided_by_name": f"Council {council.pk}"} if approves else {}
    return Decision.objects.create(
        kind=DECISION_KINDS[CouncilSubject(council.subject)],
        title=f"{council.story.reference}: {best.title}"[:200],
        rationale=f"{head}\n\n{best.text}",
        alternatives=[
            {"title": f"{choice.seat}. {texts[choice.seat].title}"[:200], "why_not": f"{points(choice)} of 10"}
            for choice in ranked[1:]
        ],
        affects=[council.story.ref, *(f"task:{task}" for task in council.tasks), council.ref],
        proposed_by=council.ref,
        proposed_by_name=f"Council {council.pk}",
        **verdict,
        **by,
    )


def _made(decision: Decision) -> DecisionMade:
    return DecisionMade(
        subject=decision.ref,
        decision_kind=decision.kind,
        title=decision.title,
        verdict=decision.verdict,
        affects=decision.affects,
    )


@governed("council.stop", lock="council")
def stop_council(*, actor: Actor, council: Council, reason: str) -> Council:
    """Note that a council came to no result, and why; one that was tried again may stop for another reason.

    Raises `Conflict` for one that has decided, has stopped for this reason already, or stands for nothing any more.
    """
    again = council.state == CouncilState.STOPPED and council.stands and council.reason != reason[:1000]
    if not council.is_open and not again:
        raise Conflict(f"{council} is {council.get_state_display().lower()}.")
    note_stopped(council, actor, reason)
    return council


@governed("council.waive", lock="council")
def waive_council(*, actor: Actor, council: Council, reason: str) -> Council:
    """Let the story go on without this council's result; one that nobody is at, as all of its seats rest, is stopped.

    Raises `Conflict` while it deliberates or once it was waived.
    """
    if len(reason.strip()) < FEEDBACK_MIN:
        problem = f"Say why in at least {FEEDBACK_MIN} characters."
        raise Invalid(problem, fields={"reason": [problem]})
    if council.is_open and council_at_work(council.ref):
        raise Conflict(f"{council} still deliberates; stop its run first.")
    if council.waived_by:
        raise Conflict(f"{council.waived_by_name} let the story go on without it already.")
    if passed(council):
        raise Conflict(f"{council} has decided; the story does not wait for it.")
    if council.is_open:
        note_stopped(council, actor, "No agent was at it when the story was let go on.")
    council.waived_by, council.waived_by_name = actor.ref, shown(actor)
    council.waived_because = reason.strip()
    council.save(update_fields=["waived_by", "waived_by_name", "waived_because"])
    about, story = council.subject, council.story.reference
    event = CouncilWaived(subject=council.ref, story=story, about=about, reason=reason.strip()[:500])
    record(event, actor=actor, reason=council.waived_because)
    return council
