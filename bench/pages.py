"""What board, list and search cost with 20,000 stories, by turns with a tenant that has a tenth of them: its pages are as full.

Every page goes through the whole of Django in this process, signed in; the time is the server's own.
"""

import statistics
import time
from collections.abc import Callable
from typing import Any

from django.test import Client

from bench.figures import Figure, judge, of, show
from bench.tenants import new_tenant
from guildhall.kernel.tenancy import tenant_scope
from tenants.actions.keys import create_api_key
from tests.support.clients import program, signed_in
from tests.support.many import many_stories
from tests.support.tenants import TestTenant

MANY, FEW = 20_000, 2_000
PAGE_MS, API_MS, RATIO = 300.0, 100.0, 2.0
TURN = 5
Ask = Callable[[str], Any]
PAGES = {
    "board": "/stories/",
    "list": "/stories/?view=list",
    "list, page 40": "/stories/?view=list&page=40",
    "search in the list": "/stories/?view=list&text=customs+duties",
    "palette": "/palette/?q=customs",
    "API, list": "/api/v1/stories/",
    "API, search": "/api/v1/stories/?search=customs",
}


def run(rounds: int) -> None:
    """Print each page with many stories and with few, and the ratios of their p95."""
    many, few = _house(MANY), _house(FEW)
    rows = [(name, *_by_turns(name, path, many, few, rounds)) for name, path in PAGES.items()]
    show(f"pages with {MANY} stories", *(figure for _, ours, peer in rows for figure in (ours, peer)))
    for name, ours, peer in rows:
        judge(f"{name}: p95 ms", ours.p95_ms, at_most=API_MS if name.startswith("API") else PAGE_MS)
        judge(f"{name}: p95, {MANY} / {FEW} stories", ours.p95_ms / peer.p95_ms, at_most=RATIO)
        judge(f"{name}: CPU of Django, {MANY} / {FEW} stories", ours.cpu_ms / peer.cpu_ms)


def _by_turns(name: str, path: str, many: Ask, few: Ask, rounds: int) -> tuple[Figure, Figure]:
    """Both tenants' figures of one page; the CPU is the median turn's, a call."""
    took: dict[int, list[float]] = {MANY: [], FEW: []}
    cpu: dict[int, list[float]] = {MANY: [], FEW: []}
    for number in range(max(2, rounds // TURN) + 1):
        for count, ask in ((MANY, many), (FEW, few)):
            began = time.process_time()
            times = [_timed(ask, path) for _ in range(TURN)]
            if number:  # the first turn warms up
                took[count] += times
                cpu[count].append((time.process_time() - began) * 1000 / TURN)
    ours, peer = (of(f"{name}, {count} stories", took[count], statistics.median(cpu[count])) for count in (MANY, FEW))
    return ours, peer


def _house(count: int) -> Ask:
    """A tenant with that many stories; asks it for a path as a signed-in product owner."""
    row = new_tenant()
    tenant = TestTenant(row.schema_name, row.slug, f"{row.slug}.localhost")
    many_stories(tenant, count)
    owner = tenant.member("product_owner")
    browser = signed_in(tenant, owner)
    with tenant_scope(tenant.schema):
        _, key = create_api_key(actor=owner.actor, name="bench", scopes=["api:read"], days=1)
    api = program(tenant, key)

    def ask(path: str) -> Any:
        client: Client = api if path.startswith("/api/") else browser
        return client.get(path)

    return ask


def _timed(ask: Ask, path: str) -> float:
    began = time.perf_counter()
    answer = ask(path)
    took = (time.perf_counter() - began) * 1000
    if answer.status_code != 200:
        raise SystemExit(f"{path}: {answer.status_code}")
    return took
