"""Prompts are files, `<name>/<version>.md`, never changed once used, so that a run can show what it was told."""

from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent


@cache
def prompt(name: str, version: str) -> str:
    """The text of a prompt. Raises FileNotFoundError for one that does not exist."""
    return (FOLDER / name / f"{version}.md").read_text().strip()
