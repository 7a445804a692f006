"""Prompts are files, `<name>/<version>.md`, so that a run can show what it was told.

A file that was shipped is never changed: `docs/reference/prompts.lock.json` has the hash of each, and a test compares them.
Other words are another version.
"""

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent
COUNCIL = "council"
COUNCIL_VERSION = "v1"
"""What seats of councils are told, whichever version they work with otherwise."""
WRITING = frozenset({"dev", "dev_plan", "dev_execute", "dev_fix"})
LOOKING = "_look"


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt as it is shown; `sha256` is of its text, in hex."""

    name: str
    version: str
    text: str

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()


@cache
def prompt(name: str, version: str) -> str:
    """The text of a prompt. Raises FileNotFoundError for one that does not exist."""
    return (FOLDER / name / f"{version}.md").read_text().strip()


@cache
def versions_of(kind: str) -> tuple[str, ...]:
    """The versions in which every prompt of `kind` itself is shipped, oldest first; none for an unknown kind."""
    own = [folder for folder in FOLDER.iterdir() if folder.name == kind or folder.name.startswith(f"{kind}_")]
    shipped = [{file.stem for file in folder.glob("*.md")} for folder in own]
    found = set.intersection(*shipped) if shipped else set[str]()
    return tuple(sorted(found, key=lambda version: (len(version), version)))


def newest(kind: str) -> str:
    """The newest version that is shipped for `kind`; "" for an unknown kind."""
    return (versions_of(kind) or ("",))[-1]


@cache
def prompts_of(kind: str, version: str, *, changes_files: bool) -> tuple[Prompt, ...]:
    """Everything that an agent of `kind` is told at `version`: its own prompts, then those of every seat of a council.

    `changes_files` says whether its role has tools to do so: one without them is told to look, never to change.
    """
    names = sorted(folder.name for folder in FOLDER.iterdir())
    names = [name for name in names if not (name.endswith(LOOKING) if changes_files else name in WRITING)]
    families = [[name for name in names if name == of or name.startswith(f"{of}_")] for of in (kind, COUNCIL)]
    at = (version, COUNCIL_VERSION)
    return tuple(
        Prompt(name, of, prompt(name, of))
        for family, of in zip(families, at, strict=True)
        for name in family
        if (FOLDER / name / f"{of}.md").is_file()
    )


@cache
def digest_of(kind: str, version: str, *, changes_files: bool) -> str:
    """SHA-256 of everything that an agent of `kind` is told at `version`, in hex."""
    told = prompts_of(kind, version, changes_files=changes_files)
    return hashlib.sha256("".join(f"{one.name} {one.sha256}\n" for one in told).encode()).hexdigest()


def hashes() -> dict[str, str]:
    """SHA-256 of every prompt that is shipped, by name and version such as `dev/v1`; of the file's own bytes."""
    found = {f"{file.parent.name}/{file.stem}": file.read_bytes() for file in FOLDER.glob("*/*.md")}
    return {name: hashlib.sha256(found[name]).hexdigest() for name in sorted(found)}
