"""Watching a run for what the policy calls a violation: it is blocked or taken out, written down, and may end the run."""

from dataclasses import dataclass

from governance.actions.violations import Breach, ViolationEffect, ViolationKind, report_violation
from governance.policies.document_sections import ViolationPlace
from governance.policies.patterns import first_text, replace
from governance.selectors.policy import active_policy
from governance.selectors.violations import why_stop
from gpu_workers.models import Run
from gpu_workers.runs.masking import patterns
from gpu_workers.tools.contract import ToolRefused
from guildhall.kernel.actor import Actor
from guildhall.kernel.redaction import MARK, redact

KINDS = {
    "role": ViolationKind.TOOL,
    "path": ViolationKind.PATH,
    "command": ViolationKind.COMMAND,
    "network": ViolationKind.NETWORK,
    "pattern": ViolationKind.PATTERN,
    "secret": ViolationKind.SECRET,
}
AROUND = 120
"""Characters of an output or a prompt that are shown on each side of what was found in it."""


@dataclass(frozen=True, slots=True)
class Watch:
    """The violations of one run. Whoever acts in it answers for them."""

    run: Run
    actor: Actor

    def masked(self, text: str, place: ViolationPlace) -> str:
        """`text` of an output or a prompt without what the policy's patterns find in it; one violation a rule and run."""
        for rule in patterns(place):
            found = first_text(rule.pattern, text)
            if found is None:
                continue
            before, after = text[: found[0]][-AROUND:], text[found[1] :][:AROUND]
            self._report(
                ViolationKind.PATTERN,
                ViolationEffect.REDACTED,
                what=f"The {place} held what the rule {rule.name!r} forbids; it was taken out.",
                rule=rule.name,
                excerpt=f"{before}{MARK}{after}",
                happening=f"{place}:{rule.name}",
                stops=rule.stops,
            )
            text = replace(rule.pattern, MARK, text)
        return text

    def refused(self, key: str, what: str, refusal: ToolRefused) -> None:
        """A call was refused before anything ran. `key` is its step's, `what` the call as it was asked for."""
        kind = KINDS.get(refusal.kind, ViolationKind.TOOL)
        stops = any(rule.stops for rule in active_policy().document.violations.patterns if rule.name == refusal.rule)
        self._report(
            kind,
            ViolationEffect.BLOCKED,
            what=refusal.reason,
            rule=refusal.rule,
            excerpt=what,
            happening=f"{key}:{kind}",
            stops=stops,
        )

    def went_round(self, key: str, what: str) -> None:
        """The same action with the same input came too often."""
        self._report(
            ViolationKind.LOOP,
            ViolationEffect.BLOCKED,
            what=what,
            rule="repeats",
            excerpt="",
            happening=f"{key}:loop",
            stops=False,
        )

    def why_stop(self) -> str:
        """Why the run has to end by what it did so far, or ""."""
        return why_stop(self.run.ref, active_policy().document.violations.stop_after)

    def _report(
        self, kind: str, effect: str, *, what: str, rule: str, excerpt: str, happening: str, stops: bool
    ) -> None:
        breach = Breach(
            kind=kind,
            effect=effect,
            what=what,
            agent=self.actor.ref,
            subject=self.run.ref,
            source=f"{self.run.ref}:{happening}"[:200],
            rule=rule,
            excerpt=redact(excerpt),
            story=self.run.story,
            stops=stops,
        )
        report_violation(actor=self.actor, breach=breach)
