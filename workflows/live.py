"""Which stories a client's open pages hear of."""

from guildhall.kernel.actor import Actor
from guildhall.realtime.socket import register_subject_filter
from workflows.selectors import stories_visible_to


def stories_known_to(actor: Actor, subjects: list[str]) -> set[str]:
    """Those of the subjects `story:…` that `actor` may see now."""
    references = [subject.partition(":")[2] for subject in subjects]
    visible = stories_visible_to(actor).filter(reference__in=references)
    return {f"story:{reference}" for reference in visible.values_list("reference", flat=True)}


def register() -> None:
    """Called once the apps are ready."""
    register_subject_filter("story", stories_known_to)
