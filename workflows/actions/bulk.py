"""One act on many stories: each by its own governed action, each with an outcome of its own."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import GuildhallError, Invalid
from workflows.actions.following import assign_story
from workflows.actions.labels import set_labels
from workflows.actions.stories import edit_story
from workflows.actions.story_acts import transition_story
from workflows.machines import STORY
from workflows.models import Label, Story
from workflows.readiness import PRIORITIES
from workflows.selectors.filters import NOBODY
from workflows.selectors.lists import find_story

MOST = 100
DOINGS = ("move", "label", "unlabel", "assign", "priority")
"""What can be done to many at once; `value` is an act, a label's id, a member's reference or `none`, a priority."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one story; `detail` says why it was refused, `status` as the API would have answered."""

    reference: str
    done: bool
    status: int
    detail: str


def do_to_many(
    *,
    actor: Actor,
    references: Sequence[str],
    do: str,
    value: str,
    feedback: str = "",
    versions: Mapping[str, int] | None = None,
) -> list[Outcome]:
    """Do one thing to up to 100 stories, in the order given; one refusal stops nothing else.

    `versions` are those that were seen, by reference: whatever has changed since is refused. Labels are put on and taken
    off whatever else changed.

    Raises `Invalid` when there is nothing or too much to do, or `value` means nothing.
    """
    wanted = list(dict.fromkeys(references))
    if not 1 <= len(wanted) <= MOST:
        problem = f"Choose 1 to {MOST} stories; these are {len(wanted)}."
        raise Invalid(problem, fields={"stories": [problem]})
    act = _act(actor, do, value, feedback, versions or {})
    return [_one(actor, reference, act) for reference in wanted]


def _one(actor: Actor, reference: str, act: Callable[[Story], str]) -> Outcome:
    try:
        return Outcome(reference, True, 200, act(find_story(actor, reference)))
    except GuildhallError as error:
        return Outcome(reference, False, error.status, error.detail)


def _act(actor: Actor, do: str, value: str, feedback: str, seen: Mapping[str, int]) -> Callable[[Story], str]:
    """What is done to each story; it says in words what happened."""
    if do == "move":
        if value not in STORY.actions:
            raise Invalid("There is no such act.", fields={"value": [f"Choose one of {', '.join(STORY.actions)}."]})
        return lambda story: _moved(
            transition_story(actor=actor, story=story, name=value, feedback=feedback, version=seen.get(story.reference))
        )
    if do in ("label", "unlabel"):
        label = (
            Label.objects.filter(pk=value).first()
            if value.isascii() and value.isdecimal() and len(value) < 10
            else None
        )
        if label is None:
            raise Invalid("There is no such label.", fields={"value": ["Choose one of the labels."]})
        return lambda story: _labelled(actor, story, label, on=do == "label")
    if do == "assign":
        person = "" if value == NOBODY else value
        return lambda story: _assigned(
            assign_story(actor=actor, story=story, person=person, version=seen.get(story.reference))
        )
    if do == "priority":
        if value not in PRIORITIES:
            raise Invalid("There is no such priority.", fields={"value": [f"Choose one of {', '.join(PRIORITIES)}."]})
        return lambda story: _prioritised(
            edit_story(actor=actor, story=story, content={"priority": value}, version=seen.get(story.reference))
        )
    raise Invalid("This cannot be done to many.", fields={"do": [f"Choose one of {', '.join(DOINGS)}."]})


def _moved(story: Story) -> str:
    return f"It is in “{STORY.states[story.state]}” now."


def _labelled(actor: Actor, story: Story, label: Label, *, on: bool) -> str:
    set_labels(actor=actor, item=story, add=[label] if on else [], remove=[] if on else [label])
    return f"It has the label “{label.name}” now." if on else f"The label “{label.name}” is off."


def _assigned(story: Story) -> str:
    return f"{story.assignee_name} is responsible now." if story.assignee else "Nobody is responsible now."


def _prioritised(story: Story) -> str:
    return f"Its priority is {story.priority} now."
