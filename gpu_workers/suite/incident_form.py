"""Incidents that an Ops agent is judged by: the evidence that people brought, and what is known to be the answer."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gpu_workers.actions.incidents import MAX_BYTES, MOST_FILES
from gpu_workers.suite.form import NAME, BadSuite

ABOUT = "incident.json"
Words = Annotated[str, Field(min_length=1, max_length=500)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class EvidenceFile(_Part):
    """A file beside `incident.json`, and what it is."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
    kind: Literal["log", "metrics", "errors", "health"]


class Proof(_Part):
    """A line that shows which part failed; lines count from 1."""

    file: str
    line: Annotated[int, Field(ge=1)]
    quote: Words


class IncidentFile(_Part):
    """What `incident.json` says. Agents see title, description, parts and files; the rest is a right answer."""

    title: Annotated[str, Field(min_length=3, max_length=200)]
    description: Annotated[str, Field(max_length=4000)] = ""
    parts: Annotated[list[Annotated[str, Field(min_length=1, max_length=60)]], Field(min_length=2, max_length=30)]
    severity: Literal["low", "medium", "high"] = "medium"
    files: Annotated[list[EvidenceFile], Field(min_length=1, max_length=MOST_FILES)]
    failed: str
    proof: Annotated[list[Proof], Field(min_length=1)]
    remedy: Words
    command: Annotated[str, Field(max_length=500)] = ""
    change: Annotated[str, Field(max_length=500)] = ""


@dataclass(frozen=True, slots=True)
class SuiteIncident:
    """One of them, with the content of its files by name."""

    name: str
    asked: IncidentFile
    files: dict[str, bytes]

    def is_right(self, part: str, cited: Iterable[tuple[str, int]]) -> bool:
        """Whether the failed part is named and at least one line that proves it is cited, as file and line."""
        proof = {(one.file, one.line) for one in self.asked.proof}
        return part == self.asked.failed and not proof.isdisjoint(cited)


def read_incident(place: Path) -> SuiteIncident:
    """The incident in a folder. Raises `BadSuite` with everything that is wrong about it."""
    problems: list[str] = []
    if not NAME.match(place.name):
        problems.append(f"{place.name}: an incident is named by up to 40 lower-case letters, digits and hyphens.")
    try:
        asked = IncidentFile.model_validate_json((place / ABOUT).read_bytes())
    except ValidationError as error:
        told = [f"{place.name}/{ABOUT}: {'.'.join(map(str, one['loc']))}: {one['msg']}." for one in error.errors()]
        raise BadSuite([*problems, *told]) from error
    if asked.failed not in asked.parts:
        problems.append(f"{place.name}/{ABOUT}: failed: {asked.failed!r} is none of the parts.")
    files: dict[str, bytes] = {}
    for file in asked.files:
        path = place / file.name
        if path.is_symlink() or not path.is_file() or path.stat().st_size > MAX_BYTES:
            problems.append(f"{place.name}/{file.name}: it has to be a plain file of at most {MAX_BYTES} bytes.")
        else:
            files[file.name] = path.read_bytes()
    problems += [
        f"{place.name}/{ABOUT}: proof: line {one.line} of {one.file} does not say {one.quote!r}."
        for one in asked.proof
        if one.quote not in _line(files.get(one.file, b""), one.line)
    ]
    if problems:
        raise BadSuite(problems)
    return SuiteIncident(place.name, asked, files)


def _line(content: bytes, number: int) -> str:
    lines = content.decode("utf-8", "replace").splitlines()
    return lines[number - 1] if number <= len(lines) else ""
