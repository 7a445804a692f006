"""Incidents that an Ops agent is judged by: the evidence that people brought, and what is known to be the answer."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gpu_workers.actions.incidents import MAX_BYTES, MOST_FILES
from gpu_workers.repos import plain_name
from gpu_workers.suite.files import NoFile, read_file
from gpu_workers.suite.form import NAME, BadSuite, told, unkept

ABOUT = "incident.json"
Words = Annotated[str, Field(min_length=1, max_length=500)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


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
    called = plain_name(place.name)
    if not NAME.match(called):
        problems.append(f"{called}: an incident is named by up to 40 lower-case letters, digits and hyphens.")
    try:
        asked = _asked(place)
    except BadSuite as bad:
        raise BadSuite([*problems, *(f"{called}/{ABOUT}: {problem}" for problem in bad.problems)]) from bad
    if asked.failed not in asked.parts:
        problems.append(f"{called}/{ABOUT}: failed: {asked.failed!r} is none of the parts.")
    files: dict[str, bytes] = {}
    for file in asked.files:
        try:
            files[file.name] = _text(place, file.name)
        except NoFile as odd:
            problems.append(f"{called}/{file.name}: {odd}")
    problems += [
        f"{called}/{ABOUT}: proof: line {one.line} of {one.file} does not say {one.quote!r}."
        for one in asked.proof
        if one.quote not in _line(files.get(one.file, b""), one.line)
    ]
    if problems:
        raise BadSuite(problems)
    return SuiteIncident(place.name, asked, files)


def _asked(place: Path) -> IncidentFile:
    """What the folder's `incident.json` says. Raises `BadSuite` with what is wrong in it, without the file's name."""
    try:
        asked = IncidentFile.model_validate_json(read_file(place, ABOUT))
    except NoFile as odd:
        raise BadSuite([str(odd)]) from odd
    except ValidationError as error:
        raise BadSuite(list(told(error))) from error
    problems = list(unkept(asked.model_dump()))
    if len({part for part in asked.parts if part}) < 2:
        problems.append("parts: Name at least two that are not the same.")
    if len({file.name for file in asked.files}) < len(asked.files):
        problems.append("files: Each can be named once.")
    if problems:
        raise BadSuite(problems)
    return asked


def _text(place: Path, name: str) -> bytes:
    content = read_file(place, name, MAX_BYTES)
    if not content.strip() or b"\0" in content:
        raise NoFile("it has to be a text that holds something.")
    return content


def _line(content: bytes, number: int) -> str:
    lines = content.decode("utf-8", "replace").splitlines()
    return lines[number - 1] if number <= len(lines) else ""
