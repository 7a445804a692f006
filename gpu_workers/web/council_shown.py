"""Councils as pages show them: a column per seat, the phases with how far they are, and the matrix of scores."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from django.db.models import Count, Q
from django.utils import timezone

from gpu_workers.models import Run
from gpu_workers.web.shown import seconds_of
from guildhall.portal.registry import Party, parties
from workflows.councils import CRITERIA, Choice
from workflows.models import Contribution, Council, CouncilScore, CouncilSeat
from workflows.models.council import CouncilPhase, CouncilState
from workflows.selectors.councils import ranking

TONES = {"convened": "t-idle", "deliberating": "t-run", "completed": "t-ok", "stopped": "t-wait"}
VERDICT_TONES = {"proposed": "t-wait", "approved": "t-ok", "rejected": "t-bad"}
LABELS = {"correctness": "Correct", "risk": "Safe", "cost": "Cheap", "testability": "Testable"}
"""Each criterion as what 10 stands for, since 10 is always the best."""
DASHES = 6


@dataclass(frozen=True, slots=True)
class PhaseShown:
    """How far a phase is: `heard` of `expected` answers."""

    label: str
    heard: int
    expected: int
    tone: str
    current: bool

    @property
    def dashes(self) -> int:
        """Filled dashes of `DASHES`."""
        return DASHES if self.heard >= self.expected else DASHES * self.heard // max(1, self.expected)


@dataclass(frozen=True, slots=True)
class Bar:
    label: str
    value: float


@dataclass(slots=True)
class Column:
    """One seat: what it stands for, how it got there, what others said of it, and what it got."""

    seat: CouncilSeat
    who: Party
    title: str = ""
    text: str = ""
    first: Contribution | None = None
    revised: bool = False
    critiques: list[Contribution] = field(default_factory=list)
    bars: list[Bar] = field(default_factory=list)
    mean: float | None = None
    place: int = 0
    won: bool = False
    state: str = ""
    abstained: str = ""
    tokens: int = 0
    cost: Decimal = Decimal(0)

    @property
    def tone(self) -> str:
        return "t-ok" if self.won else "t-idle"


@dataclass(frozen=True, slots=True)
class Cell:
    """What one seat gave another: None for its own proposal or nothing yet. `mark` says which."""

    mean: float | None
    mark: str = ""
    ratings: tuple[tuple[str, int, str], ...] = ()


@dataclass(frozen=True, slots=True)
class ScoreRow:
    seat: CouncilSeat
    who: Party
    cells: list[Cell]


@dataclass(frozen=True, slots=True)
class CouncilShown:
    """Everything of the page."""

    council: Council
    tone: str
    label: str
    live: bool
    phases: list[PhaseShown]
    columns: list[Column]
    rows: list[ScoreRow]
    ranked: list[Choice]
    seconds: float | None
    waits: str

    @property
    def verdict_tone(self) -> str:
        return VERDICT_TONES.get(self.council.decision.verdict, "t-idle") if self.council.decision else "t-idle"

    @property
    def tied(self) -> bool:
        """Whether the winner's mean is another's too, so that the written order decided."""
        return len(self.ranked) > 1 and self.ranked[0].mean == self.ranked[1].mean


def shown_council(council: Council, said: Sequence[Contribution], run: Run | None) -> CouncilShown:
    """A council with what was said so far; `run` is its latest."""
    seats = list(council.seats.all())
    who = parties([seat.agent for seat in seats])
    ranked = ranking(council)
    columns = _columns(council, seats, who, said, ranked)
    waits = run.reason if run is not None and run.state == "waiting" else ""
    label = "Waits for a person" if waits else council.get_state_display()
    if council.state == CouncilState.DELIBERATING and council.phase and not waits:
        label = council.get_phase_display()
    return CouncilShown(
        council=council,
        tone="t-wait" if waits else TONES[council.state],
        label=label,
        live=council.state == CouncilState.DELIBERATING and not waits,
        phases=_phases(council, len(seats), said),
        columns=columns,
        rows=_rows(seats, who, said),
        ranked=ranked,
        seconds=_seconds(council, run),
        waits=waits,
    )


def _seconds(council: Council, run: Run | None) -> float | None:
    if council.started_at is None:
        return None
    if run is not None and run.started_at is not None:
        return seconds_of(run)
    return ((council.ended_at or timezone.now()) - council.started_at).total_seconds()


def _phases(council: Council, seats: int, said: Sequence[Contribution]) -> list[PhaseShown]:
    heard = dict.fromkeys(CouncilPhase.values, 0)
    for row in said:
        heard[row.phase] += row.valid
    proposed = heard["proposal"] if council.phase not in ("", "proposal") else seats
    expected = {
        "proposal": seats,
        "critique": proposed * (proposed - 1),
        "revision": proposed,
        "score": proposed,
    }
    order = CouncilPhase.values
    at = order.index(council.phase) if council.phase else -1
    found = []
    for index, phase in enumerate(CouncilPhase):
        past = index < at or council.state == CouncilState.COMPLETED
        now = index == at and not past
        tone = "t-ok" if past else (TONES[council.state] if now else "t-idle")
        found.append(PhaseShown(phase.label, heard[phase], expected[phase], tone, now))
    return found


def _columns(
    council: Council,
    seats: Sequence[CouncilSeat],
    who: dict[str, Party],
    said: Sequence[Contribution],
    ranked: Sequence[Choice],
) -> list[Column]:
    columns = {seat.pk: Column(seat, who[seat.agent], won=seat.pk == council.winner_id) for seat in seats}
    for row in said:
        own = columns[row.author_id]
        own.tokens += row.tokens_in + row.tokens_out
        own.cost += row.cost
        if not row.valid:
            own.abstained = row.problem
            continue
        if row.phase in (CouncilPhase.PROPOSAL, CouncilPhase.REVISION):
            own.first = own.first or row
            own.title, own.text, own.revised = row.title, row.text, row.phase == CouncilPhase.REVISION
        elif row.phase == CouncilPhase.CRITIQUE and row.about_id in columns:
            columns[row.about_id].critiques.append(row)
        own.abstained = ""
    for place, choice in enumerate(ranked, 1):
        column = next(column for column in columns.values() if column.seat.letter == choice.seat)
        column.place, column.mean = place, float(choice.mean)
        column.bars = [Bar(LABELS[name], float(choice.means[name])) for name in CRITERIA]
    for column in columns.values():
        column.state = _doing(council, column, said)
    return list(columns.values())


def _doing(council: Council, column: Column, said: Sequence[Contribution]) -> str:
    """What a seat is at now, in a word; "" when nothing is awaited of it."""
    if council.state != CouncilState.DELIBERATING or not council.phase:
        return ""
    mine = [row for row in said if row.author_id == column.seat.pk and row.phase == council.phase and row.valid]
    if council.phase == CouncilPhase.CRITIQUE:
        others = len({row.author_id for row in said if row.phase == CouncilPhase.PROPOSAL and row.valid}) - 1
        return "is reading" if len(mine) < others else ""
    words = {"proposal": "is thinking", "revision": "is revising", "score": "is rating"}
    return "" if mine else words[council.phase]


def _rows(seats: Sequence[CouncilSeat], who: dict[str, Party], said: Sequence[Contribution]) -> list[ScoreRow]:
    given = {(score.author_id, score.about_id): score for row in said for score in row.scores.all()}
    return [
        ScoreRow(seat, who[seat.agent], [_cell(seat, other, given.get((seat.pk, other.pk))) for other in seats])
        for seat in seats
    ]


def _cell(seat: CouncilSeat, other: CouncilSeat, score: CouncilScore | None) -> Cell:
    if seat.pk == other.pk:
        return Cell(None, "own")
    if score is None:
        return Cell(None)
    ratings = tuple((LABELS[name], score.ratings[name], str(score.reasons.get(name, ""))) for name in CRITERIA)
    return Cell(sum(score.ratings.values()) / len(CRITERIA), "", ratings)


@dataclass(frozen=True, slots=True)
class CouncilRow:
    """A council in a list."""

    council: Council
    tone: str
    label: str
    seats: list[Party]
    messages: int


def council_rows(councils: Sequence[Council]) -> list[CouncilRow]:
    """Rows with their seats and how much was said, one look-up each for all."""
    who = parties([seat.agent for council in councils for seat in council.seats.all()])
    counted = Council.objects.filter(pk__in=[council.pk for council in councils]).order_by()
    said = dict(
        counted.annotate(said=Count("contributions", filter=Q(contributions__valid=True))).values_list("pk", "said")
    )
    return [
        CouncilRow(
            council,
            TONES[council.state],
            council.get_phase_display()
            if council.state == CouncilState.DELIBERATING and council.phase
            else council.get_state_display(),
            [who[seat.agent] for seat in council.seats.all()],
            said.get(council.pk, 0),
        )
        for council in councils
    ]
