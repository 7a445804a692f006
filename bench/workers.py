"""A second worker: runs a second of one and of two workers against an engine that only takes its time, by turns.

The workers are those of `make up`, and the runs real ones: plan, change, checks, commit, money, audit.
"""

import os
import re
import statistics
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import redis
from django.conf import settings

from bench.figures import judge
from bench.tenants import new_tenant
from governance.selectors import active_policy
from gpu_workers.models import Run
from gpu_workers.models.run import GIVEN_UP, RunState
from gpu_workers.tasks import execute_run
from guildhall.embedded import celery_service
from guildhall.embedded.roles import PRIVILEGED
from guildhall.embedded.stack import agents_worker
from guildhall.kernel.tenancy import tenant_scope
from tests.support.busy import queue_many
from tests.support.notes import CALLS, note_script
from tests.support.policies import put_policy
from tests.support.processes import Running, running, until
from tests.support.tenants import TestTenant
from tests.support.world import World, scripted_model

WANTED = 1.8
RUNS = 8
THREADS = 2
"""Few, so that calls are what a worker waits for: the machine is to have cores to spare for two."""
DELAY_SECONDS = 4.0
"""What each of a run's calls takes."""
GIVE_UP_SECONDS = 180.0
HEAD = f"  {'':28} {'seconds':>9} {'runs a minute':>14}"


def run(rounds: int) -> None:
    """Print how long the runs took one worker and two, and the ratio."""
    turns: list[float] = []
    for turn in range(rounds):
        took = {count: _timed(count) for count in ((1, 2) if turn % 2 == 0 else (2, 1))}
        if not turns:
            about = f"{THREADS} threads a worker, {CALLS} calls of {DELAY_SECONDS:g} s each"
            print(f"\nworkers: {RUNS} runs, {about}\n{HEAD}")
        for count, seconds in sorted(took.items()):
            print(f"  {f'{count} at work':28} {seconds:9.1f} {RUNS * 60 / seconds:14.1f}", flush=True)
        turns.append(took[1] / took[2])
    judge("two workers / one, the median turn", statistics.median(turns), at_least=WANTED)


def _timed(count: int) -> float:
    """Seconds from the first message to the end of the last run, with `count` workers that are up already."""
    row = new_tenant()
    tenant = TestTenant(row.schema_name, row.slug, f"{row.slug}.localhost")
    world = World.build(tenant, "TILL", {"README": b"Notes.\n"}, "true", councils=True)
    with tenant_scope(tenant.schema):
        put_policy(tenant, _without_rates(active_policy().text))
    numbers = queue_many(world, RUNS)
    redis.Redis.from_url(settings.REDIS_URL).delete("agents", "merges")
    with scripted_model(note_script(DELAY_SECONDS)), tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        names = [f"worker{number}" for number in range(count)]
        for one in names:
            stack.enter_context(_worker(one, folder))
        for one in names:
            until((folder / f"{one}.ready").exists, seconds=60, what=f"the start of {one}")
        began = time.perf_counter()
        for number in numbers:
            execute_run.send(tenant.schema, number=number)
        until(lambda: _all_done(tenant.schema), seconds=GIVE_UP_SECONDS, what="the end of all runs")
        return time.perf_counter() - began


def _without_rates(text: str) -> str:
    """A policy under which no run rests because others have done so much in this minute or hour."""
    for name, much in (("change_requests_per_hour", 10_000), ("tokens_per_minute", 100_000_000)):
        text, found = re.subn(rf"(?m)^  {name}: \d+$", f"  {name}: {much}", text)
        assert found == 1, name
    return text


def _worker(name: str, folder: Path) -> Running:
    """A worker that knows no more than that of `make up`; once it is at work there is the file `<name>.ready`."""
    known = {variable: value for variable, value in os.environ.items() if variable not in PRIVILEGED}
    return running(
        "-m", celery_service.__name__, "-A", "guildhall.celery", *agents_worker(name, THREADS),
        log=folder / f"{name}.log",
        env={**known, celery_service.READY_FILE: str(folder / f"{name}.ready")},
    )  # fmt: skip


def _all_done(schema: str) -> bool:
    with tenant_scope(schema):
        rows = list(Run.objects.values_list("state", "reason"))
    if troubles := [reason for state, reason in rows if state in GIVEN_UP]:
        raise SystemExit(f"a run did not succeed: {troubles[0]}")
    return all(state == RunState.SUCCEEDED for state, _ in rows)
