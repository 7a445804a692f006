"""Which role may be told what of the tenant's work (K6, as far as it goes). Pure.

One table, so that search and context cannot differ. Everybody is told the documents of its own workspace and the decisions that
affect its own work: its task, its story, their epic, strategy and sprint, and the project as such. Nobody is told business
notes (no query reads them), and nothing of another project but decisions that affect this one. Beyond that:

- `developer`: its task and its story. It changes what these ask for and nothing else.
- `architect`: all stories and tasks of the epic, and what was decided about them: a design has to fit its neighbours.
- `qa`: all stories and tasks of the project, as what is tested here must not break what was accepted there.
- `devops`: what was decided about releases anywhere in the project. Incidents bring their own evidence.
- `data`: what was decided about designs anywhere in the project: tables outlive the story that made them.
- `planner`: all stories, tasks and decisions of the project: what is put in order or split must be known.

A role that is not named here is told the documents alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Breadth(StrEnum):
    NOTHING = "nothing"
    OWN = "own"
    EPIC = "epic"
    PROJECT = "project"


@dataclass(frozen=True, slots=True)
class Sees:
    """`work` is whose stories and tasks, `decided` what decisions have to affect; `kinds` of decisions are seen in all of
    the project besides."""

    work: Breadth
    decided: Breadth
    kinds: frozenset[str] = frozenset()


SEES: Mapping[str, Sees] = {
    "developer": Sees(Breadth.OWN, Breadth.OWN),
    "architect": Sees(Breadth.EPIC, Breadth.EPIC),
    "qa": Sees(Breadth.PROJECT, Breadth.OWN),
    "devops": Sees(Breadth.OWN, Breadth.OWN, frozenset({"release"})),
    "data": Sees(Breadth.OWN, Breadth.OWN, frozenset({"design"})),
    "planner": Sees(Breadth.PROJECT, Breadth.PROJECT),
}
NOTHING = Sees(Breadth.NOTHING, Breadth.NOTHING)


def sees(role: str) -> Sees:
    """What an agent of `role` may be told."""
    return SEES.get(role, NOTHING)
