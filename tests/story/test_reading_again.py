"""Whoever makes a consumer read everything again changes nothing: no row, no mail, no run, no call, no commit."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import pytest
import redis
from django.conf import settings
from django.core import mail
from django.db import connection

from governance.actions.limits import set_limit
from governance.events import ApprovalExecuted
from governance.scopes import ScopeKind, Window
from governance.selectors import active_policy
from gpu_workers.actions.reverts import request_revert
from gpu_workers.errands import serve, waiting_lanes
from gpu_workers.events import ChangeMerged, ChangeRevertFailed
from gpu_workers.folders import repository_folder
from gpu_workers.models import ChangeRequest
from guildhall.evidence.delivery import deliver
from guildhall.evidence.selectors import head_position, recent
from guildhall.kernel.consumers import registered_consumers
from guildhall.kernel.events import Event
from guildhall.kernel.tenancy import tenant_scope
from tests.fakes.openai_server import OpenAIServer, Rule
from tests.story.scripts import RIGHT, bugfix, deliberating, planning
from tests.story.test_bugfix_story import STORY
from tests.story.test_merging import move_base
from tests.support.evidence import ConsumerCursor, DeadLetter
from tests.support.policies import put_policy
from tests.support.tenants import TestTenant
from tests.support.world import DEMO, World, files_of, scripted_model
from workflows.actions import close_sprint, create_strategy, edit_strategy, open_sprint, transition_story
from workflows.actions.comments import write_comment
from workflows.actions.following import set_watch
from workflows.comfort_events import CommentWritten, WatchSet
from workflows.council_events import DeliberationCompleted
from workflows.models import Derivation, Story
from workflows.plan_events import SprintClosed, StrategyEdited
from workflows.rebuilding import compare

pytestmark = pytest.mark.integration
CONSUMERS = sorted(
    name for name, known in registered_consumers().items() if not known.platform and not name.startswith("bench.")
)
TABLES = """
SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
    AND has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')
ORDER BY 1
"""
CURSORS = ("consumer_cursor", "gpu_workers_lane")
"""Where readers and workers are; not what they do."""
BABBLE: Rule = {"when": {}, "reply": {"text": "Hm."}}
HAPPENED: list[type[Event]] = [
    ApprovalExecuted,
    ChangeMerged,
    ChangeRevertFailed,
    CommentWritten,
    DeliberationCompleted,
    SprintClosed,
    StrategyEdited,
    WatchSet,
]


@dataclass
class Past:
    """What has happened in a tenant, and the model that is not to be asked any more."""

    world: World
    model: OpenAIServer

    def rows(self) -> dict[str, tuple[int, str]]:
        """Every table that the tenant reads, its own and the shared ones: how many rows, and a digest of them."""
        found = {}
        with tenant_scope(self.world.tenant.schema), connection.cursor() as cursor:
            cursor.execute(TABLES)
            for (table,) in cursor.fetchall():
                if table.endswith(CURSORS):
                    continue
                cursor.execute(
                    f"SELECT count(*), coalesce(md5(string_agg(md5(t::text), '' ORDER BY md5(t::text))), '') FROM {table} t"
                )
                found[table] = cursor.fetchone()
        return found

    def files(self) -> dict[str, str]:
        """The repositories, file by file."""
        with tenant_scope(self.world.tenant.schema):
            folder = repository_folder(self.world.project.repository).parent
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}

    def asked(self) -> int:
        return len(self.model.journal)


def queued() -> int:
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        return int(client.llen("agents"))


def finished_story(world: World) -> Story:
    """Planned, deliberated on, merged and accepted within a sprint that is closed, talked about and followed."""
    with tenant_scope(world.tenant.schema):
        developer = world.tenant.actor("developer")
        strategy = create_strategy(
            actor=world.owner, project=world.project, goal="Fewer complaints.", budget_usd=Decimal(5)
        )
        edit_strategy(actor=world.owner, strategy=strategy, change={"budget_usd": Decimal(6)})
        sprint = open_sprint(actor=world.owner, project=world.project, content={"name": "Tills"})
    story = world.story(**STORY)
    world.settle()
    with tenant_scope(world.tenant.schema):
        write_comment(actor=developer, item=story, text="Shall we round up or down, @Architect?")
    approval = world.approval(world.task(story))
    assert approval is not None
    world.approve(approval)
    world.settle()
    with tenant_scope(world.tenant.schema):
        story.refresh_from_db()
        transition_story(actor=world.owner, story=story, name="accept")
        close_sprint(actor=world.owner, sprint=sprint)
    world.settle()
    with tenant_scope(world.tenant.schema):
        amount, admin = Decimal(9), world.tenant.actor("admin")
        set_limit(actor=admin, kind=ScopeKind.STRATEGY, scope_id=str(strategy.pk), window=Window.TOTAL, amount=amount)
        set_watch(actor=world.tenant.actor("viewer"), item=story, watching=True)
    return story


def in_vain(world: World, folder: Path) -> None:
    """The merged change could not be taken back; what stood in the way is gone since."""
    move_base(world, folder, "till/basket.py", "VAT_PERCENT = 19\n")
    with tenant_scope(world.tenant.schema):
        change = ChangeRequest.objects.get()
        request_revert(actor=world.owner, change=change, reason="It is not what we want.")
    world.settle()
    move_base(world, folder, "till/basket.py", RIGHT, "back")


def planned_in_vain(world: World) -> None:
    """A story whose plan was taken back, and not made a second time; no council is waited for."""
    with tenant_scope(world.tenant.schema):
        put_policy(world.tenant, active_policy().text.replace("held_on: [plan]", "held_on: []"))
    story = world.story(**{**STORY, "title": "Print each line's VAT on the bill"})
    with tenant_scope(world.tenant.schema):
        author = world.tenant.actor("developer")
        story = transition_story(actor=world.owner, story=story, name="reset", feedback="Plan it anew, please.")
        story = transition_story(actor=author, story=story, name="submit")
        transition_story(actor=world.owner, story=story, name="approve_scope")
    with scripted_model([BABBLE]):
        world.settle()


@pytest.fixture(scope="module")
def past(make_tenant: Callable[..., TestTenant], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Past]:
    world = World.build(make_tenant(), "TILL", files_of(DEMO / "till"), "python3 ci.py", councils=True)
    with scripted_model([*deliberating(), *bugfix()]) as model:
        finished_story(world)
        in_vain(world, tmp_path_factory.mktemp("others"))
    with scripted_model([planning()[0], BABBLE]) as model:
        planned_in_vain(world)
        connection.close()
        yield Past(world, model)


def test_it_all_happened(past: Past) -> None:
    with tenant_scope(past.world.tenant.schema):
        head = head_position()
        read = ConsumerCursor.objects.filter(consumer__in=CONSUMERS, position=head)
        assert sorted(read.values_list("consumer", flat=True)) == CONSUMERS
        done = {entry["kind"] for entry in recent(limit=1000)}
        assert {kind.kind for kind in HAPPENED} <= done
        assert list(Story.objects.order_by("number").values_list("state", flat=True)) == ["done", "ready_for_planning"]
        assert Derivation.objects.filter(state="failed").exists()
        told = compare()
        assert told.differences == [], "the events alone lead to every state in the tables"
        assert {"sprint", "strategy", "decision"} <= {reference.partition(":")[0] for reference in told.rebuilt.plans}
        assert [council.state for council in told.rebuilt.councils.values()][:1] == ["completed"]
    assert {"outbox_event", "audit_entry", "workflows_notice", "workflows_contribution"} <= set(past.rows())


@pytest.mark.parametrize("name", CONSUMERS)
def test_reading_again_from_the_start_does_nothing_twice(past: Past, name: str) -> None:
    rows, files, asked, sent = past.rows(), past.files(), past.asked(), queued()
    with tenant_scope(past.world.tenant.schema):
        ConsumerCursor.objects.filter(consumer=name).update(position=0, retry_at=None)
        assert deliver(registered_consumers()[name]) == head_position()
        assert not DeadLetter.objects.filter(consumer=name).exists()
        for repository in waiting_lanes():
            serve(repository)
    again = past.rows()
    assert {table for table in rows if again[table] != rows[table]} == set()
    assert (past.files(), past.asked(), queued(), mail.outbox) == (files, asked, sent, [])
