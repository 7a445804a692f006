"""The ten shipped incidents, what an agent's triage of them is worth, and what a competent model would do with one."""

from typing import Any

from gpu_workers.management.commands.run_suite import INCIDENTS
from gpu_workers.models import IncidentReport
from gpu_workers.suite.incident_form import SuiteIncident
from gpu_workers.suite.reading import read_suite
from tests.fakes.openai_server import Rule


def seeded_incidents() -> list[SuiteIncident]:
    """All of them, in a fixed order."""
    return [work for work in read_suite(INCIDENTS) if isinstance(work, SuiteIncident)]


def is_right(seeded: SuiteIncident, report: IncidentReport | None) -> bool:
    """Whether the failed part is named and at least one line that proves it is cited."""
    return report is not None and seeded.is_right(report.part, {(one["file"], one["line"]) for one in report.citations})


def score(found: dict[str, IncidentReport | None]) -> int:
    """How many of the incidents were triaged rightly; reports by the incident's name."""
    return sum(is_right(seeded, found.get(seeded.name)) for seeded in seeded_incidents())


def competent(seeded: SuiteIncident) -> list[Rule]:
    """What a competent model would do with one: look for trouble, read the lines around it, hand it in with its proof."""
    first = seeded.asked.proof[0]
    return [
        _turn(seeded, 0, "read_errors", {}),
        _turn(seeded, 1, "read_logs", {"file": first.file, "start": max(1, first.line - 5)}),
        _turn(seeded, 2, "propose_remedy", handed_in(seeded)),
    ]


def handed_in(seeded: SuiteIncident, **other: Any) -> dict[str, Any]:
    """A right report on one; `other` is what is different about it."""
    known = seeded.asked
    report = {
        "part": known.failed,
        "cause": f"The first trouble is that of {known.failed}; the others follow from it.",
        "citations": [one.model_dump() for one in known.proof],
        "remedy": known.remedy,
        "command": known.command,
        "change": known.change,
    }
    return {**report, **other}


def _turn(seeded: SuiteIncident, turn: int, tool: str, arguments: dict[str, Any]) -> Rule:
    return {
        "when": {"contains": [seeded.asked.title], "turns": turn},
        "reply": {"tool_calls": [{"name": tool, "arguments": arguments}]},
    }
