"""Runs, changes and CI as pages show them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import Sum
from django.utils import timezone

from gpu_workers.applying.appliers import APPLIERS
from gpu_workers.applying.outcomes import Outcome, begun_in
from gpu_workers.ci_answers import KnownCI
from gpu_workers.diff_lines import lines_of
from gpu_workers.models import Agent, ChangeRemark, ChangeRequest, CIRun, Run, RunStep
from gpu_workers.models.run import Phase
from gpu_workers.repos import FileDiff
from gpu_workers.selectors import TEAM, phases_of
from gpu_workers.shown_diffs import shown_diff
from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import Unavailable
from guildhall.kernel.unseen import seen
from guildhall.portal.registry import Party

RUN_TONES = {
    "queued": "t-idle",
    "running": "t-run",
    "waiting": "t-wait",
    "succeeded": "t-ok",
    "failed": "t-bad",
    "escalated": "t-wait",
    "cancelled": "t-idle",
}
ROLE_WORDS = {"qa": "QA", "devops": "DevOps"}
CHANGE_TONES = {"open": "t-run", "merged": "t-ok", "closed": "t-idle", "reverted": "t-bad"}
CI_TONES = {"passed": "t-ok", "failed": "t-bad", "error": "t-bad", "timeout": "t-bad"}
STEP_ICONS = {
    "tool": "hammer",
    "model": "message-circle",
    "ci": "checklist",
    "checks": "checklist",
    "commit": "git-branch",
    "change": "upload",
}
TOOL_WORDS = {"write_grounded": "Write from the evidence", "run_command": "Run"}


def has_team_role(actor: Actor) -> bool:
    """Whether runs are shown to the actor at all; clients do not see them."""
    return actor.has_role(*TEAM)


def agent_party(agent: Agent) -> Party:
    return Party(agent.ref, agent.title, agent.icon, ROLE_WORDS.get(agent.role, agent.role.capitalize()))


def agents_named(names: list[str]) -> dict[str, Party]:
    """Parties by agent name."""
    return {agent.name: agent_party(agent) for agent in Agent.objects.filter(name__in=names)}


@dataclass(frozen=True, slots=True)
class RunRow:
    """A run in a list: `track` are the tones of the five phases, "" for one that has not begun."""

    run: Run
    who: Party
    label: str
    tone: str
    phase: str
    track: list[str]
    cost: Decimal
    seconds: float | None

    @property
    def url(self) -> str:
        return f"/runs/{self.run.number}/"


def run_rows(runs: Iterable[Run]) -> list[RunRow]:
    """Rows with their cost, one look-up for all; agents are expected to be loaded."""
    listed = list(runs)
    sums = RunStep.objects.filter(run__in=listed).values("run").annotate(total=Sum("cost")).order_by("run")
    costs = {line["run"]: line["total"] for line in sums}
    return [
        RunRow(
            run=run,
            who=agent_party(run.agent),
            label=run.get_state_display(),
            tone=RUN_TONES[run.state],
            phase=Phase(run.phase).label,
            track=_track(run),
            cost=costs.get(run.pk, Decimal(0)),
            seconds=seconds_of(run),
        )
        for run in listed
    ]


def _track(run: Run) -> list[str]:
    at = Phase.values.index(run.phase)
    if run.state == "queued":
        return [""] * len(Phase.values)
    return ["t-ok"] * at + [RUN_TONES[run.state]] + [""] * (len(Phase.values) - at - 1)


def seconds_of(run: Run) -> float | None:
    """How long the run has taken or took; None before it begins."""
    if run.started_at is None:
        return None
    return ((run.ended_at or timezone.now()) - run.started_at).total_seconds()


@dataclass(frozen=True, slots=True)
class PhaseRow:
    """One phase in the time chart: spans are (start %, width %, tone, label)."""

    label: str
    state: str
    tone: str
    spans: list[tuple[float, float, str, str]]
    seconds: float


@dataclass(frozen=True, slots=True)
class Chart:
    """The five phases over the run's time; `now` is a percentage while it runs, `marks` are labels of the axis."""

    rows: list[PhaseRow]
    now: float | None
    marks: list[tuple[int, float]]


PHASE_TONES = {"past": "t-ok", "now": "t-run", "bad": "t-bad", "": "t-idle"}


def chart_of(run: Run, steps: Sequence[RunStep]) -> Chart:
    """When which phase was at work, from the steps."""
    start = run.started_at or run.created_at
    end = run.ended_at or timezone.now()
    whole = max(1.0, (end - start).total_seconds())
    rows = []
    for phase in phases_of(run):
        spans = [_span(start, whole, end, group) for group in _stretches(steps, phase["key"])]
        seconds = sum(width for _, width, _, _ in spans) * whole / 100
        state = phase["state"]
        rows.append(PhaseRow(phase["label"], state, PHASE_TONES[state], spans, seconds))
    marks = [(share, whole * share / 100) for share in (0, 25, 50, 75, 100)]
    return Chart(rows, 100.0 if run.is_open and run.started_at else None, marks)


def _stretches(steps: Sequence[RunStep], phase: str) -> list[list[RunStep]]:
    """Runs of consecutive steps of one phase."""
    stretches: list[list[RunStep]] = []
    before = ""
    for step in steps:
        if step.phase == phase:
            if before != phase:
                stretches.append([])
            stretches[-1].append(step)
        before = step.phase
    return stretches


def _span(start: datetime, whole: float, end: datetime, group: list[RunStep]) -> tuple[float, float, str, str]:
    begun = max(0.0, (group[0].started_at - start).total_seconds())
    done = ((group[-1].finished_at or end) - start).total_seconds()
    open_ = group[-1].finished_at is None
    red = any(step.kind in ("ci", "checks") and step.ok is False for step in group)
    tone = "t-run" if open_ else ("t-bad" if red else "t-ok")
    label = f"{group[-1].title} · {max(0.0, done - begun):.1f} s"
    return 100 * begun / whole, 100 * max(0.0, done - begun) / whole, tone, label


CAME: dict[str, str] = {
    Outcome.PARTLY: "applied in part",
    Outcome.NOT_APPLIED: "nothing was applied",
    Outcome.UNKNOWN: "not known whether it was applied",
}


@dataclass(frozen=True, slots=True)
class StepRow:
    """A step of a run in words."""

    step: RunStep
    icon: str
    tone: str
    phase: str
    seconds: float | None

    @property
    def title(self) -> str:
        """What was done, a tool's name in words; of a plan also what became of it, where not all of it was applied."""
        if self.step.kind != "tool":
            return self.step.title
        tool, _, about = self.step.title.partition(" ")
        said = f"{TOOL_WORDS.get(tool, tool.replace('_', ' ').capitalize())} {about}".strip()
        # Asked first: what went in and came out of the other steps is not read for a list of them.
        applied = tool in APPLIERS and begun_in(self.step.request)
        came = CAME.get(str((self.step.response or {}).get("outcome"))) if applied else None
        return f"{said}: {came}" if came else said


def step_rows(steps: Sequence[RunStep]) -> list[StepRow]:
    rows = []
    for step in steps:
        took = float(step.seconds) if step.seconds is not None else None
        tone = "t-run" if step.finished_at is None else ("t-bad" if step.ok is False else "t-ok")
        rows.append(StepRow(step, STEP_ICONS.get(step.kind, "activity"), tone, Phase(step.phase).label, took))
    return rows


Line = tuple[str, str, str, str, tuple[ChangeRemark, ...]]
"""A line of a diff: its kind (hunk, add, del or nothing), old and new line number, text, and what was said of it."""


@dataclass(frozen=True, slots=True)
class ShownFile:
    """One changed file with its lines; `note` says why there are none or not all."""

    file: FileDiff
    lines: list[Line]
    note: str

    @property
    def name(self) -> str:
        """Where the file is, and where it was before, as people can see it."""
        names = dict.fromkeys(path for path in (self.file.old_path, self.file.path) if path)
        return " → ".join(seen(name, "") for name in names)


def diff_of(repository: str, base: str, head: str) -> list[ShownFile]:
    """What changed between two commits, bounded; empty when the repository does not have them (any more)."""
    if not (repository and base and head) or base == head:
        return []
    try:
        return [ShownFile(file, _lines(file.text), _note(file)) for file in shown_diff(repository, base, head)]
    except Unavailable:
        return []


def _note(file: FileDiff) -> str:
    if file.binary:
        return "A binary file."
    return "Too long to show here; the rest is in the repository." if file.truncated else ""


def _lines(text: str) -> list[Line]:
    return [(line.kind, str(line.old or ""), str(line.new or ""), line.text, ()) for line in lines_of(text)]


@dataclass(frozen=True, slots=True)
class ShownCI:
    """CI's answer: its tests with the failing ones first; `reservation` where it counts no more."""

    run: CIRun
    tone: str
    label: str
    tests: list[dict[str, Any]]
    more: int
    reservation: str


CI_LABELS = {"passed": "Passed", "failed": "Failed", "error": "Broken", "timeout": "Out of time"}
TESTS_SHOWN = 12


def shown_ci(known: KnownCI | None) -> ShownCI | None:
    if known is None:
        return None
    run = known.run
    tests = sorted(run.tests, key=lambda test: test.get("status") in ("passed", "skipped"))
    tones = {"passed": "t-ok", "skipped": "t-idle"}
    kept = [{**test, "tone": tones.get(test.get("status", ""), "t-bad")} for test in tests[:TESTS_SHOWN]]
    tone, label = CI_TONES.get(run.status, "t-bad"), CI_LABELS.get(run.status, run.status)
    return ShownCI(run, tone, label, kept, max(0, len(tests) - TESTS_SHOWN), known.reservation)


def change_tone(change: ChangeRequest) -> str:
    return CHANGE_TONES[change.state]
