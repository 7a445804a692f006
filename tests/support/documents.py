"""Documents that are made from the code: `python -m tests.support.documents` writes them anew."""

from pathlib import Path
from typing import Any

from workflows.machines import STORY, TASK, Machine, diagram, markdown_table

ROOT = Path(__file__).resolve().parents[2]
STATE_MACHINES = ROOT / "docs" / "reference" / "state-machines.md"

HEAD = """\
# State machines

Made from the tables in [`workflows/machines`](../../workflows/machines/__init__.py) by `python -m tests.support.documents`;
a test compares this page with the tables. Do not edit it by hand.

The code, the API's list of possible acts, the portal's buttons and this page read the same tables. How a table is
asked is in [core.py](../../workflows/machines/core.py).

- *from* is where an act is possible, *to* is where it leads.
- *who* names roles of members and agents (an agent counts with the one role that it holds), `planner agent`, `system` (the
  platform itself) and parts in the task at hand: `implementer`, `reviewer`, `tester` and `claimant`, who holds the claim.
- *needs* lists the rules that are checked, what has to be given with the act (`feedback` has at least 10 characters), and
  what else the act does.
"""


def state_machines() -> str:
    """The page about both machines, as Markdown."""
    return "\n".join([HEAD, _section("Stories", STORY), _section("Tasks", TASK)])


def _section(title: str, machine: Machine[Any]) -> str:
    first = machine.states[machine.initial]
    states = "\n".join(
        f"| `{state}` | {words} | {'nothing leads away' if state in machine.terminal else ''} |"
        for state, words in machine.states.items()
    )
    return (
        f"## {title}\n\nA {machine.name} begins in “{first}”.\n\n"
        f"| state | shown as | |\n| --- | --- | --- |\n{states}\n\n"
        f"```mermaid\n{diagram(machine)}```\n\n{markdown_table(machine)}"
    )


if __name__ == "__main__":
    STATE_MACHINES.parent.mkdir(parents=True, exist_ok=True)
    STATE_MACHINES.write_text(state_machines())
