"""What is known here of a project's issues: where they are from, and which of them became stories."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from gpu_workers.models import ImportedIssue, ProjectTracker
from gpu_workers.trackers.importing import IssueList
from gpu_workers.trackers.protocol import Issue
from workflows.models import Story
from workflows.readiness import PRIORITIES, SIZES


def source_of(row: ProjectTracker) -> dict[str, str]:
    """What says where an issue's key is from."""
    return {"kind": row.kind, "place": row.place}


def imported_from(project: str, source: dict[str, str]) -> dict[str, str]:
    """References of stories by the key of the issue that they were."""
    rows = ImportedIssue.objects.filter(project=project, **source)
    return dict(rows.values_list("key", "story"))


def stored(issues: list[Issue]) -> list[dict[str, Any]]:
    """Issues as a run's step keeps them."""
    return [asdict(issue) for issue in issues]


def listed(row: ProjectTracker, kept: list[dict[str, Any]]) -> IssueList:
    """A step's issues with what is known of them now."""
    issues = tuple(Issue(**{**one, "labels": tuple(one["labels"])}) for one in kept)
    stories = imported_from(row.project, source_of(row))
    states = dict(Story.objects.filter(reference__in=stories.values()).values_list("reference", "state"))
    said = {key: f"{story} [{states.get(story, 'gone')}]" for key, story in stories.items()}
    return IssueList(row.place, issues, said, PRIORITIES, SIZES)
