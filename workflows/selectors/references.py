"""Which references of this room exist, for whoever names them."""

from django.db.models import Model

from governance.scopes import ScopeKind
from governance.spenders import register_spenders
from workflows.models import Decision, Epic, Project, Sprint, Story, Strategy, Task
from workflows.models.council import Council
from workflows.ports import Known, register_references

LARGEST = 2**31 - 1


def register() -> None:
    """Called once the apps are ready."""
    spenders: dict[ScopeKind, Known] = {
        ScopeKind.STORY: lambda ids: set(_named(Story, "reference", ids)),
        ScopeKind.TASK: lambda ids: set(_named(Task, "reference", ids)),
        ScopeKind.PROJECT: lambda ids: set(_named(Project, "key", ids)),
        ScopeKind.STRATEGY: lambda ids: _numbered(Strategy, ids),
    }
    for kind, known in spenders.items():
        register_references(str(kind), known)
        register_spenders(kind, known)
    register_references("epic", lambda ids: _numbered(Epic, ids))
    register_references("sprint", lambda ids: _numbered(Sprint, ids))
    register_references("decision", lambda ids: _numbered(Decision, ids))
    register_references("council", lambda ids: _numbered(Council, ids))


def _named(model: type[Model], column: str, ids: list[str]) -> list[str]:
    return list(model._default_manager.filter(**{f"{column}__in": ids}).values_list(column, flat=True))


def _numbered(model: type[Model], ids: list[str]) -> set[str]:
    numbers = [
        int(text) for text in ids if text.isascii() and text.isdecimal() and len(text) < 11 and int(text) <= LARGEST
    ]
    return {str(pk) for pk in model._default_manager.filter(pk__in=numbers).values_list("pk", flat=True)}
