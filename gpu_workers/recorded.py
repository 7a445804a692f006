"""What agents did, as the simulation of a policy replays it: tool calls, change requests and runs."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from governance.autonomy import ActionClass, Autonomy
from governance.recorded import Recorded, RecordedKind, Standing, register_recorded
from governance.selectors import standing_of
from governance.selectors.confidence import scores_of, scores_of_calls
from gpu_workers.models import Agent, ChangeRequest, Run, RunStep
from gpu_workers.runs.approving import EFFECTS
from gpu_workers.runs.brief import DEFAULT_AUTONOMY
from gpu_workers.runs.guarded import SECRETS
from gpu_workers.tools.registry import REGISTRY
from workflows.models import Story

PORTS = {"http": 80, "https": 443}


class _Known:
    """Agents' standings and stories' labels and autonomy, read once for all actions."""

    def __init__(self) -> None:
        self._standings: dict[str, tuple[Any, Autonomy]] = {}
        rows = Story.objects.select_related("strategy")
        self._stories = {
            f"story:{row.reference}": row for row in rows.only("reference", "risk_labels", "strategy__autonomy")
        }

    def labels(self, story: str) -> tuple[str, ...]:
        row = self._stories.get(story)
        return tuple(row.risk_labels or ()) if row else ()

    def standing(self, agent: Agent, story: str) -> Standing:
        if agent.ref not in self._standings:
            self._standings[agent.ref] = standing_of(agent.ref), Autonomy(int(agent.autonomy_cap[1]))
        now, cap = self._standings[agent.ref]
        row = self._stories.get(story)
        given = row.strategy.autonomy if row and row.strategy else DEFAULT_AUTONOMY
        return Standing(now.level, now.restricted, Autonomy(int(given[1])), cap)


def _tool_calls(since: datetime, most: int) -> Iterable[Recorded]:
    known = _Known()
    steps = RunStep.objects.filter(kind="tool", started_at__gte=since).select_related("run__agent").order_by("-id")
    listed = list(steps[:most])
    scores = scores_of_calls({step.run.ref for step in listed})
    for step in listed:
        name = step.title.partition(" ")[0]
        tool = REGISTRY.get(name)
        arguments = step.request.get("arguments")
        arguments = arguments if isinstance(arguments, Mapping) else {}
        path, command = arguments.get("path"), arguments.get("command")
        yield Recorded(
            kind=RecordedKind.TOOL_CALL,
            at=step.started_at,
            ref=step.run.ref,
            title=step.title,
            role=step.run.agent.role,
            standing=known.standing(step.run.agent, step.run.story),
            effect=EFFECTS.get(tool.action_class) if tool else None,
            tool=name,
            secret=SECRETS.get(name, ""),
            host=_host(arguments.get("url")),
            command=command if isinstance(command, str) else "",
            paths=(path,) if isinstance(path, str) else (),
            labels=known.labels(step.run.story),
            confidence=scores.get((step.run.ref, step.key[:80])),
        )


def _host(url: object) -> tuple[str, int] | None:
    """The host and port that a call's address names."""
    try:
        parts = urlsplit(url if isinstance(url, str) else "")
        return (parts.hostname, parts.port or PORTS[parts.scheme]) if parts.hostname else None
    except (ValueError, KeyError):
        return None


def _changes(since: datetime, most: int) -> Iterable[Recorded]:
    known = _Known()
    changes = ChangeRequest.objects.filter(created_at__gte=since, run__isnull=False).select_related("run__agent")
    rows = list(changes.order_by("-number")[:most])
    scores = scores_of({row.head_sha for row in rows})
    for row in rows:
        yield Recorded(
            kind=RecordedKind.CHANGE,
            at=row.created_at,
            ref=row.ref,
            title=row.title,
            role=row.run.agent.role,  # type: ignore[union-attr]  # those of people are left out above
            standing=known.standing(row.run.agent, row.story),  # type: ignore[union-attr]
            effect=ActionClass.OPEN_CHANGE_REQUEST,
            paths=tuple(str(file["path"]) for file in row.files),
            labels=known.labels(row.story),
            confidence=scores.get(row.head_sha),
        )


def _runs(since: datetime, most: int) -> Iterable[Recorded]:
    for run in Run.objects.filter(created_at__gte=since).order_by("-number")[:most]:
        yield Recorded(kind=RecordedKind.RUN, at=run.created_at, ref=run.ref, title=run.title)


def register() -> None:
    """Called once the apps are ready."""
    register_recorded("tool calls", _tool_calls)
    register_recorded("changes", _changes)
    register_recorded("runs", _runs)
