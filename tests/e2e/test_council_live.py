"""Three agents deliberate while somebody watches: who sits there, each phase, every answer, the scores and the winner appear
by themselves."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from time import monotonic

import pytest
from django.db import connection
from playwright.sync_api import Page, expect

from guildhall.kernel.tenancy import tenant_scope
from tests.e2e.conftest import Visitor
from tests.e2e.looking import as_it_is
from tests.e2e.site import aside
from tests.fakes.openai_server import OpenAIServer, Rule
from tests.story.scripts import deliberating
from tests.story.test_councils import planned
from tests.support.processes import until
from tests.support.pump import consume, relay, run_agents
from tests.support.tenants import TestTenant
from tests.support.world import DEMO, World, files_of, scripted_model
from workflows.models import Contribution, Council

pytestmark = pytest.mark.e2e
SECONDS = 120.0
PHASES = {"proposal": 3, "critique": 6, "revision": 3, "score": 3}
ASKED = {"Propose one answer": "proposal", "write your proposal anew": "revision", "what is wrong": "critique"}


def held_by_phase(rule: Rule) -> Rule:
    """The rule, whose answers wait until the gate of its phase is opened."""
    said = " ".join(rule["when"]["contains"])
    return {**rule, "hold": next((phase for words, phase in ASKED.items() if words in said), "score")}


@pytest.fixture
def world(tenant: TestTenant) -> World:
    return World.build(tenant, "TILL", files_of(DEMO / "till"), "python3 ci.py", councils=True)


@pytest.fixture
def model(world: World) -> Iterator[OpenAIServer]:
    with scripted_model([held_by_phase(rule) for rule in deliberating()]) as server:
        yield server


def test_a_deliberation_is_followed_without_loading_anything_again(
    world: World, model: OpenAIServer, visitor: Visitor
) -> None:
    page = visitor.signed_in(world.tenant, aside(lambda: world.tenant.member("product_owner")))
    aside(lambda: called(world))
    page.goto("/councils/1/")
    expect(page.locator("#live-state")).to_contain_text("Live")
    expect(page.locator("#council-head")).to_contain_text("Convened")
    page.evaluate("window.stillHere = true")
    with at_work(world, model):
        sees(page, "#council-phases [aria-current=step]", "Proposals")
        for letter, role in (("A", "architect"), ("B", "developer"), ("C", "QA")):
            expect(page.locator(f"#seat-{letter}")).to_contain_text(role)
            expect(page.locator(f"#seat-{letter}")).to_contain_text("is thinking")
        follow(world, model, page)
    aside(world.settle)
    expect(page.locator("#council-head")).to_contain_text("Decided")
    expect(page.locator("#council-result")).to_contain_text("B wins")
    expect(page.locator("#seat-B")).to_contain_text("Winner")
    expect(page.locator("#council-scores tfoot")).to_contain_text("8.50")
    assert page.evaluate("window.stillHere") is True
    page.locator("#score-A-2 summary").click()
    expect(page.locator("#score-A-2")).to_contain_text("It is 9 of 10")
    assert as_it_is(page, "council-decided") == []


def follow(world: World, model: OpenAIServer, page: Page) -> None:
    """Let the phases go on one by one; each shows what it brought."""
    answer(world, model, "proposal")
    sees(page, "#council-phases [aria-current=step]", "Critiques")
    expect(page.locator("#seat-B h2")).to_have_text("B. Way B")
    expect(page.locator("#seat-B")).to_contain_text("is reading")
    assert as_it_is(page, "council-live") == []
    answer(world, model, "critique")
    sees(page, "#council-phases [aria-current=step]", "Revisions")
    page.locator("#seat-C-c summary").click()
    expect(page.locator("#seat-C-c")).to_contain_text("It does not say which lines are tested.")
    answer(world, model, "revision")
    sees(page, "#council-phases [aria-current=step]", "Scores")
    expect(page.locator("#seat-B h2")).to_have_text("B. Way B revised")
    expect(page.locator("#seat-C-c")).to_have_attribute("open", "")
    answer(world, model, "score")


def called(world: World) -> None:
    """A planned story's council is called; its run waits for a worker."""
    planned(world)
    while relay():
        consume(world.tenant.schema)


def answer(world: World, model: OpenAIServer, phase: str) -> None:
    """The seats get their answers of this phase, and what they say is told."""
    model.gate(phase).set()
    aside(lambda: until(lambda: said(world, phase) == PHASES[phase], seconds=SECONDS, what=f"every {phase}"))


def said(world: World, phase: str) -> int:
    with tenant_scope(world.tenant.schema):
        return Contribution.objects.filter(council__in=Council.objects.all(), phase=phase, valid=True).count()


def sees(page: Page, place: str, text: str) -> None:
    """What was recorded is told until the page shows it."""
    deadline = monotonic() + SECONDS
    while monotonic() < deadline:
        aside(relay)
        if text in " ".join(page.locator(place).all_text_contents()):
            return
        page.wait_for_timeout(100)
    raise AssertionError(f"{place} never shows {text!r}: {page.locator(place).all_text_contents()}")


@contextmanager
def at_work(world: World, model: OpenAIServer) -> Iterator[None]:
    """A worker deliberates beside this; however the block ends, it gets its answers and comes to its end."""

    def work() -> None:
        try:
            run_agents(world.tenant.schema)
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as beside:
        working = beside.submit(work)
        try:
            yield
        finally:
            for phase in PHASES:
                model.gate(phase).set()
        working.result()
