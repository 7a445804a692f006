"""Documentation stories out of a seed: names, figures, words, file layout, evidence and CI are drawn, other ones for each.

The repository of such a story holds the sources of its facts and a CI that compares the text with them; what the merged
text has to say, `Story.facts`, stands nowhere in it and is never told to a run.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from gpu_workers.brief import TaskBrief
from tests.support.documentation_words import STALE, TOPICS, Statement, Topic

CHECK = '''"""What the documentation says stands in a source, is in force, and is whole."""
import pathlib
import re
import sys

TARGET, SOURCES, VALUES = @PLACES@
HEADING, LEAD = re.compile(r"@HEADING@"), re.compile(r"@LEAD@")


def plain(text):
    return " ".join(text.split())


def figures(text):
    return set(re.findall(r"[0-9]+(?:[.:][0-9]+)?", text))


topic, values, problems = "", {}, []
for line in pathlib.Path(VALUES).read_text().splitlines():
    if line.startswith("["):
        topic = line.strip("[]")
    elif line:
        values.setdefault(topic, set()).update(figures(line))
text = pathlib.Path(TARGET).read_text()
known = plain(" ".join(path.read_text() for path in sorted(pathlib.Path(SOURCES).rglob("*")) if path.is_file()))
prose = plain(" ".join(LEAD.sub("", line) for line in text.splitlines() if not HEADING.match(line)))
for sentence in filter(None, re.split(r"(?<=[.!?]) ", prose)):
    if sentence not in known:
        problems.append(f"not in any source: {sentence}")
    elif figures(sentence) - set().union(*values.values()):
        problems.append(f"not in {VALUES}: {sentence}")
for topic, wanted in values.items():
    if topic in text.lower():
        problems += [f"{TARGET} is about {topic} and does not say {figure}" for figure in sorted(wanted - figures(prose))]
print("\\n".join(problems) or "ok")
sys.exit(bool(problems))
'''


@dataclass(frozen=True, slots=True)
class Story:
    """What people ask for, the repository it is asked in, and what the test alone knows of the text that has to come out.

    `facts` have to stand in `target`, `absent` must not, and every line of what was there stays.
    """

    key: str
    task: TaskBrief
    target: str
    files: dict[str, str]
    ci_command: str
    facts: tuple[str, ...]
    absent: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Layout:
    """How a document looks: its file, what a title asks for, one entry, and what of it is no prose."""

    file: str
    title: str
    head: str
    entry: str
    heading: str
    lead: str


LAYOUTS = (
    Layout("{docs}/faq.md", "Add an FAQ entry about {topic}", "# {firm}: FAQ\n", "\n## How do {topic} work?\n\n{text}\n",
           "#", "^$"),
    Layout("{docs}/visitors.rst", "Document {topic} in {file}", "{firm}\n{under}\n", "\n{Topic}\n{line}\n\n{text}\n",
           "[^.]*$", "^$"),
    Layout("{docs}/glossary.md", "Add a glossary term for {topic}", "# Glossary of {firm}\n\n", "- **{Topic}** - {text}\n",
           "#", r"^- \*\*.*?\*\* - "),
    Layout("{docs}/questions.txt", "Extend the FAQ: {topic}", "Questions that {firm} is asked\n",
           "\nQ: How do {topic} work?\nA: {text}\n", "[^.]*$", "^A: "),
)  # fmt: skip
FOLDERS = ("docs", "handbook", "pages", "site", "manual")
SOURCES = ("facts", "policies", "notes", "rules", "sources")
ENDINGS = ("md", "txt")
CONFIGS = ("config/{}.ini", "settings/{}.conf", "{}.ini")
CHECKS = ("ci/check.py", "tools/compare.py", "checks/documents.py")
EVIDENCE = ("quoted", "cited", "named")
SYLLABLES = (
    ("Var", "Mel", "Tor", "Ker", "Bra", "Sol", "Nim", "Dro", "Wes", "Hul", "Pav", "Lin"),
    ("no", "li", "ve", "ra", "mu", "sti", "de", "go"),
    ("ck", "nt", "rth", "th", "lm", "dor", "sk", "ver"),
)


def generated(seed: int) -> Story:
    """The story of this seed. It can be done: every fact stands in a source."""
    return _Draw(seed).story()


def impossible(seed: int) -> Story:
    """One whose topic has a figure in force that no source says: nothing that may be written makes its CI green."""
    draw = _Draw(seed)
    draw.silent = draw.figure()
    return draw.story()


@dataclass(frozen=True, slots=True)
class _Section:
    """A topic as this story's sources tell it."""

    topic: Topic
    sentences: tuple[str, ...]
    facts: tuple[str, ...]
    figures: tuple[str, ...]


@dataclass
class _Draw:
    """One story in the making."""

    seed: int
    silent: str = ""
    used: set[str] = field(default_factory=lambda: {"17", "19", "21", "50"})

    def __post_init__(self) -> None:
        self.dice = random.Random(self.seed)  # noqa: S311 - dice, no secret

    def story(self) -> Story:
        dice, firm = self.dice, self.name()
        asked, aside, *there = (self.section(topic) for topic in dice.sample(TOPICS, 5))
        layout, evidence = dice.choice(LAYOUTS), dice.choice(EVIDENCE)
        target = layout.file.format(docs=dice.choice(FOLDERS))
        folder, ending = dice.choice(SOURCES), dice.choice(ENDINGS)
        home, other = (f"{folder}/{name.lower()}.{ending}" for name in (self.name(), self.name()))
        values = dice.choice(CONFIGS).format(firm.lower())
        check = dice.choice(CHECKS)
        stale, old = self.stale(asked) if evidence == "named" and not self.silent and dice.random() < 0.7 else ("", "")
        told = [asked, aside]
        dice.shuffle(told)
        document = layout.head.format(firm=firm, under="=" * len(firm)) + "".join(
            _entry(layout, one) for one in _in_order(there)
        )
        files = {
            target: document,
            home: "".join(_source(one, stale if one is asked else "") for one in told),
            other: "".join(_source(one) for one in there),
            values: "".join(self.settings(one, asked) for one in (*told, *there)),
            check: _filled(layout, target, folder, values),
        }
        task = TaskBrief(
            layout.title.format(topic=asked.topic.name, file=target),
            f"{self.name()} at the desk of {firm} is asked for this ten times a day.",
            tuple(f"Given a reader, when they look it up, then it says {one.asks}" for one in asked.topic.statements),
            _evidence(evidence, asked, home),
        )
        absent = tuple(filter(None, (*aside.facts, old, self.silent)))
        return Story(firm.upper()[:8], task, target, files, f"python3 {check}", asked.facts, absent)

    def section(self, topic: Topic) -> _Section:
        told = [self.statement(one) for one in topic.statements]
        return _Section(topic, *(tuple(part) for part in zip(*told, strict=True)))

    def statement(self, one: Statement) -> tuple[str, str, str]:
        """Its sentence, its fact, and the figure in them ("" when it has a name)."""
        name = self.name() if "{name}" in one.sentence else ""
        figure = "" if name else self.figure(one.form)
        filled = {"name": name, "figure": figure}
        return one.sentence.format(**filled), one.fact.format(**filled), figure

    def figure(self, form: str = "{}") -> str:
        """One that this story has not had yet, not as a part of a price or time either."""
        return form.format(self._new(lambda: str(self.dice.randint(11, 59))))

    def name(self) -> str:
        """One that no model has read of."""
        return self._new(lambda: "".join(self.dice.choice(parts) for parts in SYLLABLES))

    def _new(self, draw: Callable[[], str]) -> str:
        while (found := draw()) in self.used:
            pass
        self.used.add(found)
        return found

    def stale(self, asked: _Section) -> tuple[str, str]:
        """A sentence of the sources that is in force no more, and its figure."""
        figure = self.figure()
        return STALE.format(topic=asked.topic.name, figure=figure, name=self.name()), figure

    def settings(self, one: _Section, asked: _Section) -> str:
        figures = [figure for figure in (*one.figures, self.silent if one is asked else "") if figure]
        lines = "".join(f"{name} = {figure}\n" for name, figure in zip("abcd", figures, strict=False))
        return f"[{one.topic.name}]\n{lines}\n"


def _in_order(sections: list[_Section]) -> list[_Section]:
    return sorted(sections, key=lambda one: one.topic.name)


def _entry(layout: Layout, one: _Section) -> str:
    name, text = one.topic.name, " ".join(one.sentences)
    return layout.entry.format(topic=name, Topic=name.capitalize(), line="-" * len(name), text=text)


def _source(one: _Section, stale: str = "") -> str:
    return f"# {one.topic.name.capitalize()}\n\n{' '.join([*one.sentences, stale]).strip()}\n\n"


def _evidence(form: str, asked: _Section, home: str) -> str:
    """Said by the author in so many words, line by line with its place, or only named."""
    if form == "named":
        return f"See {home}."
    return " ".join(asked.sentences) if form == "quoted" else "\n".join(f"{home}: {said}" for said in asked.sentences)


def _filled(layout: Layout, target: str, folder: str, values: str) -> str:
    places = repr((target, folder, values)).strip("()")
    return CHECK.replace("@PLACES@", places).replace("@HEADING@", layout.heading).replace("@LEAD@", layout.lead)
