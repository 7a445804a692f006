"""Documents that are made from the code: `python -m tests.support.documents` writes them anew."""

import json
from pathlib import Path
from typing import Any

from gpu_workers.prompts import hashes
from gpu_workers.tools import REGISTRY, ROLE_TOOLS, Tool
from workflows.machines import STORY, TASK, Machine, diagram, markdown_table

ROOT = Path(__file__).resolve().parents[2]
STATE_MACHINES = ROOT / "docs" / "reference" / "state-machines.md"
TOOLS = ROOT / "docs" / "reference" / "tools.md"
PROMPTS = ROOT / "docs" / "reference" / "prompts.lock.json"

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


TOOLS_HEAD = """\
# Tools of agents

Made from the [registry](../../gpu_workers/tools/registry.py) by `python -m tests.support.documents`; a test compares this page
with it. Do not edit it by hand. [Tools](../tools.md) says what holds for all of them.

- *roles*: whose agents may call it, as far as the tenant's policy gives it to the role as well; any other call is refused and
  recorded before anything runs.
- *act*: what autonomy and approvals judge it as. `read` and `ask` happen unasked from L1, writing and running in the
  workspace from L2, `use_network` at L3, not at high risk, and once CI is green on the commit that the run stands on; an
  agent with a reputation below 50 asks about each ([Policy](../policy.md#confidence)).
- *sensitivity*: a question to people about a call of `high` is of medium risk at least.
- *arguments*: those that have to be given, others in brackets.
"""


def tools() -> str:
    """The page about the tools, as Markdown."""
    lines = [_tool(REGISTRY.get(name)) for name in REGISTRY.names()]
    head = "| tool | roles | act | sensitivity | arguments | what it does |\n| --- | --- | --- | --- | --- | --- |"
    return "\n".join([TOOLS_HEAD, head, *lines, ""])


def _tool(tool: Tool | None) -> str:
    assert tool is not None, "every name of the registry has its tool"
    roles = [role for role, names in ROLE_TOOLS.items() if tool.name in names]
    shown = "all" if len(roles) == len(ROLE_TOOLS) else ", ".join(roles)
    given = getattr(tool, "properties", {})
    words = [f"`{name}`" if name in getattr(tool, "required", ()) else f"[`{name}`]" for name in given]
    takes = ", ".join(words) or ("none" if hasattr(tool, "properties") else "made for the work at hand")
    about = tool.description.replace("|", "\\|")
    return f"| `{tool.name}` | {shown} | {tool.action_class} | {tool.sensitivity} | {takes} | {about} |"


def state_machines() -> str:
    """The page about both machines, as Markdown."""
    return "\n".join([HEAD, _section("Stories", STORY), _section("Tasks", TASK)])


def prompts_lock() -> str:
    """The hashes of all prompts that were ever shipped, as JSON: new ones are added, and none that is there is replaced."""
    kept: dict[str, str] = json.loads(PROMPTS.read_text()) if PROMPTS.exists() else {}
    return json.dumps({**hashes(), **kept}, indent=1, sort_keys=True) + "\n"


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
    TOOLS.write_text(tools())
    PROMPTS.write_text(prompts_lock())
