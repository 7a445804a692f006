"""Ten seeded incidents of our own making (`tests/incidents`), and what an agent's triage of them is worth.

Each folder has evidence and `incident.json`: what people say of it, the part that failed, and the lines that prove it.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gpu_workers.actions.incidents import NewIncident, add_evidence, ask_triage, open_incident
from gpu_workers.models import Incident, IncidentReport
from guildhall.kernel.actor import Actor
from tests.fakes.openai_server import Rule

FOLDER = Path(__file__).parents[1] / "incidents"


@dataclass(frozen=True)
class Seeded:
    """One of them. `known` is its `incident.json`."""

    name: str
    known: dict[str, Any]

    def files(self) -> dict[str, tuple[str, bytes]]:
        """Kind and content by name."""
        return {
            file["name"]: (file["kind"], (FOLDER / self.name / file["name"]).read_bytes())
            for file in self.known["files"]
        }

    def right(self, report: IncidentReport | None) -> bool:
        """Whether the failed part is named and at least one line that proves it is cited."""
        if report is None or report.part != self.known["failed"]:
            return False
        cited = {(one["file"], one["line"]) for one in report.citations}
        return bool(cited & {(one["file"], one["line"]) for one in self.known["proof"]})


def seeded_incidents() -> list[Seeded]:
    """All of them, in a fixed order."""
    return [
        Seeded(folder.name, json.loads((folder / "incident.json").read_text()))
        for folder in sorted(FOLDER.iterdir())
        if folder.is_dir()
    ]


def bring(actor: Actor, project: str, seeded: Seeded) -> Incident:
    """Open it with its evidence and ask for a triage; the tenant's scope is entered."""
    known = seeded.known
    new = NewIncident(project, known["title"], tuple(known["parts"]), known["description"], known["severity"])
    incident = open_incident(actor=actor, new=new)
    for name, (kind, data) in seeded.files().items():
        add_evidence(actor=actor, incident=incident, name=name, kind=kind, data=data)
    return ask_triage(actor=actor, incident=incident)


def score(found: dict[str, IncidentReport | None]) -> int:
    """How many of the incidents were triaged rightly; reports by the incident's name."""
    return sum(seeded.right(found.get(seeded.name)) for seeded in seeded_incidents())


def competent(seeded: Seeded) -> list[Rule]:
    """What a competent model would do with one: look for trouble, read the lines around it, hand it in with its proof."""
    known = seeded.known
    first = known["proof"][0]
    return [
        _turn(seeded, 0, "read_errors", {}),
        _turn(seeded, 1, "read_logs", {"file": first["file"], "start": max(1, first["line"] - 5)}),
        _turn(seeded, 2, "propose_remedy", handed_in(seeded)),
    ]


def handed_in(seeded: Seeded, **other: Any) -> dict[str, Any]:
    """A right report on one; `other` is what is different about it."""
    known = seeded.known
    report = {
        "part": known["failed"],
        "cause": f"The first trouble is that of {known['failed']}; the others follow from it.",
        "citations": known["proof"],
        "remedy": known["remedy"],
        "command": known["command"],
        "change": known["change"],
    }
    return {**report, **other}


def _turn(seeded: Seeded, turn: int, tool: str, arguments: dict[str, Any]) -> Rule:
    return {
        "when": {"contains": [seeded.known["title"]], "turns": turn},
        "reply": {"tool_calls": [{"name": tool, "arguments": arguments}]},
    }
