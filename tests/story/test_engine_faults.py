"""Engines that answer nonsense, hang up half-way, hang or are slow, amid runs: each goes on once its engine is well."""

import errno
from datetime import datetime, timedelta
from unittest.mock import Mock

import pytest

from gateway.chunks import Reader
from gateway.models import Deployment
from governance.scopes import ScopeKind
from governance.selectors import budgets
from governance.tests.tools import counters_equal_entries, rows
from gpu_workers.actions.runs import MAX_POSTPONED
from gpu_workers.models import Run, RunStep
from gpu_workers.models.run import RunKind, RunState
from gpu_workers.repos import GitError
from gpu_workers.runs.engine import KINDS, execute
from gpu_workers.sandbox import SandboxUnavailable
from guildhall.kernel.tenancy import platform_scope, tenant_scope
from tests.fakes.openai_server import Rule
from tests.support.busy import ACT, queue_many
from tests.support.clock import Clock, clock
from tests.support.tenants import TestTenant
from tests.support.world import World, scripted_model

pytestmark = pytest.mark.integration
__all__ = ["clock"]
NOTE = {"name": "write_file", "arguments": {"path": "note.txt", "content": "A note.\n"}}
FAULTS: list[Rule] = [
    {"garbage": True},
    {"disconnect": True, "reply": {"text": "word " * 40}, "chunks": 40},
    {"hold": True, "reply": {"text": "Nobody hears this."}},
    {"reply": {"text": "word " * 15, "tool_calls": [NOTE]}, "chunks": 15},
    {"reply": {"tool_calls": [{"name": "no_such_tool", "arguments": {"a": 1}}]}},
]
"""The last but one is slow, but never silent for long; the last is whole and senseless: the run is told so."""
SILENCE_S, PIECE_S = 60, 5
"""How long an engine may say nothing, and what the clock says that each piece of an answer took."""
CHARGES = """
SELECT r.key FROM governance_reservation r JOIN governance_ledgerentry e ON e.reservation_id = r.id
WHERE e.kind = 'commit' GROUP BY r.key HAVING count(*) > 1
"""


def acting(*contains: str, turns: int | None = None, **rule: object) -> Rule:
    when = {"contains": [ACT, *contains], **({} if turns is None else {"turns": turns})}
    return {"when": when, **rule}


def well() -> list[Rule]:
    """What an engine in order says: write a note and be done."""
    done = {"name": "finish", "arguments": {"summary": "The note is written"}}
    return [
        {"when": {"schema": "plan"}, "reply": {"text": {"steps": ["Write a note"]}}},
        acting("A note.", reply={"tool_calls": [done]}),
        acting(reply={"tool_calls": [NOTE]}),
    ]


def ill() -> list[Rule]:
    """The run of task n meets the n-th fault when it acts first."""
    return [acting(f" {number}", turns=0, **fault) for number, fault in enumerate(FAULTS, 1)]


def settled() -> None:
    """No call is open, none was charged twice, and the counters are the ledger's sums."""
    assert rows("SELECT count(*) FROM governance_reservation WHERE state = 'open'") == [(0,)]
    assert {limit.reserved for limit in budgets(kind=ScopeKind.TENANT)} == {0}
    assert rows(CHARGES) == []
    counters_equal_entries()


@pytest.fixture
def slow(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Whatever is said takes its time: the slow answer more than an engine may be silent, though none of its pieces does."""
    read = Reader.read

    def late(reader: Reader, chunk: object) -> list[str]:
        clock.forward(PIECE_S)
        return read(reader, chunk)

    monkeypatch.setattr(Reader, "read", late)
    return clock


def test_a_run_outlives_what_its_engine_does(tenant: TestTenant, slow: Clock) -> None:
    assert len(FAULTS[3]["reply"]["text"].split()) * PIECE_S > SILENCE_S
    world = World.build(tenant, "TILL", {"README": b"Notes.\n"}, "true", councils=True)
    numbers = queue_many(world, len(FAULTS))
    with scripted_model([*ill(), *well()]) as model:
        with platform_scope():
            Deployment.objects.filter(name="tests").update(timeout_s=SILENCE_S)
        slow.skip(1.5 * SILENCE_S, when=model.holding)
        with tenant_scope(tenant.schema):
            for number in numbers:
                execute(number)
            met = dict(Run.objects.values_list("number", "state"))
            assert [met[number] for number in numbers[:3]] == [RunState.RUNNING] * 3, "they rest"
            assert met[numbers[3]] == RunState.SUCCEEDED, "it took its time"
            assert met[numbers[4]] == RunState.SUCCEEDED, "it was told what was wrong, and did better"
            assert set(Run.objects.filter(state=RunState.RUNNING).values_list("lease_until", flat=True)) == {None}
            settled()
            model.script = well()
            Run.objects.filter(retry_at__isnull=False).update(retry_at=None)
            for number in numbers[:3]:
                execute(number)
                run = Run.objects.get(number=number)
                assert (run.state, run.changes.count()) == (RunState.SUCCEEDED, 1), run.reason
            assert not RunStep.objects.filter(finished_at=None).exists()
            settled()


def due_now(number: int) -> Run:
    Run.objects.filter(number=number, retry_at__isnull=False).update(retry_at=None)
    return Run.objects.get(number=number)


def an_hour_later(number: int) -> None:
    run = Run.objects.get(number=number)
    since = datetime.fromisoformat(run.outcome["away_since"]) - timedelta(hours=1)
    Run.objects.filter(number=number).update(outcome={**run.outcome, "away_since": since.isoformat()})


def test_a_run_whose_engine_stays_away_for_an_hour_gives_up_without_blame_and_owes_nothing(tenant: TestTenant) -> None:
    world = World.build(tenant, "TILL", {"README": b"Notes.\n"}, "true", councils=True)
    (number,) = queue_many(world, 1)
    with scripted_model([acting(garbage=True), *well()]), tenant_scope(tenant.schema):
        for _ in range(2 * MAX_POSTPONED):
            execute(number)
            assert due_now(number).state == RunState.RUNNING, "however often it was away: it is not long yet"
        an_hour_later(number)
        execute(number)
        run = Run.objects.get(number=number)
        assert run.state == RunState.FAILED
        assert "an hour" in run.reason
        assert "did not answer" in run.reason
        settled()
    world.settle()
    with tenant_scope(tenant.schema):
        assert rows("SELECT count(*) FROM governance_reputationevent WHERE kind = 'run_failed'") == [(0,)]


def test_a_run_that_gets_on_between_has_its_whole_patience_again(tenant: TestTenant) -> None:
    world = World.build(tenant, "TILL", {"README": b"Notes.\n"}, "true", councils=True)
    (number,) = queue_many(world, 1)
    with scripted_model([{"status": 400}]) as model, tenant_scope(tenant.schema):
        for _ in range(MAX_POSTPONED - 1):
            execute(number)
            assert due_now(number).outcome["tries"]
        an_hour_later(number)
        model.script = [well()[0], {"status": 400}]
        execute(number)
        run = due_now(number)
        assert (run.state, run.outcome["tries"]) == (RunState.RUNNING, 1), "it planned, then its engine was away again"
        model.script = well()
        execute(number)
        assert Run.objects.get(number=number).state == RunState.SUCCEEDED


def test_a_machine_in_trouble_lets_runs_rest(tenant: TestTenant, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World.build(tenant, "TILL", {"README": b"Notes.\n"}, "true", councils=True)
    (number,) = queue_many(world, 1)
    full = GitError("git clone: No space left on device", 128)
    troubles = [full, OSError(errno.ENOSPC, "No space left on device"), SandboxUnavailable("bubblewrap is away")]
    with scripted_model(well()), tenant_scope(tenant.schema):
        for number_, trouble in enumerate(troubles, 1):
            with monkeypatch.context() as broken:
                broken.setitem(KINDS, RunKind.WORK, Mock(side_effect=trouble))
                execute(number)
            assert (due_now(number).state, due_now(number).outcome["tries"]) == (RunState.RUNNING, number_), trouble
        execute(number)
        assert Run.objects.get(number=number).state == RunState.SUCCEEDED
