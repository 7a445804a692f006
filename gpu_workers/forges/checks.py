"""Reading GitHub's check runs of a commit, and what the failed ones say: their words, remarks on lines and logs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from typing import Any

from gpu_workers.forges.protocol import Checks, CheckStatus
from gpu_workers.forges.rest import Api
from guildhall.kernel.errors import Unavailable
from guildhall.kernel.redaction import redact

GOOD = ("success", "neutral", "skipped")
LOG_CHARS = 8_000
FAILED_SHOWN = 5
ANNOTATIONS = 30


def judged(api: Api, path: str, sha: str) -> Checks:
    """What all check runs of `sha` come to. Of a check that ran again, the last time counts."""
    runs = list(api.pages(f"{path}/commits/{sha}/check-runs?filter=latest", "check_runs"))
    if not runs:
        return Checks(CheckStatus.NONE)
    ended = [run for run in runs if run.get("status") == "completed"]
    failed = [run for run in ended if run.get("conclusion") not in GOOD]
    passed = len(ended) - len(failed)
    if len(ended) < len(runs):
        return Checks(CheckStatus.PENDING, passed, len(failed))
    if not failed:
        return Checks(CheckStatus.PASSED, passed)
    log = "\n".join(_told(api, path, run) for run in failed[:FAILED_SHOWN])
    return Checks(CheckStatus.FAILED, passed, len(failed), redact(log))


def _told(api: Api, path: str, run: dict[str, Any]) -> str:
    output = _part(run, "output")
    lines = [f"Check {str(run.get('name', ''))[:100]!r} ended with {str(run.get('conclusion'))[:40]}."]
    lines += [str(output[part])[-LOG_CHARS:] for part in ("title", "summary", "text") if output.get(part)]
    if output.get("annotations_count"):
        notes = islice(_notes(api, f"{path}/check-runs/{_number(run)}/annotations"), ANNOTATIONS)
        lines += [f"{note.get('path')}:{note.get('start_line')}: {note.get('message')}" for note in notes]
    if _part(run, "app").get("slug") == "github-actions":
        # A check run of Actions has the id of its job.
        lines.append(api.text(f"{path}/actions/jobs/{_number(run)}/logs")[-LOG_CHARS:])
    return "\n".join(lines)


def _notes(api: Api, path: str) -> Iterator[dict[str, Any]]:
    """The remarks on lines; without those that cannot be read, as the check's own words say most of it."""
    with suppress(Unavailable):
        yield from api.pages(path)


def _part(item: dict[str, Any], name: str) -> dict[str, Any]:
    found = item.get(name)
    return found if isinstance(found, dict) else {}


def _number(run: dict[str, Any]) -> int:
    try:
        return int(run["id"])
    except (KeyError, TypeError, ValueError) as garbled:
        raise Unavailable("A check of the forge has no number.") from garbled
