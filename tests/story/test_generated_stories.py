"""Generated documentation stories are fair: other ones for each seed, and their repository does not give the answers away."""

from collections import Counter

import pytest

from gpu_workers.grounded import Entry, collect, find_target, headings_for, insert_entry
from tests.support.documentation import Story, generated, impossible

pytestmark = pytest.mark.unit
SEEDS = range(40)


def checks_of(story: Story) -> str:
    """Everything that CI runs or compares with: what is no document."""
    return "\n".join(text for path, text in story.files.items() if not path.endswith((".md", ".rst", ".txt")))


def sources_of(story: Story) -> str:
    return "\n".join(text for path, text in story.files.items() if path != story.target)


def test_no_two_seeds_give_the_same_facts_names_and_files() -> None:
    stories = [generated(seed) for seed in SEEDS]
    assert stories == [generated(seed) for seed in SEEDS]
    facts = Counter(fact for story in stories for fact in story.facts)
    files = Counter(tuple(story.files) for story in stories)
    assert len({story.key for story in stories}) == len(stories)
    assert len({story.facts for story in stories}) == len(stories)
    assert facts.most_common(1)[0][1] <= 4
    assert set(files.values()) == {1}


@pytest.mark.parametrize("make", [generated, impossible])
def test_what_a_text_has_to_say_stands_in_its_sources_and_nowhere_as_a_list(make: object) -> None:
    assert callable(make)
    for seed in SEEDS:
        story: Story = make(seed)
        assert all(fact in sources_of(story) for fact in story.facts)
        assert not any(fact in checks_of(story) for fact in story.facts)
        assert not any(fact in story.files[story.target] for fact in (*story.facts, *story.absent))


@pytest.mark.parametrize("seed", SEEDS)
def test_grounded_writing_finds_place_and_facts_in_any_of_them(seed: int) -> None:
    story = generated(seed)
    documents = {path: text for path, text in story.files.items() if path.endswith((".md", ".rst", ".txt"))}
    target = find_target(story.task, documents, collect(story.task, documents, None).sources)
    assert target == story.target
    found = collect(story.task, documents, target).candidates
    entry = Entry(headings_for(story.task, question=False)[0], tuple(candidate.text for candidate in found))
    text = " ".join(insert_entry(documents[target], entry, path=target).split())
    assert all(fact in text for fact in story.facts)
