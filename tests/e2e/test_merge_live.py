"""A product owner watches an agent at work in the browser, approves, and sees the story merged; nothing is loaded again."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import Visitor
from tests.e2e.site import aside
from tests.fakes.openai_server import OpenAIServer
from tests.story.scripts import bugfix
from tests.story.test_bugfix_story import STORY
from tests.support.pump import relay, settle
from tests.support.tenants import TestTenant
from tests.support.world import DEMO, World, files_of, scripted_model

pytestmark = pytest.mark.e2e
SECONDS = 120


@pytest.fixture
def world(tenant: TestTenant) -> World:
    return World.build(tenant, "TILL", files_of(DEMO / "till"), "python3 ci.py")


@pytest.fixture
def model(world: World) -> Iterator[OpenAIServer]:
    with scripted_model(bugfix()) as server:
        yield server


class Gates:
    """Steps that the agents of a world stand before until they are let through; what they do is announced as they do it."""

    def __init__(self, *keys: str) -> None:
        self._reached, self._opened = ({key: Event() for key in keys} for _ in range(2))

    def __call__(self, boundary: str, key: str) -> None:
        relay()
        if boundary == "begun" and key in self._opened:
            self._reached[key].set()
            assert self._opened[key].wait(SECONDS), f"nobody opened {key}"

    def reach(self, key: str, working: "Future[None]") -> None:
        """Let the agents go on up to step `key`. Raises what ended them before."""
        for before in list(self._opened)[: list(self._opened).index(key)]:
            self._opened[before].set()
        while not self._reached[key].wait(0.05):
            assert not working.done() or working.result(), "they are done, and never came to it"

    def open(self) -> None:
        for opened in self._opened.values():
            opened.set()


@contextmanager
def agents_of(tenant: TestTenant, gates: Gates) -> Iterator["Future[None]"]:
    """The tenant's agents at work in a thread; they have come to rest at the end."""
    with ThreadPoolExecutor(1) as pool:
        working = pool.submit(aside, lambda: settle(tenant.schema, gates))
        try:
            yield working
        finally:
            gates.open()
        working.result()


def _watch(run: Page, gates: Gates, working: "Future[None]") -> None:
    """A page that was opened before the agent wrote anything shows red CI, the second attempt, and what it costs."""
    expect(run.locator("#run-phases")).to_contain_text("Executor")
    expect(run.locator("#run-ci")).to_contain_text("CI has not run on a commit of this run yet.")
    expect(run.locator("#run-diff")).to_contain_text("Nothing has been committed yet.")
    expect(run.locator("#run-log li")).to_have_count(0)
    spent = run.locator("#run-cost .gh-kv").inner_text()
    run.evaluate("window.stillHere = true")
    gates.reach("fixer.1.1", working)
    expect(run.locator("#run-log")).to_contain_text("test_vat_is_rounded_half_up_on_each_line")
    expect(run.locator("#run-log")).to_contain_text("Attempt 1 of")
    expect(run.locator("#run-head")).to_contain_text("attempt 2")
    expect(run.locator("#run-ci .gh-tag.t-bad")).to_be_visible()
    expect(run.locator("#run-diff")).to_contain_text("VAT_PERCENT + 50")
    expect(run.locator("#run-steps")).to_contain_text("CI on")
    expect(run.locator("#run-cost .gh-kv")).not_to_have_text(spent)


def test_a_run_is_watched_and_its_change_is_approved_and_merged_before_the_readers_eyes(
    world: World, model: OpenAIServer, visitor: Visitor
) -> None:
    tenant = world.tenant
    owner = aside(lambda: tenant.member("product_owner"))
    page = visitor.signed_in(tenant, owner)
    expect(page.locator("#live-state")).to_contain_text("Live")
    story = aside(lambda: world.story(**STORY))
    expect(page.locator("#stories")).to_contain_text(story.title)
    run, gates = visitor.beside(page), Gates("executor.1", "fixer.1.1")
    with agents_of(tenant, gates) as working:
        gates.reach("executor.1", working)
        expect(page.locator("#working")).to_contain_text("Executor")
        run.goto(f"/runs/{aside(world.runs)[-1].number}/")
        _watch(run, gates, working)
    expect(run.locator("#run-head")).to_contain_text("Succeeded")
    expect(run.locator("#run-ci .gh-tag.t-ok")).to_be_visible()
    assert run.evaluate("window.stillHere") is True
    assert aside(lambda: world.task(story)).state == "pending_po_approval"
    expect(page.locator("#waiting")).to_contain_text("Merge TILL-1.1")
    page.get_by_role("link", name="Merge TILL-1.1").first.click()
    expect(page.locator("#approval-detail")).to_contain_text("CI passed")
    expect(page.locator(".gh-diff")).to_contain_text("price * quantity + vat(price * quantity)")
    page.get_by_role("button", name="Approve and merge").click()
    expect(page.locator("#approval-detail")).to_contain_text("it is being carried out")
    page.evaluate("window.stillHere = true")
    aside(world.settle)
    expect(page.locator("#decision-record")).to_contain_text("merged as")
    assert page.evaluate("window.stillHere") is True
    assert aside(lambda: world.task(story)).state == "done"
