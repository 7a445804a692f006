"""Tools of the Ops agent: reading an incident's evidence, and handing in what it makes of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gpu_workers.incidents.evidence import Evidence, EvidenceFile, piece, summary, troubles
from gpu_workers.incidents.report import problems, report_schema
from gpu_workers.tools.bounds import shown
from gpu_workers.tools.contract import ActionClass, FunctionTool, Schema, Sensitivity, ToolContext, ToolResult

FILE = {"type": "string", "maxLength": 120}
START = {"type": "integer", "minimum": 1}
CONTAINS = {"type": "string", "maxLength": 200}
NO_INCIDENT = "This run has no incident; there is no evidence to read."


def _chosen(arguments: dict[str, Any], ctx: ToolContext, *kinds: str) -> tuple[list[EvidenceFile], str]:
    """The named file, or all of these kinds; and what is wrong with the name."""
    if ctx.evidence is None:
        return [], NO_INCIDENT
    there = ctx.evidence.of_kind(*kinds)
    if "file" not in arguments:
        return there, "" if there else f"Nobody brought {' or '.join(kinds)}."
    named = [file for file in there if file.name == arguments["file"]]
    names = ", ".join(file.name for file in there) or "none"
    return named, "" if named else f"There is no such file here; there are: {names}."


def _listed(files: list[EvidenceFile]) -> str:
    return "\n".join(f"{file.name}: {len(file.lines)} lines" for file in files)


def read_logs(arguments: dict[str, Any], ctx: ToolContext) -> ToolResult:
    files, problem = _chosen(arguments, ctx, "log")
    if problem:
        return ToolResult(False, problem)
    if "file" not in arguments and len(files) > 1:
        return ToolResult(True, shown(f"Name one of these:\n{_listed(files)}", ctx))
    return ToolResult(True, shown(_piece(files[0], arguments), ctx))


def read_metrics(arguments: dict[str, Any], ctx: ToolContext) -> ToolResult:
    files, problem = _chosen(arguments, ctx, "metrics")
    if problem:
        return ToolResult(False, problem)
    if "file" not in arguments and len(files) > 1:
        told = "\n".join(f"{file.name}: {len(file.lines)} lines\n{summary(file)}".strip() for file in files)
        return ToolResult(True, shown(f"Name one of these to see its lines:\n{told}", ctx))
    return ToolResult(True, shown(f"{summary(files[0])}\n{_piece(files[0], arguments)}".strip(), ctx))


def read_errors(arguments: dict[str, Any], ctx: ToolContext) -> ToolResult:
    files, problem = _chosen(arguments, ctx, "errors", "log", "health")
    if problem:
        return ToolResult(False, problem)
    text = troubles(files, contains=arguments.get("contains", ""), start=arguments.get("start", 1))
    return ToolResult(True, shown(text, ctx))


def read_health(arguments: dict[str, Any], ctx: ToolContext) -> ToolResult:
    files, problem = _chosen(arguments, ctx, "health")
    if problem:
        return ToolResult(False, problem)
    return ToolResult(True, shown("\n".join(_piece(file, arguments) for file in files), ctx))


def _piece(file: EvidenceFile, arguments: dict[str, Any]) -> str:
    return piece(file, arguments.get("start", 1), contains=arguments.get("contains", ""))


@dataclass(frozen=True, slots=True)
class ProposeRemedy:
    """Hands the triage in. It is refused, with the reasons, unless its part is known and its citations hold."""

    name: str = "propose_remedy"
    description: str = (
        "Hand in the triage: the failed part, the cause, the lines that show it (file, line and a quote of the line), and a "
        "remedy, with a command or a change where one is needed. People decide on it. Ends the work."
    )
    sensitivity: Sensitivity = Sensitivity.MEDIUM
    action_class: ActionClass = ActionClass.ASK
    guided: bool = False

    def offered(self, ctx: ToolContext) -> bool:
        return ctx.evidence is not None and bool(ctx.evidence.files)

    def describe(self, ctx: ToolContext) -> str:
        return self.description

    def constrained_schema(self, ctx: ToolContext) -> Schema:
        return report_schema(ctx.evidence or Evidence({}, ()))

    def run(self, arguments: dict[str, Any], ctx: ToolContext) -> ToolResult:
        if ctx.evidence is None:
            return ToolResult(False, NO_INCIDENT)
        found = problems(arguments, ctx.evidence)
        if found:
            return ToolResult(False, shown("Not taken:\n" + "\n".join(found), ctx))
        return ToolResult(True, f"Handed in: {arguments['part']} failed.", done=True)


@dataclass(frozen=True, slots=True)
class EvidenceTool(FunctionTool):
    """A tool that makes sense only where there is an incident with evidence."""

    def offered(self, ctx: ToolContext) -> bool:
        return ctx.evidence is not None and bool(ctx.evidence.files)


LOG_TOOLS = (
    EvidenceTool(
        "read_logs",
        "Read numbered lines of a log of this incident, from a line on, or only those that contain a text.",
        {"file": FILE, "start": START, "contains": CONTAINS},
        (),
        ActionClass.READ,
        read_logs,
    ),
    EvidenceTool(
        "read_metrics",
        "Read metrics of this incident: lowest, highest and last of each column, and the numbered lines.",
        {"file": FILE, "start": START, "contains": CONTAINS},
        (),
        ActionClass.READ,
        read_metrics,
    ),
    EvidenceTool(
        "read_errors",
        "List the lines of all logs, errors and health files of this incident that speak of trouble, with their places.",
        {"file": FILE, "start": START, "contains": CONTAINS},
        (),
        ActionClass.READ,
        read_errors,
    ),
    EvidenceTool(
        "read_health",
        "Read what the health checks of this incident said.",
        {"file": FILE, "start": START, "contains": CONTAINS},
        (),
        ActionClass.READ,
        read_health,
    ),
    ProposeRemedy(),
)
