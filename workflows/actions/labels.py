"""A tenant's labels, and what they are put on."""

from collections.abc import Sequence

from django.db.models import F
from django.db.models.functions import Lower

from guildhall.kernel.actions import governed, record
from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import Invalid
from guildhall.kernel.versions import check_version
from workflows.actions.common import save
from workflows.comfort_events import LabelCreated, LabelDeleted, LabelEdited, LabelsSet
from workflows.models import Label, Story, Task
from workflows.models.label import COLOURS

MOST = 200
"""Labels of one tenant."""

MOST_EACH = 20
"""Labels of one story or task."""


@governed("label.create", lock=None)
def create_label(*, actor: Actor, name: str, colour: str = "idle") -> Label:
    """Make a label. Raises `Invalid` for a name that is taken, whatever its capitals, or a colour that is not drawn."""
    name = _checked(name, colour, besides=None)
    if Label.objects.count() >= MOST:
        raise Invalid(f"There are {MOST} labels already; merge some.", fields={"name": ["Merge some labels first."]})
    label = Label.objects.create(name=name, colour=colour)
    record(LabelCreated(subject=label.ref, name=name, colour=colour), actor=actor)
    return label


@governed("label.edit", lock="label")
def edit_label(*, actor: Actor, label: Label, name: str, colour: str, version: int | None = None) -> Label:
    """Rename or recolour a label everywhere it is. Raises `Invalid` and `Stale`."""
    check_version(label, version)
    before = label.name
    label.name, label.colour = _checked(name, colour, besides=label), colour
    label.version = F("version") + 1
    label.save(update_fields=["name", "colour", "version"])
    label.refresh_from_db()
    record(LabelEdited(subject=label.ref, before=before, name=label.name, colour=colour), actor=actor)
    return label


@governed("label.delete", lock="label")
def delete_label(*, actor: Actor, label: Label, into: Label | None = None) -> None:
    """Delete a label, or merge it: whatever has it then has `into`. Raises `Invalid` for a merge into itself."""
    if into is not None:
        into = Label.objects.select_for_update().filter(pk=into.pk).first()
        if into is None or into.pk == label.pk:
            raise Invalid("A label is merged into another one.", fields={"into": ["Choose another label."]})
        into.stories.add(*label.stories.values_list("pk", flat=True))
        into.tasks.add(*label.tasks.values_list("pk", flat=True))
    ref, name = label.ref, label.name
    label.delete()
    record(LabelDeleted(subject=ref, name=name, into=into.name if into else ""), actor=actor)


def set_labels(
    *,
    actor: Actor,
    item: Story | Task,
    add: Sequence[Label] = (),
    remove: Sequence[Label] = (),
    version: int | None = None,
) -> None:
    """Put labels on a story or task and take others off. Raises `Invalid` when it would have too many.

    What was added and taken off stays true whoever else does so; whoever says what is on it afterwards, all told, gives
    the `version` that they saw. Raises `Stale`.
    """
    story, task = (item.story, item) if isinstance(item, Task) else (item, None)
    _set(actor=actor, story=story, task=task, add=list(add), remove=list(remove), version=version)


@governed("story.set_labels", lock="story")
def _set(
    *, actor: Actor, story: Story, task: Task | None, add: list[Label], remove: list[Label], version: int | None
) -> None:
    item = Task.objects.get(pk=task.pk) if task else story
    check_version(item, version)
    present = set(item.labels.values_list("pk", flat=True))
    added = [label for label in add if label.pk not in present and label not in remove]
    removed = [label for label in remove if label.pk in present]
    if len(present) + len(added) - len(removed) > MOST_EACH:
        raise Invalid(f"At most {MOST_EACH} labels.", fields={"labels": [f"At most {MOST_EACH} labels."]})
    item.labels.add(*added)
    item.labels.remove(*removed)
    save(item)
    event = LabelsSet(
        subject=item.ref,
        item=item.reference,
        added=[label.name for label in added],
        removed=[label.name for label in removed],
    )
    record(event, actor=actor)


def _checked(name: str, colour: str, besides: Label | None) -> str:
    fields: dict[str, list[str]] = {}
    name = " ".join(name.replace("\0", "").split())
    if not 1 <= len(name) <= 40:
        fields["name"] = ["A label has 1 to 40 characters."]
    if colour not in COLOURS:
        fields["colour"] = [f"Choose one of {', '.join(COLOURS)}."]
    same = Label.objects.annotate(small=Lower("name")).filter(small=name.lower())
    if (same.exclude(pk=besides.pk) if besides else same).exists():
        fields["name"] = [f"There is a label “{name}” already."]
    if fields:
        raise Invalid("The label cannot be like this.", fields=fields)
    return name
