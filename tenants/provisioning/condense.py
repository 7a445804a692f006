"""A dump of a schema in fewer statements: what belongs to a table is said when the table is created.

pg_dump adds identities, keys and references to finished tables one by one, so that data could be loaded in between. In an
empty schema each of those statements costs PostgreSQL a table's worth of catalogue work again, and a reference even a
scan. Whatever is not recognised here stays as it was dumped, in its place.
"""

import re
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter

ENTRY = re.compile(r"^--\n-- (?:Data for )?Name: [^\n]*; Type: (?P<kind>[A-Z ]+); Schema: [^\n]*\n--\n", re.MULTILINE)
TABLE = re.compile(r"CREATE TABLE (?P<name>[^\s(]+) \(\n(?P<body>.*\n)\);\s*", re.DOTALL)
IDENTITY = re.compile(
    r"ALTER TABLE (?P<table>\S+) ALTER COLUMN (?P<column>\S+) ADD GENERATED (?P<kind>ALWAYS|BY DEFAULT) AS IDENTITY "
    r"\((?P<options>[^()]*)\);\s*"
)
CONSTRAINT = re.compile(r"ALTER TABLE ONLY (?P<table>\S+)\n    ADD (?P<constraint>CONSTRAINT [^;]*);\s*")
REFERENCE = re.compile(r" REFERENCES (?P<table>[^\s(]+)\(")
END = "\n--\n-- PostgreSQL database dump complete"
UNUSED_SEQUENCE = re.compile(r"SELECT pg_catalog\.setval\('[^']*', 1, false\);\s*")


@dataclass(slots=True)
class _Table:
    """One CREATE TABLE: what is between its brackets, and its references, whose tables have to be there before."""

    name: str
    body: str
    refers_to: dict[str, list[str]] = field(default_factory=dict)
    """The constraints that refer to each other table, by that table's name."""

    def statement(self) -> str:
        references = [f",\n    {constraint}" for constraints in self.refers_to.values() for constraint in constraints]
        return f"CREATE TABLE {self.name} (\n{self.body}{''.join(references)}\n);\n"

    def postponed(self, other: str) -> list[str]:
        """Take the references to `other` out of the table: the statements that add them to the finished one."""
        return [f"ALTER TABLE ONLY {self.name}\n    ADD {each};\n" for each in self.refers_to.pop(other)]

    def identify(self, column: str, kind: str, options: str) -> bool:
        """Give `column` its identity where it is declared; False when it is not declared on one line."""
        declared = re.compile(rf"^    {re.escape(column)} [^\n]* NOT NULL(?=,?$)", re.MULTILINE)
        said = f" GENERATED {kind} AS IDENTITY ({' '.join(options.split())})"
        self.body, found = declared.subn(lambda line: line.group() + said, self.body, count=1)
        return found == 1


def condense(dump: str) -> str:
    """SQL that makes the same schema as `dump` (pg_dump's, without other schemas' objects) in fewer statements."""
    head, entries = _entries(dump)
    tables: dict[str, _Table] = {}
    before = [head]
    after: list[str] = []
    for kind, text in entries:
        table = _table(text) if kind == "TABLE" else None
        if table is not None:
            tables[table.name] = table
        elif not _absorbed(kind, text, tables):
            (after if tables else before).append(text)
    order, late = _ordered(tables)
    return "\n".join([*before, *(tables[name].statement() for name in order), *late, *after])


def _ordered(tables: dict[str, _Table]) -> tuple[list[str], list[str]]:
    """The tables' names in an order that works, and the references that none works for, as statements of their own.

    Of tables that refer to each other in a circle one gets its reference when all of them are there.
    """
    late: list[str] = []
    while True:
        try:
            graph = {name: sorted(table.refers_to) for name, table in tables.items()}
            return list(TopologicalSorter(graph).static_order()), late
        except CycleError as circle:
            other, name = circle.args[1][:2]  # each is referred to by the next
            late += tables[name].postponed(other)


def _entries(dump: str) -> tuple[str, list[tuple[str, str]]]:
    """What stands before the first entry, and each entry's kind and statements."""
    dump = dump.split(END)[0]
    marks = list(ENTRY.finditer(dump))
    if not marks:
        return dump, []
    ends = [mark.start() for mark in marks[1:]] + [len(dump)]
    texts = [(mark["kind"], dump[mark.end() : end].strip() + "\n") for mark, end in zip(marks, ends, strict=True)]
    return dump[: marks[0].start()], [(kind, text) for kind, text in texts if text.strip()]


def _table(text: str) -> _Table | None:
    """The table that `text` creates, None when it says more than that or says it in another form."""
    match = TABLE.fullmatch(text)
    if match is None:
        return None
    return _Table(match["name"], match["body"].rstrip("\n"))


def _absorbed(kind: str, text: str, tables: dict[str, _Table]) -> bool:
    """Whether `text` went into its table, or says nothing."""
    if kind == "SEQUENCE" and (match := IDENTITY.fullmatch(text)) and match["table"] in tables:
        return tables[match["table"]].identify(match["column"], match["kind"], match["options"])
    if kind.endswith("CONSTRAINT") and (match := CONSTRAINT.fullmatch(text)) and match["table"] in tables:
        table = tables[match["table"]]
        other = REFERENCE.search(match["constraint"])
        if other is not None and other["table"] not in tables:
            return False
        if other is not None and other["table"] != table.name:
            table.refers_to.setdefault(other["table"], []).append(match["constraint"])
        else:
            table.body += f",\n    {match['constraint']}"
        return True
    return kind == "SEQUENCE SET" and UNUSED_SEQUENCE.fullmatch(text) is not None
