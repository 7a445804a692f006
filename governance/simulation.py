"""What a policy would have said to what was done: recorded actions replayed through the decisions that really are made.

Pure; no Django. Numbers that only add up over time (budgets, rates) are counted within the recorded time alone.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal

from governance.autonomy import ActionClass, Environment, Risk, Verdict, decide
from governance.policies.document import RELEASED, PolicyDocument
from governance.policies.patterns import search
from governance.recorded import Recorded, RecordedKind
from governance.scopes import Window

LISTED = 200
NOT_SIMULATED = (
    "patterns of violations in outputs and prompts",
    "a release's required checks, and freezes and locks that people set by hand",
    "which roles approve; how many people did is compared",
    "councils: who sits, what they are held on, and which decisions stand by themselves",
    "how much one run takes (steps, minutes, tokens, rounds of mending), loops, and after how many violations it ends",
    "reputation: agents are taken at today's, whatever the weights",
    "how long questions stay open",
)
"""What a replay of what was done cannot tell, or is not asked; told with every simulation."""
STRICT = {Verdict.ALLOW: 0, Verdict.ASK: 1, Verdict.REFUSE: 2}


@dataclass(frozen=True, slots=True)
class Said:
    verdict: Verdict
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Difference:
    """An action that the two policies answer differently."""

    action: Recorded
    before: Said
    after: Said

    @property
    def stricter(self) -> bool:
        return STRICT[self.after.verdict] > STRICT[self.before.verdict]


@dataclass(frozen=True, slots=True)
class Simulation:
    """`counted` holds, by kind, how many actions there were and how many each policy would have blocked or asked about.

    `differences` are the first `LISTED` of `changed`.
    """

    number: int
    since: datetime | None
    counted: dict[RecordedKind, dict[str, int]]
    changed: int
    differences: tuple[Difference, ...]
    cut: bool = False

    @property
    def blocked(self) -> int:
        return sum(of["blocked"] for of in self.counted.values())

    @property
    def asked(self) -> int:
        return sum(of["asked"] for of in self.counted.values())


COLUMNS = {Verdict.ASK: "asked", Verdict.REFUSE: "blocked"}


def simulate(
    before: PolicyDocument, after: PolicyDocument, actions: Sequence[Recorded], cut: bool = False
) -> Simulation:
    """Both policies' answers to `actions` (any order), and where they differ."""
    ordered = sorted(actions, key=lambda action: (action.at, action.ref, action.title))
    old, new = Replay(before), Replay(after)
    counted: dict[RecordedKind, Counter[str]] = {}
    found: list[Difference] = []
    for action in ordered:
        then, now = old.answer(action), new.answer(action)
        row = counted.setdefault(action.kind, Counter({"number": 0, "blocked": 0, "asked": 0}))
        row["number"] += 1
        for said, prefix in ((then, "before_"), (now, "")):
            if said.verdict in COLUMNS:
                row[prefix + COLUMNS[said.verdict]] += 1
        if then.verdict != now.verdict:
            found.append(Difference(action, then, now))
    return Simulation(
        number=len(ordered),
        since=ordered[0].at if ordered else None,
        counted={kind: _all_columns(counted[kind]) for kind in RecordedKind if kind in counted},
        changed=len(found),
        differences=tuple(found[:LISTED]),
        cut=cut,
    )


def _all_columns(row: Counter[str]) -> dict[str, int]:
    return {name: row[name] for name in ("number", "blocked", "asked", "before_blocked", "before_asked")}


@dataclass
class Replay:
    """One policy's answers, in the order of time: what was spent and done before counts."""

    document: PolicyDocument
    _spent: dict[tuple[str, ...], Decimal] = field(default_factory=dict)
    _done: Counter[tuple[str, ...]] = field(default_factory=Counter)

    def answer(self, action: Recorded) -> Said:
        rules: dict[RecordedKind, Callable[[Recorded], Said]] = {
            RecordedKind.TOOL_CALL: self._tool_call,
            RecordedKind.CHANGE: self._change,
            RecordedKind.RUN: self._run,
            RecordedKind.MODEL_CALL: self._model_call,
            RecordedKind.APPROVAL: self._approval,
        }
        return rules[action.kind](action)

    def _tool_call(self, action: Recorded) -> Said:
        if action.tool not in self.document.tools_of(action.role):
            return Said(Verdict.REFUSE, f"the policy does not give {action.tool} to {action.role}")
        pattern = self.document.denied_command(action.command) if action.command else None
        if pattern is not None:
            return Said(Verdict.REFUSE, f"the command is denied by {pattern}")
        refused = self._touched(action) or self._violated(action) or self._reached(action)
        return refused or self._guarded(action, self._autonomy(action))

    def _guarded(self, action: Recorded, said: Said) -> Said:
        if said.verdict == Verdict.ALLOW and action.secret in self.document.secrets.ask:
            return Said(Verdict.ASK, f"it uses a secret: {action.secret}")
        return said

    def _touched(self, action: Recorded) -> Said | None:
        if action.effect == ActionClass.READ:
            return None
        path = next((path for path in action.paths if not self.document.may_touch(path)), None)
        return Said(Verdict.REFUSE, f"{path} must not be changed by agents") if path else None

    def _reached(self, action: Recorded) -> Said | None:
        if action.host is None or self.document.may_reach(*action.host):
            return None
        return Said(Verdict.REFUSE, f"agents may not reach {action.host[0]}:{action.host[1]}")

    def _violated(self, action: Recorded) -> Said | None:
        texts = {"command": [action.command] if action.command else [], "path": list(action.paths)}
        for rule in self.document.violations.patterns:
            said = [text for place in rule.places for text in texts.get(place, [])]
            if any(search(rule.pattern, text) for text in said):
                return Said(Verdict.REFUSE, f"it is the violation {rule.name}")
        return None

    def _autonomy(self, action: Recorded) -> Said:
        standing, effect = action.standing, action.effect
        if standing is None or effect is None:
            return Said(Verdict.ALLOW)
        decision = decide(
            effect,
            level=standing.level,
            environment=Environment.WORKSPACE,
            strategy=standing.strategy,
            agent_cap=standing.cap,
            policy_cap=self.document.autonomy_cap(effect, standing.level, Environment.WORKSPACE),
            risk=self._risk(action),
            restricted=standing.restricted,
            evidence_complete=action.confidence is None or action.confidence >= self.document.confidence.threshold,
        )
        return Said(decision.verdict, "" if decision.verdict == Verdict.ALLOW else decision.reason)

    def _risk(self, action: Recorded) -> Risk:
        if action.labels or action.paths:
            return self.document.risk_of(action.labels, action.paths)
        return action.risk or self.document.risk.unlabelled

    def _change(self, action: Recorded) -> Said:
        refused = self._touched(action)
        if refused is not None:
            return refused
        most = self.document.rate_limits.change_requests_per_hour
        if self._count("change", _start(action.at, Window.HOUR)) > most:
            return Said(Verdict.REFUSE, f"it is more than {most} change requests in an hour")
        threshold = self.document.confidence.threshold
        if action.confidence is not None and action.confidence < threshold:
            return Said(Verdict.ASK, f"its confidence {action.confidence} is below {threshold}")
        return self._autonomy(action)

    def _run(self, action: Recorded) -> Said:
        most = self.document.rate_limits.agent_runs_per_day
        if self._count("run", _start(action.at, Window.DAY)) > most:
            return Said(Verdict.REFUSE, f"it is more than {most} runs in a day")
        return Said(Verdict.ALLOW)

    def _model_call(self, action: Recorded) -> Said:
        minute = action.at.astimezone(UTC).strftime("%Y-%m-%d %H:%M")
        key = ("tokens", action.model, minute)
        self._done[key] += action.tokens
        most = self.document.rate_limits.tokens_per_minute
        if self._done[key] > most:
            return Said(Verdict.REFUSE, f"it is more than {most} tokens of {action.model} in a minute")
        over = ""
        owners = {"tenant": "", **dict(action.owners)}
        for budget in self.document.budgets:
            if budget.scope not in owners or (budget.scope != "tenant" and not owners[budget.scope]):
                continue
            spent_by = (str(budget.scope), owners[budget.scope], budget.window, _start(action.at, budget.window))
            self._spent[spent_by] = self._spent.get(spent_by, Decimal(0)) + action.cost
            if self._spent[spent_by] > budget.usd and not over:
                over = f"the {budget.window} budget of its {budget.scope}, {budget.usd} USD, would be used up"
        return Said(Verdict.ASK, over) if over else Said(Verdict.ALLOW)

    def _approval(self, action: Recorded) -> Said:
        risk = self._risk(action) if action.labels or action.paths else action.risk or Risk.MEDIUM
        needed = self.document.approvers(action.asked, risk, action.environment)
        if action.yes < needed:
            return Said(Verdict.ASK, f"{risk} risk needs {needed} people; {action.yes} approved")
        return self._closed(action) or Said(Verdict.ALLOW)

    def _closed(self, action: Recorded) -> Said | None:
        if action.asked not in RELEASED or action.done_at is None:
            return None
        release = self.document.release
        reasons = [reason for reason, _ in release.frozen(action.environment, action.done_at)]
        reason = next(iter([*release.locked(action.environment), *reasons]), "")
        return Said(Verdict.REFUSE, f"{action.environment} was closed at that time: {reason}") if reason else None

    def _count(self, *key: str) -> int:
        self._done[key] += 1
        return self._done[key]


def _start(at: datetime, window: Window) -> str:
    formats = {Window.HOUR: "%Y-%m-%d %H", Window.DAY: "%Y-%m-%d", Window.TOTAL: ""}
    return at.astimezone(UTC).strftime(formats[window])
