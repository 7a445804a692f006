"""Naming a project's issue tracker, taking it away, and keeping what was imported and changed there."""

from typing import Any, cast

from gpu_workers.connections import name_once
from gpu_workers.models import ImportedIssue, ProjectTracker, Run
from gpu_workers.tracker_events import IssueImported, IssueUpdated, TrackerConnected, TrackerForgotten
from guildhall.kernel.actions import governed, record
from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import Conflict
from workflows.actions.stories import Content, write_story
from workflows.models import Project, Story


@governed("tracker.connect", lock=None)
def connect_tracker(*, actor: Actor, project: str, kind: str, api_url: str, place: str, token: str) -> ProjectTracker:
    """Write down a tracker that was tried. `token` is sealed already. Raises `Conflict` where the project has one."""
    row = name_once(ProjectTracker(project=project, kind=kind, api_url=api_url, place=place, token=token))
    record(TrackerConnected(subject=row.ref, tracker=kind, place=place), actor=actor)
    return row


@governed("tracker.forget", lock="tracker")
def forget_tracker(*, actor: Actor, tracker: ProjectTracker) -> None:
    """Take the tracker away; what was kept of its token is gone, what was imported stays known."""
    record(TrackerForgotten(subject=tracker.ref, tracker=tracker.kind, place=tracker.place), actor=actor)
    tracker.delete()


@governed("tracker.import_issue", lock="project")
def import_issue(*, actor: Actor, project: Project, source: dict[str, str], entry: dict[str, Any]) -> Story:
    """Write the story of an issue that a person accepted, once. `source` is the tracker's `kind` and `place`.

    Story and reference come in one transaction under the project's lock: no crash doubles it. Raises `Conflict`, `Invalid`.
    """
    known = ImportedIssue.objects.filter(project=project.key, key=entry["issue"], **source).first()
    if known is not None:
        raise Conflict(f"{known.key} was imported as {known.story}.")
    origin = f"Imported from {source['place']}, {entry['issue']}: {entry['url']}"
    content = {name: entry[name] for name in ("title", "size", "priority") if entry.get(name)}
    content["brief"] = f"{entry['text']}\n\n{origin}".strip()
    story = write_story(actor, project, cast(Content, content))
    ImportedIssue.objects.create(
        project=project.key, key=entry["issue"], url=entry["url"], story=story.reference, **source
    )
    record(
        IssueImported(subject=story.ref, tracker=source["kind"], place=source["place"], issue=entry["issue"]),
        actor=actor,
    )
    return story


@governed("tracker.note_update", lock=None)
def note_update(*, actor: Actor, run: Run, tracker: ProjectTracker, issue: str, done: list[str]) -> None:
    """Keep in the trail what an agent does to an issue outside, before it is asked for there."""
    event = IssueUpdated(subject=run.ref, tracker=tracker.kind, place=tracker.place, issue=issue, done=done)
    record(event, actor=actor)
