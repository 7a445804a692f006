"""JUnit XML, written by whatever ran in the sandbox and therefore read with suspicion."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from xml.parsers import expat

MAX_BYTES = 8 * 1024 * 1024
MAX_CASES = 20_000
MAX_TEXT = 8 * 1024
MAX_NAME = 500
MAX_DEPTH = 64


class ReportError(ValueError):
    """The report cannot be read; the message says why."""


class TestStatus(StrEnum):
    __test__ = False

    PASSED = "passed"
    FAILED = "failed"
    ERROR = "error"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class TestCaseResult:
    """One test case. `duration_s` is what the report claims; `message` is empty for passed ones."""

    __test__ = False

    name: str
    suite: str
    status: TestStatus
    message: str
    duration_s: float


OUTCOMES = {"failure": TestStatus.FAILED, "error": TestStatus.ERROR, "skipped": TestStatus.SKIPPED}


class _Reader:
    """Collects test cases from expat's events; document types, and with them all entities, are refused."""

    def __init__(self) -> None:
        self.cases: list[TestCaseResult] = []
        self._depth = 0
        self._case: dict[str, str] | None = None
        self._status = TestStatus.PASSED
        self._words: list[str] = []
        self._size = 0
        self._listening = False

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise ReportError(f"The report nests deeper than {MAX_DEPTH} elements.")
        if name == "testcase":
            self._case, self._status, self._words, self._size = attributes, TestStatus.PASSED, [], 0
        elif self._case is not None and name in OUTCOMES:
            self._status, self._listening = OUTCOMES[name], True
            self.data(attributes.get("message", "") + "\n")

    def data(self, words: str) -> None:
        if self._listening and self._size < MAX_TEXT:
            self._words.append(words[: MAX_TEXT - self._size])
            self._size += len(words)

    def end(self, name: str) -> None:
        self._depth -= 1
        if name in OUTCOMES:
            self._listening = False
        elif name == "testcase" and self._case is not None:
            case, self._case = self._case, None
            self.cases.append(
                TestCaseResult(
                    name=case.get("name", "")[:MAX_NAME],
                    suite=case.get("classname", "")[:MAX_NAME],
                    status=self._status,
                    message="".join(self._words).strip(),
                    duration_s=_seconds(case.get("time", "")),
                )
            )
            if len(self.cases) > MAX_CASES:
                raise ReportError(f"The report lists more than {MAX_CASES} test cases.")

    def refuse(self, *_: object) -> None:
        raise ReportError("The report declares a document type, which is not accepted.")


def _seconds(written: str) -> float:
    try:
        found = float(written.replace(",", ""))
    except ValueError:
        return 0.0
    return found if 0 <= found < 1e9 else 0.0


def parse_junit(content: bytes) -> list[TestCaseResult]:
    """The test cases of a JUnit XML report. Raises ReportError for anything that is none, or too big."""
    if len(content) > MAX_BYTES:
        raise ReportError(f"The report is larger than {MAX_BYTES} bytes.")
    reader = _Reader()
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.data
    parser.StartDoctypeDeclHandler = reader.refuse
    parser.EntityDeclHandler = reader.refuse
    try:
        parser.Parse(content, True)
    except ReportError:
        raise
    except expat.ExpatError as problem:
        raise ReportError(f"The report is not well-formed XML: {problem}.") from problem
    except (LookupError, ValueError) as problem:
        # expat has Python's codecs read what it cannot, and these fail in their own ways.
        raise ReportError("The report names an encoding that is not read here; UTF-8 is.") from problem
    return reader.cases
