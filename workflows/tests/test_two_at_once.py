"""Two acts at the same moment, held at a barrier by locks: both are done, or one is refused in words; none breaks."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from django.db import connection

from governance.actions.limits import set_limit
from governance.actions.money import reserve
from governance.scopes import Scope, ScopeKind, Window
from governance.selectors import budgets
from governance.tests.test_late_counters import held
from guildhall.kernel.clashes import Clash
from guildhall.kernel.errors import Conflict, GuildhallError, Invalid
from guildhall.kernel.tenancy import tenant_scope
from tests.support.processes import until
from tests.support.tenants import TestTenant
from workflows.actions import attachments, create_epic, create_story, edit_story, transition_story
from workflows.actions.labels import create_label, delete_label, set_labels
from workflows.models import Epic, Label, Story
from workflows.planning import TaskDraft
from workflows.selectors import offers_for
from workflows.tests.world import READY, World

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def world(make_tenant: Callable[..., TestTenant]) -> World:
    return World(make_tenant())


class AtOnce:
    """Acts begun one after the other in threads of their own, while what they need is held."""

    def __init__(self, world: World, pool: ThreadPoolExecutor, waiting: Callable[[int], bool]) -> None:
        self.schema, self._pool, self._waiting = world.tenant.schema, pool, waiting
        self.begun: list[Future[Any]] = []

    def begin(self, act: Callable[[], Any]) -> None:
        """It has come to a lock by the end of this, or to its end."""
        self.begun.append(self._pool.submit(self._carry_out, act))
        until(lambda: self.begun[-1].done() or self._waiting(len([one for one in self.begun if not one.done()])))

    def _carry_out(self, act: Callable[[], Any]) -> Any:
        with closing(connection), tenant_scope(self.schema):
            try:
                return act()
            except GuildhallError as refusal:
                return refusal

    def results(self) -> list[Any]:
        return [one.result(timeout=120) for one in self.begun]


@contextmanager
def barrier(world: World, lock: str) -> Iterator[AtOnce]:
    """Whoever wants what is locked waits until the end of this."""
    lock = lock.format(schema=f'"{world.tenant.schema}"')
    with ThreadPoolExecutor(2) as pool, held(lock) as waiting:
        yield AtOnce(world, pool, waiting)


def planned(world: World, **content: Any) -> Story:
    story = world.write(**content)
    world.move(story, "submit", world.developer)
    world.move(story, "approve_scope", world.po)
    return world.move(story, "derive_tasks", world.architect, add=[TaskDraft("Write the entry", "developer")])


def edit(world: World, story: Story, needs: Story) -> Callable[[], Any]:
    def act() -> Any:
        content: Any = {"depends_on": [needs.reference]}
        return edit_story(actor=world.po, story=Story.objects.get(pk=story.pk), content=content)

    return act


def test_a_story_is_committed_while_another_is_written_that_needs_it(world: World) -> None:
    story = planned(world)
    with tenant_scope(world.tenant.schema):
        epic: Epic = create_epic(actor=world.po, project=world.project, title="Answers")
    content: Any = {**READY, "depends_on": [story.reference]}
    with barrier(world, "SELECT id FROM {schema}.workflows_epic FOR UPDATE") as acts:
        acts.begin(lambda: create_story(actor=world.developer, project=world.project, content=content, epic=epic))
        acts.begin(lambda: transition_story(actor=world.po, story=story, name="commit_to_sprint"))
    written, committed = acts.results()
    assert (written.reference, committed.state) == ("SHOP-2", "ready_for_execution")


def test_of_two_stories_that_one_budget_pays_for_once_one_is_committed(world: World) -> None:
    with tenant_scope(world.tenant.schema):
        set_limit(
            actor=world.tenant.actor("admin"),
            kind=ScopeKind.TENANT,
            scope_id="",
            window=Window.TOTAL,
            amount=Decimal("10.4"),  # of which the story that another test has committed was promised 0.4
        )
    stories = [planned(world, budget_usd=Decimal(8)) for _ in range(2)]
    with barrier(world, "SELECT id FROM {schema}.workflows_project FOR UPDATE") as acts:
        for story in stories:
            acts.begin(partial(transition_story, actor=world.po, story=story, name="commit_to_sprint"))
    committed, refused = acts.results()
    assert committed.state == "ready_for_execution"
    assert isinstance(refused, Conflict)
    assert (
        "2 USD is left in the total limit of tenant beside 8.4 that committed stories were promised" in refused.detail
    )
    with tenant_scope(world.tenant.schema):
        [own] = budgets(kind=ScopeKind.STORY, scope_id=committed.reference)
        assert own.limit == 8, "it is there with the commitment, whenever a consumer runs"
        scopes = [Scope(ScopeKind.STORY, committed.reference)]
        reserve(
            actor=world.mason,
            key="1",
            amount=Decimal(1),
            scopes=scopes,
            owner="run:1",
            model="m",
            price_version="1",
            ttl_s=600,
        )
        assert "2 USD is left" in offered(world, stories[1]), "what is spent of a promise is not counted twice"
    world.move(committed, "carry_over", world.po)
    with tenant_scope(world.tenant.schema):
        assert offered(world, stories[1]) == "", "a story that was stopped keeps nothing back"
    world.move(stories[1], "commit_to_sprint", world.po)
    with pytest.raises(Conflict, match=r"beside 8\.4 that committed stories were promised; this needs 7"):
        world.move(committed, "continue", world.po)
    world.move(stories[1], "carry_over", world.po)
    world.move(committed, "continue", world.po)
    with tenant_scope(world.tenant.schema):
        assert "2 USD is left" in offered(world, Story.objects.get(pk=stories[1].pk), "continue"), "its promise is back"


def offered(world: World, story: Story, name: str = "commit_to_sprint") -> str:
    [offer] = [one for one in offers_for(world.po, story) if one.action == name]
    return " ".join(offer.reasons)


@pytest.mark.parametrize("between", [0, 1])
def test_no_circle_of_stories_is_closed_by_two_at_once(world: World, between: int) -> None:
    """A -> B and B -> A, or with B -> C written before: A -> B and C -> A. Both have looked before either has written."""
    first, second = world.write(), world.write()
    last = world.write() if between else second
    if between:
        with tenant_scope(world.tenant.schema):
            edit(world, second, last)()
    with barrier(world, "LOCK TABLE {schema}.workflows_storydependency IN SHARE MODE") as acts:
        acts.begin(edit(world, first, second))
        acts.begin(edit(world, last, first))
    done, refused = acts.results()
    assert done.pk == first.pk
    assert isinstance(refused, Invalid)
    assert "A circle: " in refused.fields["depends_on"][0]


def test_a_label_that_goes_while_it_is_put_on_is_refused_and_is_no_conflict_that_passes_for_done(world: World) -> None:
    story = world.write()
    with tenant_scope(world.tenant.schema):
        label: Label = create_label(actor=world.po, name="Urgent")
        delete_label(actor=world.po, label=Label.objects.get(pk=label.pk))
        with pytest.raises(Clash, match="taken away by somebody else") as refused:
            set_labels(actor=world.po, item=story, add=[label])
        assert refused.value.status == 409
        assert not isinstance(refused.value, Conflict)
        assert not story.labels.exists()


def test_files_beside_two_stories_at_once_stay_within_what_all_may_have(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attachments, "MOST_BYTES", 10)
    stories = [world.write() for _ in range(2)]
    with barrier(world, "LOCK TABLE {schema}.workflows_attachment IN SHARE MODE") as acts:
        for story in stories:
            acts.begin(partial(attachments.attach, actor=world.po, item=story, name="notes", data=b"six by"))
    added, refused = acts.results()
    assert added.size == 6
    assert isinstance(refused, Conflict)
    assert "All files together" in refused.detail
