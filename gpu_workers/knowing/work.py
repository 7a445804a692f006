"""What there is to know about one run's own work, the most important first, each piece with why it is told."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.db.models import Case, IntegerField, Q, Value, When

from gpu_workers.incidents.reading import incidents_visible_to
from gpu_workers.knowing.assembling import Piece
from gpu_workers.knowing.passages import Clean
from gpu_workers.knowing.recall import decision_passage, story_passage, task_passage
from gpu_workers.knowing.scope import Breadth, sees
from gpu_workers.models import Proposal, Run
from gpu_workers.models.run import JUDGING, RunKind, RunState
from gpu_workers.selectors import ci_visible_to, runs_visible_to
from guildhall.kernel.actor import Actor
from workflows.models import StoryDependency, TaskDependency
from workflows.selectors import knowing
from workflows.selectors.beside import comments_visible_to
from workflows.selectors.knowing import DECISION_TOLD, STORY_TOLD, TASK_TOLD, Place

MOST_DECISIONS = 8
MOST_RUNS = 3
MOST_COMMENTS = 5
MOST_STORIES = 30
ENDS = 1200
"""Characters of the end of a log, where the cause mostly stands. What is cut is clean: half of a secret is not known for one."""


@dataclass(frozen=True, slots=True)
class Work:
    """A run's work as one actor may know of it. `clean` takes out what nobody may read."""

    actor: Actor
    run: Run
    place: Place
    clean: Clean = str

    def pieces(self) -> list[Piece]:
        """Everything but what searching brings. Another tenant's or a vanished thing is no piece; it is never an error."""
        found = [*self._about(), *self._decisions(), *self._waits_for(), *self._failures()]
        found += [*self._comments(), *self._epic()]
        return [Piece(one.ref, one.why, self.clean(one.text)) for one in found if one.text.strip()]

    def _about(self) -> Iterator[Piece]:
        """The task and its story, or what else the run is about."""
        task = knowing.tasks_within(self.actor, self.place, Breadth.OWN).values(*TASK_TOLD).first()
        story = knowing.stories_within(self.actor, self.place, Breadth.OWN).values(*STORY_TOLD).first()
        if task is not None:
            if story is not None and not task["acceptance"]:
                task["acceptance"] = story["acceptance"]
            told = task_passage({**task, "evidence": "" if story else task["evidence"]})
            yield Piece(told.ref, f"your task ({told.stands})", f"{told.title}\n{told.text}")
        if story is not None:
            told = story_passage(story)
            why = "the story that the task is of" if task else "your story"
            yield Piece(told.ref, f"{why} ({told.stands})", f"{told.title}\n{told.text}")
        if self.run.kind == RunKind.INCIDENT:
            yield from self._incident()
        if self.run.kind == RunKind.BACKLOG:
            yield from self._proposal()

    def _incident(self) -> Iterator[Piece]:
        incident = incidents_visible_to(self.actor).filter(pk=_number(self.run)).first()
        if incident is None:
            return
        parts = f"Its parts: {', '.join(incident.parts)}. Severity: {incident.severity}."
        brought = ", ".join(incident.evidence.order_by("id").values_list("name", flat=True))
        told = f"{incident.title}\n{incident.description}\n{parts}\nEvidence: {brought or 'none'}."
        yield Piece(incident.ref, "the incident that you look into", told)
        for report in incident.reports.filter(state="rejected").order_by("-pk")[:MOST_RUNS]:
            said = f"{report.part}: {report.cause}\nRemedy: {report.remedy}\nRejected: {report.feedback}"
            yield Piece(f"run:{report.run}", "an earlier report on it, which people rejected", said)

    def _proposal(self) -> Iterator[Piece]:
        proposal = Proposal.objects.filter(pk=_number(self.run)).first()
        if proposal is None:
            return
        capacity = "" if proposal.capacity is None else f"\nCapacity: {proposal.capacity} points."
        told = f"{proposal.get_kind_display()} of {proposal.project}\n{proposal.wish}{capacity}"
        yield Piece(proposal.ref, "what you were asked for", told)
        rows = Proposal.objects.filter(project=proposal.project, kind=proposal.kind, state="rejected")
        for row in rows.exclude(pk=proposal.pk)[:MOST_RUNS]:
            yield Piece(row.ref, "an earlier one of its kind, which people rejected", row.feedback)

    def _decisions(self) -> Iterator[Piece]:
        """Decisions that affect the work and what its councils chose, the nearest and latest first."""
        near = [When(affects__contains=[ref], then=Value(at)) for at, ref in enumerate(self.place.refs)]
        rows = knowing.decisions_within(self.actor, self.place, Breadth.OWN)
        ordered = rows.order_by(Case(*near, output_field=IntegerField()), "-pk")
        for row in ordered.values(*DECISION_TOLD)[:MOST_DECISIONS]:
            told = decision_passage(row, self.place)
            yield Piece(told.ref, told.stands, f"{told.title}\n{told.text}")

    def _waits_for(self) -> Iterator[Piece]:
        """What the task and its story need first, and how that stands; of another project the name alone."""
        tasks = TaskDependency.objects.filter(task__reference=self.place.task)
        stories = StoryDependency.objects.filter(story__reference=self.place.story)
        for rows, own, key in (
            (tasks, "story__project__key", "task"),
            (stories, "project__key", "story"),
        ):
            columns = ("needs__reference", "needs__state", "needs__title", f"needs__{own}")
            for reference, state, title, project in rows.order_by("needs__reference").values_list(*columns)[
                :MOST_STORIES
            ]:
                named = f" {title}" if project == self.place.project else ""
                yield Piece(f"{key}:{reference}", "needed first", f"{state}:{named}".rstrip(":"))

    def _failures(self) -> Iterator[Piece]:
        """Red CI on the commit that the run stands on, and what earlier runs of the same work failed over."""
        run = self.run
        if run.head_sha:
            red = ci_visible_to(self.actor).filter(repository=run.repository, sha=run.head_sha).exclude(status="passed")
            for ci in red.order_by("-pk")[:1]:
                yield Piece(
                    f"commit:{ci.sha[:12]}", f"CI {ci.status} on the commit you stand on", self.clean(ci.log)[-ENDS:]
                )
        failed = Q(state__in=[RunState.FAILED, RunState.ESCALATED])
        sent_back = Q(kind__in=JUDGING, outcome__verdict="rejected")
        earlier = runs_visible_to(self.actor).filter(failed | sent_back, subject=run.subject).exclude(pk=run.pk)
        for row in earlier.order_by("-number")[:MOST_RUNS]:
            problem = self.clean(str(row.outcome.get("last_problem", "")))[-ENDS:]
            said = [row.reason, str(row.outcome.get("feedback", "")), problem]
            why = f"an earlier {row.get_kind_display().lower()} by {row.agent.title}, which {_ended(row)}"
            yield Piece(row.ref, why, "\n".join(part for part in said if part))

    def _comments(self) -> Iterator[Piece]:
        """What people said about the task, or about the story where there is no task; the newest first."""
        if not self.place.story:
            return
        about = Q(task__reference=self.place.task) if self.place.task else Q(task=None)
        rows = comments_visible_to(self.actor).filter(about, story__reference=self.place.story)
        people = rows.select_related(None).filter(author__startswith="person:").order_by("-pk")
        ref = f"task:{self.place.task}" if self.place.task else f"story:{self.place.story}"
        for name, text, at in people.values_list("author_name", "text", "created_at")[:MOST_COMMENTS]:
            yield Piece(ref, f"{name} commented on {at:%Y-%m-%d}", text)

    def _epic(self) -> Iterator[Piece]:
        """The other stories of the epic, for whoever sees all of it."""
        if self.place.epic is None or sees(self.run.agent.role).work is not Breadth.EPIC:
            return
        rows = knowing.stories_within(self.actor, self.place, Breadth.EPIC).exclude(reference=self.place.story)
        columns: tuple[Any, ...] = ("reference", "state", "title")
        found = [
            f"{ref} {state}: {title}"
            for ref, state, title in rows.order_by("number").values_list(*columns)[:MOST_STORIES]
        ]
        yield Piece(f"epic:{self.place.epic}", "the other stories of the epic", "\n".join(found))


def _ended(run: Run) -> str:
    if run.outcome.get("verdict") == "rejected":
        return "sent the change back"
    return "failed" if run.state == RunState.FAILED else "went to a person"


def _number(run: Run) -> int:
    number = run.subject.partition(":")[2]
    return int(number) if number.isdecimal() else 0
