"""A council's run: proposals, critiques, revisions and scores, the calls of a phase all at once, each kept before the next.

Going on after a crash repeats the run from the top: what is in the journal answers by itself, and what a seat said is
kept once. A new run of the same council asks only for what is still missing.
"""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property

from gateway.routing import Target, first_of
from governance.confidence import from_votes
from governance.scopes import Scope, ScopeKind
from governance.selectors.starters import key_scopes
from gpu_workers.actions.runs import Ending, StepResult
from gpu_workers.councils import asking
from gpu_workers.councils.asking import Matter, Messages, Room
from gpu_workers.councils.convening import approves_itself
from gpu_workers.councils.reading import Said, read_proposal, read_scores, read_text
from gpu_workers.councils.voices import Choir, Voice
from gpu_workers.models import Agent
from gpu_workers.models.run import Phase, RunState
from gpu_workers.runs.context import RunContext
from gpu_workers.runs.model import Account
from guildhall.kernel.actor import system_actor
from guildhall.kernel.errors import Conflict, NotFound, Unavailable
from guildhall.kernel.redaction import redact
from workflows.actions.councils import conclude_council, enter_phase, points
from workflows.councils import majority
from workflows.models import Council, CouncilSeat
from workflows.models.council import CouncilPhase, CouncilState
from workflows.selectors.councils import best_texts, ranking, votes_in

RUN_PHASES = {CouncilPhase.PROPOSAL: Phase.PLANNER}


def deliberate(ctx: RunContext) -> Ending:
    """Bring the run's council to its decision. Ends escalated when too few seats had something usable to say."""
    council = council_of(ctx.run.subject)
    if council.state == CouncilState.COMPLETED:
        return _ending(council)
    return Deliberation(ctx, council).carry_out()


def council_of(ref: str) -> Council:
    """The council with this reference. Raises `NotFound`."""
    rows = Council.objects.select_related("story__project", "story__strategy", "winner", "decision")
    council = rows.filter(pk=int(ref.partition(":")[2])).first()
    if council is None:
        raise NotFound(f"There is no {ref} any more.")
    return council


def agreement_on(council: Council) -> Decimal | None:
    """The share of the council's voters that put what they rank first, all together, first themselves; None unranked."""
    ranked = ranking(council)
    return from_votes(ranked[0].seat, votes_in(council)) if ranked else None


def _ending(council: Council) -> Ending:
    if council.winner is None or council.decision is None:
        raise Conflict(f"{council} has no decision.")
    best = points(ranking(council)[0])
    outcome = {"winner": council.winner.letter, "mean": best, "decision": council.decision.ref}
    return Ending(RunState.SUCCEEDED, outcome=outcome)


@dataclass(frozen=True, slots=True)
class Seated:
    """A seat with its agent and how much its model may say; `judging` where that is one whose verdicts count."""

    seat: CouncilSeat
    agent: Agent
    room: Room
    judging: bool

    @property
    def letter(self) -> str:
        return self.seat.letter


def _take_seats(council: Council) -> list[Seated]:
    """Everybody who sits, in order. What is told of the story is the same for all, so that the smallest window counts."""
    agents = {agent.ref: agent for agent in Agent.objects.all()}
    taken = []
    for seat in council.seats.order_by("place"):
        agent = agents.get(seat.agent)
        if agent is None:
            raise Conflict(f"{seat.agent_name} sits on {council} and is not here any more.")
        taken.append((seat, agent, _model_of(agent)))
    window = min((model.context_tokens for _, _, model in taken if model), default=0)
    return [_seated(seat, agent, model, window, len(taken)) for seat, agent, model in taken]


def _model_of(agent: Agent) -> Target | None:
    """What owners rank first on the agent's route; None where it leads nowhere now, which is found out when it is asked."""
    try:
        return first_of(agent.route)
    except Unavailable:
        return None


def _seated(seat: CouncilSeat, agent: Agent, model: Target | None, window: int, seats: int) -> Seated:
    judging = model is None or model.may_judge
    room = asking.FULL if judging else asking.SMALL
    return Seated(seat, agent, room.within(window, seats), judging)


class Deliberation:
    """One worker at one council."""

    def __init__(self, ctx: RunContext, council: Council) -> None:
        self._ctx = ctx
        self._council = council
        self._system = system_actor("council", ctx.actor.tenant)
        self._seated = _take_seats(council)
        self._choir = Choir(ctx, council, self._account, self._system)

    @cached_property
    def _account(self) -> Account:
        brief, run = self._ctx.brief, self._ctx.run
        scopes = [
            Scope(ScopeKind.PROJECT, brief.project),
            Scope(ScopeKind.STORY, brief.story),
            Scope(ScopeKind.RUN, str(run.number)),
        ]
        if run.strategy:
            scopes.append(Scope(ScopeKind.STRATEGY, run.strategy))
        scopes += key_scopes(run.subject, run.story)
        return Account(run.ref, tuple(scopes))

    @cached_property
    def _matter(self) -> Matter:
        council, story = self._council, self._council.story
        tasks = story.tasks.filter(reference__in=council.tasks).order_by("rank", "number")
        told = {
            "title": redact(story.title),
            "brief": redact(story.brief),
            "acceptance": [redact(line) for line in story.acceptance],
            "evidence": redact(story.evidence),
            "tasks": [redact(f"{task.reference} ({task.role}) {task.title}") for task in tasks],
        }
        return Matter(council.subject, redact(council.question), told)

    def carry_out(self) -> Ending:
        """All phases in turn; each begins with what the one before it left."""
        for phase, voices in (
            (CouncilPhase.PROPOSAL, self._proposals),
            (CouncilPhase.CRITIQUE, self._critiques),
            (CouncilPhase.REVISION, self._revisions),
            (CouncilPhase.SCORE, self._scores),
        ):
            self._enter(phase)
            self._choir.hear(voices())
            if phase == CouncilPhase.PROPOSAL and (lack := self._lack()):
                return Ending(RunState.ESCALATED, reason=lack)
        return self._conclude()

    def _enter(self, phase: CouncilPhase) -> None:
        self._ctx.enter(RUN_PHASES.get(phase, Phase.EXECUTOR))
        self._ctx.log(f"{phase.label}", "dim")
        order = ["", *CouncilPhase.values]
        self._council.refresh_from_db()
        reached = order.index(self._council.phase) >= order.index(phase)
        if not reached or self._council.state != CouncilState.DELIBERATING:
            self._council = enter_phase(actor=self._system, council=self._council, phase=phase)

    def _lack(self) -> str:
        """Why the council cannot go on, or ""."""
        seats, heard, needed = len(self._seated), len(best_texts(self._council)), majority(len(self._seated))
        if heard >= needed:
            return ""
        return f"Only {heard} of {seats} seats made a usable proposal and {needed} are needed; a person has to decide."

    def _proposals(self) -> list[Voice]:
        return [
            self._voice(
                seated,
                CouncilPhase.PROPOSAL,
                asking.propose(self._matter, seated.seat.role, seated.room),
                seated.room.proposal,
                read_proposal,
                temperature=0.7,
            )
            for seated in self._seated
        ]

    def _active(self) -> list[Seated]:
        """Seats that made a usable proposal; the others abstain from the rest."""
        texts = best_texts(self._council)
        return [seated for seated in self._seated if seated.letter in texts]

    def _critiques(self) -> list[Voice]:
        texts, active = self._texts(), self._active()
        return [
            self._voice(
                seated,
                CouncilPhase.CRITIQUE,
                asking.criticise(self._matter, seated.seat.role, seated.room, other.letter, texts[other.letter]),
                seated.room.critique,
                read_text,
                about=other.letter,
                temperature=0.4,
            )
            for seated in active
            for other in active
            if other is not seated
        ]

    def _revisions(self) -> list[Voice]:
        texts = self._texts()
        heard: dict[str, dict[str, str]] = {}
        said = self._council.contributions.filter(phase=CouncilPhase.CRITIQUE, valid=True)
        for row in said.select_related("author", "about").order_by("about__place", "author__place"):
            if row.about is not None:
                heard.setdefault(row.about.letter, {})[row.author.letter] = row.text
        return [
            self._voice(
                seated,
                CouncilPhase.REVISION,
                asking.revise(self._matter, seated.seat.role, seated.room, texts[seated.letter], heard[seated.letter]),
                seated.room.proposal,
                read_proposal,
                temperature=0.4,
            )
            for seated in self._active()
            if seated.letter in heard
        ]

    def _scores(self) -> list[Voice]:
        texts = self._texts()
        return [self._score_of(seated, texts) for seated in self._active()]

    def _score_of(self, seated: Seated, texts: dict[str, str]) -> Voice:
        others = {letter: text for letter, text in texts.items() if letter != seated.letter}
        letters = list(others)

        def read(raw: str) -> Said:
            return read_scores(raw, letters, seated.room.reason)

        return self._voice(
            seated,
            CouncilPhase.SCORE,
            asking.score(self._matter, seated.seat.role, seated.room, others),
            seated.room.score * len(letters),
            read,
            schema=asking.score_schema(letters, seated.room),
        )

    def _texts(self) -> dict[str, str]:
        found = best_texts(self._council)
        return {letter: f"{found[letter].title}\n{found[letter].text}" for letter in sorted(found)}

    def _voice(
        self,
        seated: Seated,
        phase: CouncilPhase,
        messages: Messages,
        max_tokens: int,
        read: Callable[[str], Said],
        *,
        about: str = "",
        schema: dict[str, object] | None = None,
        temperature: float = 0.0,
    ) -> Voice:
        return Voice(
            phase=phase,
            letter=seated.letter,
            about=about,
            agent=seated.agent,
            messages=messages,
            max_tokens=max_tokens,
            read=read,
            schema=schema,
            temperature=temperature,
            seed=seated.seat.place + 1,
            judging=seated.judging,
        )

    def _conclude(self) -> Ending:
        self._ctx.enter(Phase.FINALIZER)

        def do(_: object) -> StepResult:
            council = council_of(self._council.ref)
            if council.state != CouncilState.COMPLETED:
                agents = [seated.agent for seated in self._seated]
                approves = approves_itself(council.story, agents, agreement_on(council))
                council = conclude_council(actor=self._system, council=council, approves=approves)
            return StepResult({"decision": council.decision.ref if council.decision else ""})

        try:
            self._ctx.journal.step(
                "conclude", kind="note", phase=Phase.FINALIZER, title="Choose the winner", request={}, do=do
            )
        except Conflict as lack:
            return Ending(RunState.ESCALATED, reason=f"{lack.detail} A person has to decide.")
        return _ending(council_of(self._council.ref))
