"""What differs between two versions of what an agent is told. Pure."""

from dataclasses import dataclass
from difflib import unified_diff

from gpu_workers.prompts import prompts_of

HEADER = 2
"""The two lines of a unified diff that name its files."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One prompt that is not the same: `change` is changed, added or removed; `diff` its hunks, as in a unified diff."""

    name: str
    change: str
    diff: str


def differences(kind: str, old: str, new: str, *, changes_files: bool) -> tuple[Difference, ...]:
    """What an agent of `kind` is told otherwise at `new` than at `old`, by the prompts' names."""
    was, now = (
        {told.name: told.text for told in prompts_of(kind, version, changes_files=changes_files)}
        for version in (old, new)
    )
    names = sorted(name for name in was.keys() | now.keys() if was.get(name) != now.get(name))
    return tuple(_difference(name, was.get(name), now.get(name)) for name in names)


def _difference(name: str, old: str | None, new: str | None) -> Difference:
    lines = unified_diff((old or "").splitlines(), (new or "").splitlines(), lineterm="")
    change = "added" if old is None else "removed" if new is None else "changed"
    return Difference(name, change, "\n".join(list(lines)[HEADER:]))
