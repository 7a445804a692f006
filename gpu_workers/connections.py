"""What projects name outside, whatever its kind: named once, found by those who may know of it, taken away."""

from __future__ import annotations

from typing import TypeVar

from gpu_workers.models.connection import ProjectConnection
from gpu_workers.policies import may
from guildhall.kernel.actor import Actor
from guildhall.kernel.clashes import taken_raises
from guildhall.kernel.errors import Conflict, Denied, NotFound
from workflows.policies import sees_all
from workflows.selectors.lists import find_project

C = TypeVar("C", bound=ProjectConnection)


def named(kind: type[C], project: str) -> C | None:
    """What a project (its key) names of a kind; None where it names none."""
    return kind._default_manager.filter(project=project).first()


def needed(kind: type[C], project: str) -> C:
    """What a project names of a kind. Raises `NotFound`."""
    row = named(kind, project)
    if row is None:
        raise NotFound(f"{project} names no {kind.NOUN}.")
    return row


def needed_by(actor: Actor, kind: type[C], key: str) -> C:
    """What a project that `actor` sees names of a kind; clients are not told of it. Raises `NotFound`."""
    project = find_project(actor, key)
    if not sees_all(actor):
        raise NotFound(f"{project.key} names no {kind.NOUN}.")
    return needed(kind, project.key)


def check_may_name(actor: Actor, act: str, kind: type[C], project: str) -> None:
    """Before anything is tried with a secret. Raises `Denied` for who may not, `Conflict` where the project names one."""
    if not may(actor, act):
        raise Denied(f"{act} is for admin.")
    if named(kind, project) is not None:
        raise _names_one(kind, project)


def name_once(row: C) -> C:
    """Write down what was tried, in an action. Raises `Conflict` where another one was written down meanwhile."""
    with taken_raises(_names_one(type(row), row.project)):
        row.save(force_insert=True)
    return row


def _names_one(kind: type[ProjectConnection], project: str) -> Conflict:
    return Conflict(f"{project} names its {kind.NOUN} already; take that away first.")
