"""Reading GitHub's check runs and statuses of a commit, and what the failed ones say: words, remarks on lines, logs."""

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
    """What all check runs and statuses of `sha` come to. Of one that ran or was set again, the last time counts."""
    runs = list(api.pages(f"{path}/commits/{sha}/check-runs?filter=latest", "check_runs"))
    statuses = list(api.pages(f"{path}/commits/{sha}/status", "statuses"))
    if not runs and not statuses:
        return Checks(CheckStatus.NONE)
    ended = [run for run in runs if run.get("status") == "completed"]
    said = [status for status in statuses if status.get("state") != "pending"]
    bad_runs = [run for run in ended if run.get("conclusion") not in GOOD]
    bad_statuses = [status for status in said if status.get("state") != "success"]
    failed = len(bad_runs) + len(bad_statuses)
    passed = len(ended) + len(said) - failed
    if len(ended) + len(said) < len(runs) + len(statuses):
        return Checks(CheckStatus.PENDING, passed, failed)
    if not failed:
        return Checks(CheckStatus.PASSED, passed)
    told = [_told(api, path, run) for run in bad_runs[:FAILED_SHOWN]]
    told += [_said(status) for status in bad_statuses[:FAILED_SHOWN]]
    return Checks(CheckStatus.FAILED, passed, failed, redact("\n".join(told)))


def _said(status: dict[str, Any]) -> str:
    """A status has one line of words and an address, where nothing is fetched from."""
    name, state = str(status.get("context", ""))[:100], str(status.get("state"))[:40]
    words = [str(status.get(part) or "")[:300] for part in ("description", "target_url")]
    return "\n".join([f"Status {name!r} is {state}.", *filter(None, words)])


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
