"""What is found and told, without a tenant: documents in passages, one ranking, one budget, and the bounds of reading."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from governance.policies.document_sections import Files
from gpu_workers.confined import confined_read
from gpu_workers.knowing import documents
from gpu_workers.knowing.assembling import Piece, Told, assemble
from gpu_workers.knowing.documents import LONGEST, MOST_BYTES, read_documents
from gpu_workers.knowing.passages import Documents, Kind, Passage, split_document
from gpu_workers.knowing.ranking import Stock, excerpt, rank, terms_of, words_of
from gpu_workers.loop.memory import size_of
from gpu_workers.repos import Workspace
from gpu_workers.sandbox import Sandbox
from gpu_workers.tools import ROLE_TOOLS, TaskBrief, ToolContext, execute, offered_tools
from gpu_workers.tools.contract import Known
from gpu_workers.tools.knowledge import KNOWLEDGE_TOOLS
from gpu_workers.tools.registry import SPARE

pytestmark = pytest.mark.unit
STOPPED = ("the", "is", "how", "a", "an", "of", "and")
GUIDE = """\
Our shop sells tea.

# Returns

```sh
# no heading
```

## Refunds

Money goes back to the card.

Fees
----

A fee of two euros.
"""


def stems(words: Sequence[str]) -> dict[str, str]:
    """As the database has them: without an ending, and nothing for what says nothing."""
    return {word: word.rstrip("s") for word in words if word not in STOPPED}


def found(query: str, passages: Sequence[Passage], size: int = 0, **having: int) -> list[str]:
    return [one.passage.ref for one in rank(terms_of(query, stems), passages, stems, Stock(size, having))]


def text(ref: str, words: str, kind: Kind = Kind.DOCUMENT) -> Passage:
    return Passage(kind, ref, "", words)


def test_a_document_is_split_by_its_headings_and_every_passage_says_where_it_stands() -> None:
    split = split_document("docs/guide.md", GUIDE)
    assert [(one.ref, one.title, one.stands) for one in split] == [
        ("docs/guide.md", "", "line 1"),
        ("docs/guide.md § Returns", "Returns", "lines 5-7"),
        ("docs/guide.md § Refunds", "Returns > Refunds", "line 11"),
        ("docs/guide.md § Fees", "Fees", "line 16"),
    ]
    rst = split_document("a.rst", "=====\nTitle\n=====\n\nOne\n---\n\ntext\n")
    assert [(one.ref, one.text) for one in rst] == [("a.rst § One", "text")]
    long = split_document("b.txt", "word " * 1000)
    assert [len(one.text) for one in long] == [1200, 1200, 1200, 1200, 200]
    odd = split_document("o.md", "# Tea\r\n\f\x85\u2028\r\nGreen.\r\n")
    assert [(one.text, one.stands) for one in odd] == [("Green.", "line 3")], "lines as read_file counts them"
    assert split_document("c.md", "\n\n# Only a heading\n") == []
    blank = " " * 100_000
    wide = split_document("d.md", f"#{blank}Tea{blank}##{blank}\n\nGreen.\n\n# a{blank}b\n\nEnd.\n\n# #\n\n#5\n")
    assert [(one.ref, one.text) for one in wide] == [("d.md § Tea", "Green."), ("d.md § a", "End.\n\n# #\n\n#5")]


def test_any_of_the_words_finds_and_rare_ones_in_short_texts_weigh_most() -> None:
    passages = [
        text("common", "the order and the order page"),
        text("rare", "how a refund is paid"),
        text("both", "the order and its refunds: a refund of an order"),
        text("long", "a refund " + "and much else " * 60),
        text("none", "tea"),
        *[text(f"order {number}", "order") for number in range(9)],
    ]
    assert found("the refunds of an order", passages)[:2] == ["both", "rare"]
    assert found("refund", passages) == ["both", "rare", "long"], "the longer a text, the less one word of it says"
    assert "none" not in found("the refunds of an order", passages)
    assert found("the", passages) == []
    rows = [text("story:A-1", "order", Kind.STORY), text("task:A-1.1", "label", Kind.TASK)]
    assert found("order label", rows, size=1000, order=900, label=2) == ["task:A-1.1", "story:A-1"]
    assert words_of("retryCount of parse_header") == ["retry", "count", "of", "parse", "header"]


def test_an_excerpt_is_of_whole_sentences_around_the_words() -> None:
    said = "Tea is good. " * 30 + "The refund goes to the card. It takes two days. " + "Tea is cheap. " * 30
    shown = excerpt(said, ["refund", "days"], 120)
    assert "The refund goes to the card. It takes two days." in shown
    assert shown.startswith("… ")
    assert shown.endswith(" …")
    assert len(shown) <= 124
    assert excerpt("short", ["x"], 100) == "short"
    assert len(excerpt("x" * 900, ["x"], 100)) <= 104


@pytest.mark.parametrize("room", [600, 1500, 3600, 12_000])
def test_the_most_important_comes_first_within_the_budget_and_the_rest_is_named(room: int) -> None:
    pieces = [Piece(f"task:{at}", "why", "größer " * length) for at, length in enumerate((300, 5, 200, 900, 3))]
    told = assemble(pieces, room)
    assert size_of(told.text) <= room
    assert told.refs[:2] == ("task:0", "task:1")
    left = [piece.ref for piece in pieces if piece.ref not in told.refs]
    assert (f"Left out for room: {', '.join(left)}." in told.text) is bool(left)
    assert assemble(pieces[1:2], room).text == pieces[1].told
    assert assemble([], room).text == ""


def test_documents_are_read_within_the_policys_bounds_and_without_following_links(tmp_path: Path) -> None:
    tree, outside = tmp_path / "tree", tmp_path / "outside.md"
    tree.mkdir()
    outside.write_text("# Out\n\nsecret-outside\n")
    (tree / "link.md").symlink_to(outside)
    (tree / "folder").symlink_to(tmp_path)
    for path, content in {
        "docs/a.md": b"# A\n\nseen \xff here\n",
        "docs/private/b.md": b"secret-denied\n",
        "notes.TXT": b"seen too\n",
        "code.py": b"# code\n",
        "binary.md": b"\0secret-binary",
        "huge.md": b"secret-huge " * (LONGEST // 12 + 1),
    }.items():
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).write_bytes(content)
    files = Files(allow=["docs/**"], deny=["docs/Private/**"])
    read = read_documents(tree, files.may_see, lambda said: said.replace("here", "there"))
    assert [(one.ref, one.text) for one in read] == [("notes.TXT", "seen too"), ("docs/a.md § A", "seen � there")]
    assert read_documents(tmp_path / "nowhere", files.may_see, str) == []


def test_no_more_is_read_of_documents_than_is_told_of_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(6):
        (tmp_path / f"{number}.md").write_bytes(b"tea\n" * (LONGEST // 4))
    os.truncate(tmp_path / "0.md", LONGEST + 1)
    sizes = []

    def noted(*asked: Any) -> bytes:
        content = confined_read(*asked)
        sizes.append(len(content))
        return content

    monkeypatch.setattr(documents, "confined_read", noted)
    read = read_documents(tmp_path, lambda path: True, str)
    assert (sum(sizes), {one.ref for one in read}) == (MOST_BYTES, {"1.md", "2.md", "3.md", "4.md"})


def context(folder: Path, role: str, **ports: Any) -> ToolContext:
    return ToolContext(Workspace(folder), Sandbox(), role, TaskBrief("Look"), "", **ports)


def test_every_role_may_ask_what_is_known_where_there_is_work_and_arguments_are_explained(
    tmp_path: Path,
) -> None:
    asked: list[Any] = []

    def search(query: str, kinds: frozenset[Kind], documents: Documents) -> Told:
        asked.append((query, sorted(kinds), documents(str)))
        if query == "the":
            raise ValueError("There is no word to search by.")
        return Told("[decision:1] password=hunter2hunter2", ("decision:1",))

    def about(tokens: int, documents: Documents) -> Told:
        asked.append(tokens)
        return Told("x" * 40_000)

    (tmp_path / "tree").mkdir()
    names = {tool.name for tool in KNOWLEDGE_TOOLS}
    assert names == {"search_knowledge", "get_context"}
    assert names <= SPARE
    for role in ROLE_TOOLS:
        here = context(tmp_path, role, known=Known(search, about))
        assert names <= {spec.name for spec in offered_tools(here)}
        assert not names & {spec.name for spec in offered_tools(context(tmp_path, role))}
        assert not any(
            execute(name, {"query": "tea"} if "search" in name else {}, context(tmp_path, role)).ok for name in names
        )
    result = execute("search_knowledge", {"query": "tea", "kinds": ["decision", "task"]}, here)
    assert (result.ok, result.data) == (True, {"refs": ["decision:1"]})
    assert "hunter2" not in result.text
    assert asked == [("tea", [Kind.DECISION, Kind.TASK], [])]
    assert execute("search_knowledge", {"query": "the"}, here).text == "There is no word to search by."
    execute("get_context", {}, here)
    assert asked[-1] == 1200
    assert len(execute("get_context", {"tokens": 4000}, replace(here, output_chars=500)).text) < 600
    for name, arguments, why in (
        ("search_knowledge", {}, "'query' is a required property"),
        ("search_knowledge", {"query": "x"}, "is too short"),
        ("search_knowledge", {"query": "tea", "kinds": ["secret"]}, "is not one of"),
        ("get_context", {"tokens": 100}, "less than the minimum of 200"),
        ("get_context", {"tokens": 5000}, "greater than the maximum of 4000"),
    ):
        refused = execute(name, arguments, here)
        assert (refused.ok, why in refused.text) == (False, True), refused.text
