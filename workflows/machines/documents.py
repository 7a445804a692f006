"""The machines as documents: a Mermaid diagram and a Markdown table, made from the tables that the code runs on."""

from typing import Any

from workflows.machines.core import Machine, Transition


def diagram(machine: Machine[Any]) -> str:
    """Mermaid `stateDiagram-v2` of the machine."""
    lines = ["stateDiagram-v2", *(f"    {state} : {title}" for state, title in machine.states.items())]
    lines.append(f"    [*] --> {machine.initial}")
    for row in machine.transitions:
        lines += [f"    {source} --> {row.target} : {row.action}" for source in row.sources]
    lines += [f"    {state} --> [*]" for state in machine.states if state in machine.terminal]
    return "\n".join(lines) + "\n"


def markdown_table(machine: Machine[Any]) -> str:
    """One line per row of the table: from, action, who, to, and under which conditions."""
    lines = ["| from | action | who | to | needs |", "| --- | --- | --- | --- | --- |"]
    lines += [
        f"| {', '.join(row.sources)} | `{row.action}` | {', '.join(row.who)} | {row.target} | {_conditions(row)} |"
        for row in machine.transitions
    ]
    return "\n".join(lines) + "\n"


def _conditions(row: Transition[Any]) -> str:
    parts = [*(["feedback"] if row.feedback else []), *(guard.text for guard in row.guards)]
    return "; ".join([*parts, row.effect] if row.effect else parts)
