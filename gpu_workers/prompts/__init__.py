"""Prompts are files, `<name>/<version>.md`, never changed once used, so that a run can show what it was told."""

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent
COUNCIL = "council"
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
def prompts_of(kind: str, version: str, *, changes_files: bool) -> tuple[Prompt, ...]:
    """Everything that an agent of `kind` is told at `version`: its own prompts, then those of every seat of a council.

    `changes_files` says whether its role has tools to do so: one without them is told to look, never to change.
    """
    names = sorted(folder.name for folder in FOLDER.iterdir() if (folder / f"{version}.md").is_file())
    names = [name for name in names if not (name.endswith(LOOKING) if changes_files else name in WRITING)]
    families = [[name for name in names if name == of or name.startswith(f"{of}_")] for of in (kind, COUNCIL)]
    return tuple(Prompt(name, version, prompt(name, version)) for family in families for name in family)
