"""Writing and editing stories. What moves them is in `story_acts`."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, TypedDict

from django.db.models import F, Max

from guildhall.kernel.actions import governed, record
from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import Conflict, Invalid
from guildhall.kernel.versions import check_version
from workflows.actions.common import named, save, shown
from workflows.events import StoryCreated, StoryEdited
from workflows.machines.core import either
from workflows.models import Epic, Project, Story, StoryDependency, Strategy
from workflows.readiness import PRIORITIES, SIZES, Readiness, checklist, score
from workflows.selectors.facts import story_cycle

EDITABLE = ("draft", "po_review", "ready_for_planning")
"""States in which the scope of a story may change; later it is reset first."""
LASTING = ("client_visible", "business_notes", "priority")
"""What is no scope that was approved: it may change until the story is archived."""

TEXT_LIMITS = {"title": 200, "brief": 20_000, "evidence": 100_000, "business_notes": 20_000}
COLUMNS = (
    *TEXT_LIMITS,
    "acceptance",
    "size",
    "priority",
    "risk_labels",
    "budget_usd",
    "client_visible",
)


class Content(TypedDict, total=False):
    """What a story says. `depends_on` None means not stated, [] none; `budget_usd` in US dollars."""

    title: str
    brief: str
    evidence: str
    acceptance: list[str]
    size: str
    priority: str
    risk_labels: list[str] | None
    depends_on: list[str] | None
    budget_usd: Decimal | None
    business_notes: str
    client_visible: bool


class Place(TypedDict, total=False):
    """What a story hangs on. An epic with a strategy brings it along; None takes the story out."""

    epic: Epic | None
    strategy: Strategy | None


@governed("story.create", lock="project")
def create_story(
    *,
    actor: Actor,
    project: Project,
    content: Content,
    epic: Epic | None = None,
    strategy: Strategy | None = None,
) -> Story:
    """Write a story; the project's locked row gives it the next number. Raises `Invalid` with the fields."""
    return write_story(actor, project, content, epic=epic, strategy=strategy)


def write_story(
    actor: Actor, project: Project, content: Content, *, epic: Epic | None = None, strategy: Strategy | None = None
) -> Story:
    """What `create_story` does, inside an action that holds the project's row."""
    check_content(content, new=True)
    strategy = strategy or (epic.strategy if epic else None)
    _check_place(project, epic, strategy)
    number = project.stories_made + 1
    Project.objects.filter(pk=project.pk).update(stories_made=F("stories_made") + 1)
    story = Story(
        project=project,
        epic=epic,
        epic_rank=_last_place(epic),
        strategy=strategy,
        number=number,
        reference=f"{project.key}-{number}",
        author=actor.ref,
        author_name=shown(actor),
    )
    _fill(story, content)
    story.save()
    needed = _depend(story, content)
    _assess(story, needed)
    story.save(update_fields=["dor_score", "dor_checklist", "dependencies_stated"])
    story.refresh_from_db()
    event = StoryCreated(subject=story.ref, story=story.reference, title=story.title, score=story.dor_score)
    record(event, actor=actor, after=named(story, *COLUMNS))
    return story


@governed("story.edit", lock="story")
def edit_story(
    *, actor: Actor, story: Story, content: Content, version: int | None = None, place: Place | None = None
) -> Story:
    """Change what a story says and what it hangs on; its readiness is scored anew.

    Raises `Stale` when `version` is not the present one, `Conflict` when its scope is settled, `Invalid` with fields.
    """
    check_version(story, version)
    if "depends_on" in content:
        # One at a time in a project, before any epic is locked: two that name each other would otherwise close a circle.
        Project.objects.select_for_update(no_key=True).get(pk=story.project_id)
    _refuse_settled(story, content, place)
    if content or not place:
        check_content(content, new=False)
    moved = _move_to(story, place or {})
    columns = [field for field in content if field in COLUMNS]
    before = {**named(story, *columns), **moved}
    _fill(story, content)
    needed = _depend(story, content)
    _assess(story, needed)
    if "epic" in moved:
        story.epic_rank = _last_place(story.epic)
    save(story, *columns, *moved, "epic_rank", "dor_score", "dor_checklist", "dependencies_stated")
    changed = sorted({*content, *moved})
    event = StoryEdited(subject=story.ref, story=story.reference, fields=changed, score=story.dor_score)
    record(event, actor=actor, before=before, after=named(story, *before))
    return story


def _refuse_settled(story: Story, content: Content, place: Place | None) -> None:
    if story.state == "archived":
        raise Conflict("This story is archived; it stays as it is.")
    if story.state not in EDITABLE and (place or set(content) - set(LASTING)):
        words = either([name.replace("_", " ") for name in LASTING])
        raise Conflict(f"The scope of this story is settled; reset it to draft to change more than {words}.")


def _move_to(story: Story, place: Place) -> dict[str, Any]:
    """Put the story's new epic and strategy into its columns; what those that change said before, by name."""
    epic = place.get("epic", story.epic)
    of_epic = epic.strategy if epic else None
    said = place.get("strategy")
    kept = None if "strategy" in place else story.strategy
    strategy = said or (of_epic if place else None) or kept
    moved = [name for name, row in (("epic", epic), ("strategy", strategy)) if row != getattr(story, name)]
    before = named(story, *moved)
    if moved:
        _check_place(story.project, epic, strategy, moved)
    story.epic, story.strategy = epic, strategy
    return before


def _last_place(epic: Epic | None) -> int:
    """Behind the epic's other stories; 0 for a story without an epic."""
    if epic is None:
        return 0
    last: int | None = epic.stories.aggregate(last=Max("epic_rank"))["last"]
    return (last or 0) + 1


def _check_place(
    project: Project, epic: Epic | None, strategy: Strategy | None, new: Sequence[str] = ("epic", "strategy")
) -> None:
    """Raises `Invalid` with the fields. Only a `new` one has to be open; it stays so until this is committed."""
    if epic is not None and "epic" in new:
        # Closing it takes the same lock, and then finds this story.
        epic = Epic.objects.select_for_update(no_key=True).get(pk=epic.pk)
    fields: dict[str, list[str]] = {}
    for name, part in (("epic", epic), ("strategy", strategy)):
        if part is not None and part.project_id != project.pk:
            fields[name] = ["Choose one of this project."]
        elif part is not None and name in new and part.state in ("closed", "ended"):
            fields[name] = [f"This one is {part.state}."]
    if epic is not None and strategy is not None and epic.strategy_id not in (None, strategy.pk):
        fields["strategy"] = ["The epic belongs to another strategy."]
    if fields:
        raise Invalid("The story cannot be put there.", fields=fields)


def check_content(content: Content, *, new: bool) -> None:
    """Raises `Invalid` with the fields that a story cannot say like this."""
    fields: dict[str, list[str]] = {}
    values: Mapping[str, Any] = content
    unknown = set(values) - {*COLUMNS, "depends_on"}
    for name in unknown:
        fields[name] = ["A story has no such field."]
    if not values and not new:
        fields["content"] = ["Say what is to change."]
    if (new or "title" in values) and not str(values.get("title", "")).strip():
        fields["title"] = ["Give it a title."]
    for name, limit in TEXT_LIMITS.items():
        if len(values.get(name, "")) > limit:
            fields[name] = [f"At most {limit} characters; this has {len(values[name])}."]
    for name, choices in (("size", SIZES), ("priority", PRIORITIES)):
        if values.get(name, "") not in ("", *choices):
            fields[name] = [f"Choose one of {', '.join(choices)}."]
    budget = values.get("budget_usd")
    if budget is not None and not (budget.is_finite() and 0 < budget < 10**9):
        fields["budget_usd"] = ["Give an amount above 0."]
    if len(values.get("acceptance") or []) > 50:
        fields["acceptance"] = ["At most 50 criteria."]
    if any(not label.strip() or len(label) > 60 for label in values.get("risk_labels") or []):
        fields["risk_labels"] = ["A label has 1 to 60 characters."]
    if fields:
        raise Invalid("The story cannot be written like this.", fields=fields)


def _fill(story: Story, content: Content) -> None:
    for name, value in content.items():
        if name in COLUMNS:
            setattr(story, name, value.strip() if isinstance(value, str) else value)


def _depend(story: Story, content: Content) -> Sequence[str]:
    """Write the stated dependencies; the references that are in force."""
    if "depends_on" not in content:
        return list(story.dependencies.values_list("needs__reference", flat=True))
    wanted = content["depends_on"]
    story.dependencies_stated = wanted is not None
    found = list(Story.objects.filter(reference__in=wanted or [], project=story.project_id).exclude(pk=story.pk))
    missing = sorted(set(wanted or []) - {other.reference for other in found})
    if missing:
        raise Invalid("It cannot depend on these.", fields={"depends_on": [f"Not here: {', '.join(missing)}."]})
    cycle = story_cycle(story, found)
    if cycle:
        circle = " -> ".join([*cycle, cycle[0]])
        raise Invalid("Stories would wait for each other.", fields={"depends_on": [f"A circle: {circle}."]})
    story.dependencies.all().delete()
    StoryDependency.objects.bulk_create([StoryDependency(story=story, needs=other) for other in found])
    return [other.reference for other in found]


def _assess(story: Story, needed: Sequence[str]) -> None:
    items = checklist(
        Readiness(
            title=story.title,
            brief=story.brief,
            acceptance=story.acceptance,
            size=story.size,
            priority=story.priority,
            dependencies=needed if story.dependencies_stated else None,
            risk_labels=story.risk_labels,
            budget_usd=story.budget_usd,
        )
    )
    story.dor_score, story.dor_checklist = score(items), [item.as_dict() for item in items]
