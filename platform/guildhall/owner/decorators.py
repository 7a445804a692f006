"""django-unfold's decorators of columns and object actions, with types."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

from unfold import decorators

F = TypeVar("F", bound=Callable[..., Any])


def display(
    description: str, *, ordering: str | None = None, boolean: bool | None = None, label: dict[str, str] | None = None
) -> Callable[[F], F]:
    """A computed column; `label` maps its first value to the tone of a label."""
    made = decorators.display(description=description, ordering=ordering, boolean=boolean, label=label)
    return cast(Callable[[F], F], made)


def action(description: str, *, icon: str, url_path: str | None = None) -> Callable[[F], F]:
    """A button above an object, leading to `url_path` (by default the method's name) under the object's address."""
    return cast(Callable[[F], F], decorators.action(description=description, icon=icon, url_path=url_path))
