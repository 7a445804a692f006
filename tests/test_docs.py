"""What the documents name exists, and what has to be in them is there."""

import re
from pathlib import Path

import pytest
from django.core.management import get_commands

from gpu_workers.tools import REGISTRY
from guildhall.settings.env import Environment
from tests.support.documents import ROOT, STATE_MACHINES, TOOLS, state_machines, tools

pytestmark = pytest.mark.unit

SETTINGS = ROOT / "docs" / "reference" / "settings.md"
LINK = re.compile(r"!?\[([^\]]*)\]\(([^)\s]+)\)|(?:src|srcset|href)=\"([^\"]+)\"")
NAME = re.compile(r"`(\w+)`\Z")
PATH = re.compile(r"`((?:[\w.-]+/)+[\w.-]+\.(?:css|html|in|ini|js|md|patch|py|sql|svg|toml|txt|yaml|yml))(?:::(\w+))?`")
FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"manage\.py ([a-z]\w+)")
TARGET = re.compile(r"(?:`|^)make ([a-z][a-z-]*)", re.MULTILINE)
MADE_AT_RUN_TIME = ("var/",)


def documents() -> list[Path]:
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def names(paths: list[Path]) -> list[str]:
    return [path.relative_to(ROOT).as_posix() for path in paths]


def prose(document: Path) -> str:
    """The text without its blocks of code."""
    return FENCE.sub("", document.read_text())


def defines(file: Path, name: str) -> bool:
    """Whether `file` defines `name`: a function, class, method, attribute or constant."""
    pattern = rf"^\s*(?:async def|def|class) {name}\b|^\s*{name}\b[^=\n(]*="
    return re.search(pattern, file.read_text(), re.MULTILINE) is not None


def anchors(document: Path) -> set[str]:
    """What a link's `#part` may be, as GitHub makes it of headings."""
    headings = re.findall(r"^#+ (.+)$", prose(document), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", documents(), ids=names(documents()))
def test_every_link_leads_somewhere(document: Path) -> None:
    broken = []
    for words, markdown, attribute in LINK.findall(prose(document)):
        address = markdown or attribute
        if re.match(r"[a-z]+:", address):
            continue
        file, _, part = address.partition("#")
        target = (document.parent / file).resolve() if file else document
        if not target.exists() or (part and part not in anchors(target)):
            broken.append(address)
        elif (name := NAME.match(words)) and target.suffix == ".py" and not defines(target, name[1]):
            broken.append(f"{address} defines no {name[1]}")
    assert broken == []


@pytest.mark.parametrize("document", documents(), ids=names(documents()))
def test_every_file_that_is_named_exists(document: Path) -> None:
    broken = [
        f"{path}::{name}" if name else path
        for path, name in PATH.findall(prose(document))
        if not path.startswith(MADE_AT_RUN_TIME)
        and not ((ROOT / path).is_file() and (not name or defines(ROOT / path, name)))
    ]
    assert broken == []


@pytest.mark.parametrize("document", documents(), ids=names(documents()))
def test_every_command_that_is_named_exists(document: Path) -> None:
    text = document.read_text()
    rules = re.findall(r"^([a-z][a-z -]*):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    targets = {name for rule in rules for name in rule.split()}
    assert set(TARGET.findall(text)) - targets == set()
    assert set(COMMAND.findall(text)) - set(get_commands()) == set()


def test_every_setting_is_described_with_its_default_and_no_other() -> None:
    rows = dict(
        re.findall(r"^\| `([A-Z_]+)` \| ([^|]*) \|", SETTINGS.read_text().partition("\n## Read by")[0], re.MULTILINE)
    )
    fields = {name.upper(): field.default for name, field in Environment.model_fields.items()}
    assert set(rows) == set(fields)
    for name, default in fields.items():
        if isinstance(default, bool | int | str):
            shown = str(default).lower() if isinstance(default, bool) else str(default)
            assert rows[name].strip() == (f"`{shown}`" if shown else "empty"), name


def test_the_page_about_state_machines_is_the_tables() -> None:
    assert STATE_MACHINES.read_text() == state_machines(), "write it anew: python -m tests.support.documents"


def test_the_page_about_tools_is_the_registry() -> None:
    assert TOOLS.read_text() == tools(), "write it anew: python -m tests.support.documents"


def test_the_threat_model_speaks_of_every_tool_and_names_tests_that_are_there() -> None:
    text = (ROOT / "docs" / "threat-model.md").read_text()
    assert [name for name in REGISTRY.names() if f"`{name}`" not in text] == []
    named = set(re.findall(r"`([\w/]+\.py)::(\w+)`", text))
    assert len(named) > 100
    assert [(file, test) for file, test in sorted(named) if f"def {test}(" not in (ROOT / file).read_text()] == []


def test_the_picture_is_readable_on_light_and_on_dark() -> None:
    """It carries its own ground and both colour schemes, and loads nothing."""
    for picture in sorted((ROOT / "docs" / "images").glob("*.svg")):
        text = picture.read_text()
        assert "prefers-color-scheme: dark" in text
        assert "<title" in text
        assert not re.search(r"<script|<foreignObject|(?:href|src)=\"(?!#)|url\((?!#)", text)
