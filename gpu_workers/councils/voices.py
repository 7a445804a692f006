"""Many calls at once: each voice has a thread of its own, with its tenant's scope and no connection while it waits."""

import contextvars
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any

from django.db import connection

from gateway.calls import Completion
from gateway.chat import Request
from gpu_workers.actions.runs import LeaseLost, StepResult
from gpu_workers.councils.asking import Messages, again
from gpu_workers.councils.reading import Said, Unusable
from gpu_workers.models import Agent, RunStep
from gpu_workers.models.run import Phase
from gpu_workers.runs.context import RunContext, Stopped
from gpu_workers.runs.limits import LimitMet
from gpu_workers.runs.model import Account, CallCut, RunModel
from gpu_workers.runs.resting import patience_ends
from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import LimitExceeded, TooLarge, Unavailable
from guildhall.kernel.redaction import redact
from guildhall.kernel.tenancy import current_tenant, release_connection, tenant_scope
from workflows.actions.councils import keep_contribution
from workflows.councils import Message, majority
from workflows.models import Contribution, Council
from workflows.models.council import CouncilPhase

AT_ONCE = 8
"""Calls of one council that are under way at a time."""
TRIES = 2
"""Answers that a seat is asked for in one run; after that it abstains."""
WORDS = {
    CouncilPhase.PROPOSAL: "proposes",
    CouncilPhase.CRITIQUE: "criticises",
    CouncilPhase.REVISION: "revises",
    CouncilPhase.SCORE: "scores",
}


@dataclass(frozen=True, slots=True)
class Voice:
    """One thing that one seat is to say, and how its answer is read; with `judging`, by no model whose verdicts do not count."""

    phase: CouncilPhase
    letter: str
    about: str
    agent: Agent
    messages: Messages
    max_tokens: int
    read: Callable[[str], Said]
    schema: dict[str, Any] | None
    temperature: float
    seed: int
    judging: bool

    @property
    def key(self) -> str:
        """Names it within the council."""
        return ".".join(part for part in (self.phase, self.letter, self.about) if part)

    @property
    def title(self) -> str:
        """What it does, for the run's list of steps."""
        about = f" {self.about}" if self.about else ""
        return f"{self.agent.title} ({self.letter}) {WORDS[self.phase]}{about}"


Mutes = Callable[[Voice, BaseException], bool]
"""`mutes(voice, error)`: whether the seat abstains for this, where the others are enough."""


class Choir:
    """The voices of one council in one run."""

    def __init__(self, ctx: RunContext, council: Council, account: Account, system: Actor) -> None:
        self._ctx = ctx
        self._council = council
        self._account = account
        self._system = system
        self._schema = current_tenant()
        self._begun_at = self._attempts_before()

    def _attempts_before(self) -> dict[str, int]:
        """How often each voice had been heard when this run began, from its journal: a repeated run counts the same."""

        def do(_: object) -> StepResult:
            return StepResult({"attempts": Counter(key for key, _ in self._rows())})

        step = self._ctx.journal.step(
            "seats", kind="note", phase=Phase.PLANNER, title="Take the seats", request={}, do=do
        )
        return {str(key): int(count) for key, count in step["attempts"].items()}

    def _rows(self) -> list[tuple[str, Contribution]]:
        """What was said so far, each with the key of its voice."""
        rows = self._council.contributions.select_related("author", "about")
        return [(_key(row.phase, row.author.letter, row.about.letter if row.about else ""), row) for row in rows]

    def _settled(self) -> set[str]:
        """Voices that are not asked any more: they were heard, or this run has gone on without them."""
        return {key for key, row in self._rows() if row.valid or self._is_absence(key, row)}

    def _is_absence(self, key: str, row: Contribution) -> bool:
        return not row.model and row.attempt > self._begun_at.get(key, 0)

    def hear(self, voices: Sequence[Voice]) -> None:
        """Ask everything that is still unsaid, at once.

        Whatever was answered is kept, also when one of the calls raises. Then raises the gravest of what came up, unless
        seats that cannot be asked abstain and the others are enough to decide.
        """
        settled = self._settled()
        waiting = [voice for voice in voices if voice.key not in settled]
        if not waiting:
            return
        halt, mutes = threading.Event(), self._excuses()
        release_connection()
        with ThreadPoolExecutor(min(AT_ONCE, len(waiting)), thread_name_prefix="council") as pool:
            futures = [
                pool.submit(contextvars.copy_context().run, self._alone, voice, halt, mutes) for voice in waiting
            ]
            wait(futures)
        failed = [
            (voice, error)
            for voice, future in zip(waiting, futures, strict=True)
            if (error := future.exception()) is not None
        ]
        mute = {voice.letter for voice, _ in failed}
        able = {voice.letter for voice in voices} - mute
        if len(able) < majority(self._council.seats.count()) or not all(mutes(voice, error) for voice, error in failed):
            _raise_gravest([error for _, error in failed])
        self._ctx.check()
        for voice, error in failed:
            self._excuse(voice, str(error))

    def _excuses(self) -> Mutes:
        """What a seat abstains for now: its model cannot take the question, or was away for longer than runs wait."""
        refused, away = (patience_ends(self._ctx.run, asked_wrong=asked_wrong) for asked_wrong in (True, False))
        absent = {row.author.letter for key, row in self._rows() if self._is_absence(key, row)}

        def mutes(voice: Voice, error: BaseException) -> bool:
            if not isinstance(error, Unavailable):
                return isinstance(error, TooLarge)
            return voice.letter in absent or (refused if error.extra.get("refused") else away)

        return mutes

    def _excuse(self, voice: Voice, problem: str) -> None:
        """Keep that a seat abstains since its model did not answer, as an attempt without a model."""
        attempt = 1 + sum(key == voice.key for key, _ in self._rows())
        message = Message(
            phase=voice.phase, letter=voice.letter, about=voice.about, attempt=attempt, problem=problem[:300]
        )
        keep_contribution(actor=self._system, council=self._council, message=message)
        self._ctx.log(f"{voice.agent.title} abstains: {problem}", "bad")

    def _alone(self, voice: Voice, halt: threading.Event, mutes: Mutes) -> None:
        """One voice in a thread of its own; what it raises keeps those from beginning that have not begun.

        A seat that cannot be asked keeps nobody else from being heard.
        """
        if halt.is_set():
            return
        try:
            with tenant_scope(self._schema):
                self._hear_one(voice)
        except BaseException as error:
            if not mutes(voice, error):
                halt.set()
            raise
        finally:
            connection.close()

    def _hear_one(self, voice: Voice) -> None:
        before = self._begun_at.get(voice.key, 0)
        messages, problem = voice.messages, ""
        for attempt in range(before + 1, before + TRIES + 1):
            self._ctx.check()
            key = f"{voice.key}.{attempt}"
            completion, problem = self._ask(voice, key, messages)
            said = Said("")
            if not problem:
                try:
                    said = voice.read(redact(completion.text))
                except Unusable as unusable:
                    problem = str(unusable)
            self._keep(voice, key, attempt, completion, said, problem)
            if not problem:
                return
            messages = again(voice.messages, problem)
        self._ctx.log(f"{voice.agent.title} abstains: {problem}", "bad")

    def _ask(self, voice: Voice, key: str, messages: Messages) -> tuple[Completion, str]:
        """The answer, and what keeps it from being read."""
        model = RunModel(self._ctx.journal.of(voice.agent.actor()), voice.agent.route, self._account, self._ctx.cancel)
        model.phase = Phase.PLANNER if voice.phase == CouncilPhase.PROPOSAL else Phase.EXECUTOR
        model.judging = voice.judging
        request = Request(
            messages=messages,
            max_tokens=voice.max_tokens,
            schema=voice.schema,
            schema_name=f"council_{voice.phase}",
            temperature=voice.temperature,
            seed=voice.seed,
        )
        try:
            return model.ask(key, request, voice.title, content_with_cut=True), ""
        except CallCut as cut:
            self._ctx.check()
            return cut.completion, "it was cut off"

    def _keep(self, voice: Voice, key: str, attempt: int, completion: Completion, said: Said, problem: str) -> None:
        step = RunStep.objects.get(run=self._ctx.run, key=key)
        took = float(step.seconds or 0)
        keep_contribution(
            actor=self._system,
            council=self._council,
            message=Message(
                phase=voice.phase,
                letter=voice.letter,
                about=voice.about,
                attempt=attempt,
                title=said.title,
                text=said.text if not problem else redact(completion.text),
                problem=problem,
                scores=said.scores,
                model=completion.model,
                tokens_in=completion.tokens_in,
                tokens_out=completion.tokens_out,
                cost=completion.cost,
                duration_ms=int(took * 1000),
            ),
        )
        if not problem:
            self._ctx.log(f"{voice.title}: {said.title or said.text[:80]}", "")


def _key(phase: str, letter: str, about: str) -> str:
    return ".".join(part for part in (phase, letter, about) if part)


def _raise_gravest(errors: Sequence[BaseException]) -> None:
    """A lost lease outweighs a stop, a stop a met limit or budget, and that everything that may be better later."""
    for kind in (LeaseLost, Stopped, LimitMet, LimitExceeded):
        for error in errors:
            if isinstance(error, kind):
                raise error
    if errors:
        raise errors[0]
