"""Real Celery workers, as `make up` starts them, killed -9 in the middle of what they do; others go on."""

import os
import signal
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest
import redis
from django.conf import settings

from governance.scopes import ScopeKind
from governance.selectors import budgets, spend_of
from gpu_workers.folders import repository_folder, workspace_folder
from gpu_workers.models import ChangeRequest, Run, RunLog, RunStep
from gpu_workers.models.run import RunState
from gpu_workers.repos import log
from gpu_workers.tasks import execute_run, wake_runs
from guildhall.embedded.roles import PRIVILEGED
from guildhall.embedded.stack import agents_worker
from guildhall.kernel.tenancy import tenant_scope
from tests.fakes.openai_server import OpenAIServer, Rule
from tests.faults.servers import Nursery
from tests.story.scripts import RIGHT, planning
from tests.story.test_bugfix_story import STORY
from tests.support.processes import until
from tests.support.pump import consume, relay
from tests.support.tenants import TestTenant
from tests.support.world import DEMO, World, files_of, scripted_model

pytestmark = pytest.mark.integration
WAITS = "echo at it; until [ -e .go ]; do sleep 0.05; done; rm .go"
"""A command that ends when somebody else puts a file into its workspace."""


def acting(turn: int, name: str, **arguments: str) -> Rule:
    when = {"contains": ["Carry the task out now."], "turns": turn}
    return {"when": when, "reply": {"tool_calls": [{"name": name, "arguments": arguments}]}}


SCRIPT = [
    *planning(),
    {**acting(0, "write_file", path="till/basket.py", content=RIGHT), "hold": True},
    acting(1, "run_command", command=WAITS),
    acting(2, "open_change_request", title="VAT is rounded on each line", description="The total sums lines."),
]


class Workers:
    """Workers at the agents' queue, with a short lease; `kill` ends the one that is at a run."""

    def __init__(self, folder: Path) -> None:
        known = {variable: value for variable, value in os.environ.items() if variable not in PRIVILEGED}
        self._nursery, self._folder = Nursery({**known, "GUILDHALL_LEASE_SECONDS": "4"}, folder / "nursery.log"), folder

    def start(self, *names: str) -> None:
        """Start workers and wait until they are at work."""
        for name in names:
            self._nursery.celery(name, *agents_worker(name), folder=self._folder)
        for name in names:
            until((self._folder / f"{name}.ready").exists, seconds=60, what=f"the worker {name}")

    def kill(self, run: Run) -> None:
        pid = int(run.worker.split(":")[1])
        os.kill(pid, signal.SIGKILL)
        assert self._nursery.ended(pid) == -signal.SIGKILL

    def close(self) -> None:
        self._nursery.close()


def work_run(world: World) -> Run | None:
    with tenant_scope(world.tenant.schema):
        return Run.objects.filter(kind="work").first()


def queued(world: World) -> Run:
    """The run of the story's one task, made and not yet begun."""
    world.story(**STORY)

    def made() -> Run | None:
        relay()
        consume(world.tenant.schema)
        return work_run(world)

    run = until(made, what="the run")
    assert run is not None
    return run


def taken_over(world: World, before: Run) -> Run:
    """The run once another worker has it; the scheduler's part is done here."""

    def looked_after() -> Run | None:
        with tenant_scope(world.tenant.schema):
            wake_runs()
            return Run.objects.filter(pk=before.pk, fence__gt=before.fence).first()

    run = until(looked_after, seconds=60, what="the takeover")
    assert run is not None
    assert run.worker.split(":")[1] != before.worker.split(":")[1]
    return run


def at_it(world: World, times: int) -> bool:
    with tenant_scope(world.tenant.schema):
        return RunLog.objects.filter(text__contains="at it").count() == times


def left_over() -> list[str]:
    """Processes of the waiting command that are there although their worker is not."""
    found = []
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found += [place.parent.name] if WAITS.encode() in place.read_bytes() else []
        except OSError:
            continue
    return found


def spent(world: World) -> Decimal:
    with tenant_scope(world.tenant.schema):
        assert {limit.reserved for limit in budgets(kind=ScopeKind.TENANT)} == {0}
        return spend_of("cost_kind", "model").spent


def billed(model: OpenAIServer) -> Decimal:
    tokens = [call["usage"] for call in model.journal if call["status"] == 200]
    return sum((Decimal(u["prompt_tokens"]) + 3 * Decimal(u["completion_tokens"]) for u in tokens), Decimal(0)) / 10**6


def test_workers_killed_at_work_are_replaced_and_nothing_happens_twice(tenant: TestTenant, tmp_path: Path) -> None:
    world = World.build(tenant, "TILL", files_of(DEMO / "till"), "python3 ci.py")
    broker = redis.Redis.from_url(settings.REDIS_URL)
    with scripted_model(SCRIPT) as model, closing(Workers(tmp_path)) as workers:
        run = queued(world)
        broker.delete("agents", "merges")  # what other tests have left there
        for _ in range(2):
            execute_run.send(tenant.schema, number=run.number)
        assert broker.llen("agents") == 2, "nobody is there, and what is sent waits"
        workers.start("first", "second")
        assert model.holding.wait(60)
        until(lambda: (broker.llen("agents"), broker.hlen("unacked")) == (0, 1), what="one of two leaving")
        held = work_run(world)
        assert held is not None
        assert held.fence == 1, "the same message twice, one worker at it"
        workers.kill(held)
        until(lambda: model.journal[-1]["status"] == 499, what="hanging up")
        model.opened.set()
        workers.start("third")
        second = taken_over(world, held)
        until(lambda: at_it(world, 1), what="the command")
        workers.kill(second)
        until(lambda: not left_over(), what="the end of the command")
        taken_over(world, second)
        until(lambda: at_it(world, 2), what="the command again")
        with tenant_scope(tenant.schema):
            (workspace_folder(run.number) / "tree" / ".go").touch()
        until(lambda: not getattr(work_run(world), "is_open", True), seconds=60, what="the end of the run")
    broker.delete("agents", "merges", "unacked", "unacked_index")
    with tenant_scope(tenant.schema):
        done = Run.objects.get(pk=run.pk)
        assert done.state == RunState.SUCCEEDED, done.reason
        assert ChangeRequest.objects.get().head_sha == done.head_sha
        assert len(log(repository_folder("till"), done.head_sha)) == 2, "the repository's first commit, and one"
        calls = RunStep.objects.filter(kind="model", ok=True).count()
    assert [call["status"] for call in model.journal].count(200) == calls
    assert spent(world) == billed(model)
