"""Choosing evidence, place, heading and layout, without any model."""

from __future__ import annotations

import pytest

from gpu_workers.brief import TaskBrief
from gpu_workers.grounded import Entry, about, collect, find_target, headings_for, insert_entry, topic_of
from gpu_workers.grounded.text import sections_of
from gpu_workers.tests.stories import CLINIC, GLOSSARY, SHOP, Story

pytestmark = pytest.mark.unit

NEW = Entry("How do returns work?", ("You can return it within 30 days.", "Returns are free."))
RUN_ON = "You can return it within 30 days. Returns are free."
LAYOUTS = {
    "form-feed.md": (
        "# FAQ\n\nOne\f two\x85 three\u2028 four.\n\n## How long?\n\nTwo days.\n\n## Contact\n\nMail us.\n",
        f"Two days.\n\n## How do returns work?\n\n{RUN_ON}\n\n## Contact\n\nMail us.\n",
    ),
    "headings.md": (
        "# FAQ\n\n## How long?\n\nTwo days.\n\n## Which cards?\n\nVisa.\n\n## Contact\n\nMail us.\n",
        f"Visa.\n\n## How do returns work?\n\n{RUN_ON}\n\n## Contact\n\nMail us.\n",
    ),
    "contents-at-the-end.md": (
        "# FAQ\n\n### How long?\nTwo days.\n\n### Which cards?\nVisa.\n\n## Contents\n\n1. [How long?](#how-long)\n"
        "2. [Which cards?](#which-cards)\n",
        f"### How do returns work?\n{RUN_ON}\n\n## Contents\n\n1. [How long?](#how-long)\n2. [Which cards?](#which-cards)\n"
        "3. [How do returns work?](#how-do-returns-work)\n",
    ),
    "labels.txt": (
        "Questions\n\nQ: How long?\nA: Two days.\n\nQ: Which cards?\nA: Visa.\n",
        f"A: Visa.\n\nQ: How do returns work?\nA: {RUN_ON}\n",
    ),
    "bold-labels.md": (
        "# FAQ\n\n**Q: How long?**\n\n**A:** Two days.\n\n---\n*By hand.*\n",
        f"**A:** Two days.\n\n**Q: How do returns work?**\n\n**A:** {RUN_ON}\n\n---\n*By hand.*\n",
    ),
    "underlined.rst": (
        "FAQ\n===\n\nHow long?\n---------\n\nTwo days.\n\nWhich cards?\n------------\n\nVisa.\n\n.. _x: y\n",
        f"Visa.\n\nHow do returns work?\n--------------------\n\n{RUN_ON}\n\n.. _x: y\n",
    ),
    "folded.md": (
        "<details>\n<summary>How long?</summary>\n\nTwo days.\n\n</details>\n\nBye.\n",
        f"</details>\n\n<details>\n<summary>How do returns work?</summary>\n\n{RUN_ON}\n\n</details>\n\nBye.\n",
    ),
    "numbered.md": (
        "# FAQ\n\n## 1. How long?\n\nTwo days.\n\n## 2. Which cards?\n\nVisa.\n",
        f"Visa.\n\n## 3. How do returns work?\n\n{RUN_ON}\n",
    ),
    "bullets.md": (
        "# Book\n\n## Delivery\n\n- Two days.\n- Always.\n\n## Cards\n\n- Visa.\n",
        "## How do returns work?\n\n- You can return it within 30 days.\n- Returns are free.\n",
    ),
    "one-to-a-line.md": (
        "# Book\n\n## Delivery\n\nTwo days.\nAlways.\n\n## Cards\n\nVisa.\nCash.\n",
        "## How do returns work?\n\nYou can return it within 30 days.\nReturns are free.\n",
    ),
    "glossary.md": (
        "# Glossary\n\n- **Basket**: a thing.\n- **Order**: bought.\n- **Voucher**: a code.\n",
        f"- **Basket**: a thing.\n- **How do returns work?**: {RUN_ON}\n- **Order**: bought.\n",
    ),
    "definitions.md": (
        "# Glossary\n\nOrder\n: Bought.\n\nVoucher\n: A code.\n",
        f"Voucher\n: A code.\n\nHow do returns work?\n: {RUN_ON}\n",
    ),
    "table.md": (
        "| Term | Meaning |\n| --- | --- |\n| Basket | A thing. |\n\nEnd.\n",
        f"| Basket | A thing. |\n| How do returns work? | {RUN_ON} |\n\nEnd.\n",
    ),
    "empty.md": ("# FAQ\n", f"# FAQ\n\n## How do returns work?\n\n{RUN_ON}\n"),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_an_entry_looks_like_its_neighbours(name: str) -> None:
    before, expected = LAYOUTS[name]
    after = insert_entry(before, NEW, path=name)
    assert expected in after
    kept = [line for line in before.splitlines() if line.strip()]
    remaining = iter(after.splitlines())
    assert all(line in remaining for line in kept), "the lines that were there stay, in their order"


def test_headings_in_code_and_windows_line_ends_are_respected() -> None:
    text = "# FAQ\r\n\r\n## How long?\r\n\r\n```\r\n## no entry\r\n```\r\n"
    after = insert_entry(text, NEW, path="faq.md")
    assert after == text + f"\r\n## How do returns work?\r\n\r\n{RUN_ON}\r\n"


ADDED = f"## How do returns work?\n\n{RUN_ON}\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            "# FAQ\r\n\n## How long?\n\nTwo days.\n\r\n## Contact\r\n\r\nMail us.",
            f"# FAQ\r\n\n## How long?\n\nTwo days.\n\n{ADDED}\r\n## Contact\r\n\r\nMail us.",
        ),
        (
            "# FAQ\n\n## How long?\r\n\r\nTwo days.",
            "# FAQ\n\n## How long?\r\n\r\nTwo days.\r\n\r\n" + ADDED.replace("\n", "\r\n"),
        ),
        (
            "# FAQ\r\n- [How long?](#how-long)\n\n## How long?\r\n\r\nTwo days.\r\n\n\n## Contact\n\nMail us.\n\n\n",
            "# FAQ\r\n- [How long?](#how-long)\n- [How do returns work?](#how-do-returns-work)\n\n## How long?\r\n\r\n"
            "Two days.\r\n\r\n" + ADDED.replace("\n", "\r\n") + "\n## Contact\n\nMail us.\n\n\n",
        ),
    ],
    ids=["feeds", "returns", "contents"],
)
def test_lines_that_are_there_keep_their_ends_and_new_ones_end_as_their_neighbours(before: str, after: str) -> None:
    assert insert_entry(before, NEW, path="faq.md") == after


def test_a_line_too_long_for_any_heading_counts_for_nothing_and_stays() -> None:
    long = f"- a{' ' * 1_000_000}x"
    after = insert_entry(f"# FAQ\n\n{long}\n\n## How long?\n\nTwo days.\n", NEW, path="faq.md")
    assert long in after
    assert after.endswith(f"Two days.\n\n## How do returns work?\n\n{RUN_ON}\n")


def test_an_entry_goes_to_the_group_that_it_belongs_to() -> None:
    text = "# FAQ\n\n## Orders and returns\n\n### How long?\n\nTwo days.\n\n## Payment\n\n### Which cards?\n\nVisa.\n"
    assert insert_entry(text, NEW, path="faq.md").split("## Payment")[0].count("How do returns") == 1


@pytest.mark.parametrize(
    ("title", "topic"),
    [
        ("Add an FAQ entry about returns", "returns"),
        ("Document parking for visitors in handbook/visitors.rst", "parking for visitors"),
        ("Add a glossary term for lease", "lease"),
        ("Write a README section on backups", "backups"),
        ("Update the FAQ with shipping costs", "shipping costs"),
        ("Extend the FAQ: returns", "returns"),
        ("Add an entry on data retention to the privacy guide", "data retention"),
    ],
)
def test_the_topic_of_a_title(title: str, topic: str) -> None:
    assert topic_of(title) == topic


@pytest.mark.parametrize(
    ("given", "title"),
    [
        ("Extend the FAQ", "Extend the FAQ: returns"),
        ("Write a new document", "Extend the FAQ: returns"),
        ("Improve the landing page", "Extend the FAQ: returns"),
        ("Add the rules for sending items back", "Add the rules for sending items back"),
    ],
)
def test_a_title_that_lost_its_subject_gives_way_to_the_storys_own(given: str, title: str) -> None:
    brief = "Extend the FAQ: returns\nCustomers ask how they can send an item back."
    assert about(TaskBrief(given, brief)).title == title
    assert about(TaskBrief(given)).title == given, "there is no other one"


def test_a_heading_that_the_task_spells_out_is_the_only_one() -> None:
    task = TaskBrief("Add an FAQ entry about returns", acceptance=('The question reads "Can I send it back?"',))
    assert headings_for(task, question=True) == ["Can I send it back?"]
    assert all("returns" in wording for wording in headings_for(TaskBrief(task.title), question=True))
    assert headings_for(TaskBrief(task.title), question=False) == ["Returns"]


@pytest.mark.parametrize("story", [SHOP, CLINIC, GLOSSARY], ids=lambda story: story.name)
def test_evidence_and_place_are_found(story: Story) -> None:
    sources = collect(story.task, story.files, None).sources
    assert find_target(story.task, story.files, sources) == story.target
    candidates = [candidate.text for candidate in collect(story.task, story.files, story.target).candidates]
    text = " ".join(candidates)
    assert all(fact in text for fact in story.facts)
    assert not any(word in text for word in story.absent)
    sentences = {
        one for name, body in story.files.items() for part in sections_of(body, name) for one in part.sentences
    }
    assert set(candidates) <= sentences


def test_a_heading_is_read_in_one_go_however_much_stands_beside_its_words() -> None:
    blank = " " * 100_000
    found = sections_of(
        f"# Tea #{blank}##{blank}\n\nIt is green.\n\n## a{blank}b\n\nIt is hot.\n\n# #\n\nIt is cold.\n"
    )
    assert [one.heading for one in found] == ["Tea #", f"a{blank}b", ""]


def test_without_evidence_in_the_task_the_repository_is_searched() -> None:
    task = TaskBrief("Add an FAQ entry about returns")
    found = collect(task, SHOP.files, SHOP.target)
    assert found.sources == {"docs/policies/returns.md"}
    assert find_target(task, SHOP.files, found.sources) == "docs/faq.md"


def test_red_ci_brings_missing_facts_in_and_refused_sentences_out() -> None:
    task = TaskBrief(
        "Add an FAQ entry about returns",
        evidence="Returns are free with the label in the parcel. We love our customers very much.",
        ci_output="missing fact: cannot be returned\nnot in any policy: We love our customers very much.\n",
    )
    candidates = {one.text: one.essential for one in collect(task, SHOP.files, SHOP.target).candidates}
    assert candidates == {
        "Returns are free with the label in the parcel.": True,
        "Personalised items cannot be returned.": True,
    }


@pytest.mark.parametrize(
    "task",
    [
        TaskBrief(
            "Fix the rounding of totals in till/basket.py", "The README says otherwise.", evidence="A total is 3.00."
        ),
        TaskBrief(
            "Totals are rounded wrong",
            "See README.md and till/basket.py.",
            evidence="A total of 2.995 is shown as 2.99.",
        ),
        TaskBrief("Make the export faster", evidence="It takes a minute."),
        TaskBrief("Refactor the returns module", evidence="Returns are slow."),
    ],
)
def test_a_task_about_code_has_no_documentation_target(task: TaskBrief) -> None:
    assert find_target(task, {**SHOP.files, "README.md": "# Till\n\nBaskets and totals.\n"}) is None
