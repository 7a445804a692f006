"""What tenant, role, token and permission cost a request: a full endpoint against the same list by DRF alone.

Both go through Django's own WSGI handler in this process, by turns, and what counts is CPU.
"""

import io
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from django.core.handlers.wsgi import WSGIHandler
from django.db import connection
from django.test import Client, override_settings
from django.test.utils import CaptureQueriesContext

from bench import bare
from bench.figures import Figure, judge, of, show
from bench.tenants import new_tenant
from guildhall.kernel.tenancy import identity_scope, tenant_scope
from tenants.models import Membership, Tenant, User
from tenants.provisioning.provision import host_for
from workflows.models import Project, Strategy

PASSWORD = "benchmarks only, of course"  # noqa: S105
ROWS = 5
TURN = 30
PATH = "/api/v1/strategies/"
Call = Callable[[], bytes]


def run(rounds: int) -> None:
    """Print the full endpoint, the same list without anything, and a view that asks `SELECT 1`."""
    tenant = new_tenant()
    _fill(tenant.schema_name)
    bare.connect(tenant.schema_name)
    host = host_for(tenant.slug)
    token = _token(host, join(tenant))
    full = _caller(WSGIHandler(), host, PATH, HTTP_AUTHORIZATION=f"Bearer {token}")
    with _plain():
        handler = WSGIHandler()
    same, one = _caller(handler, "localhost", "/strategies/"), _caller(handler, "localhost", "/one/")
    with _plain():
        expected = same()
    if full() != expected:
        raise RuntimeError("the peer does not answer with the same list")
    ours, theirs, least = _by_turns(
        rounds,
        {
            "full endpoint: host, role, token, permission": (full, nullcontext),
            "peer: the same list, DRF alone": (same, _plain),
            "a DRF view with SELECT 1": (one, _plain),
        },
    )
    show("request overhead", ours, theirs, least)
    judge("CPU, full / the same list by DRF alone", ours.cpu_ms / theirs.cpu_ms, at_most=1.5)
    judge("CPU that it adds, ms", ours.cpu_ms - theirs.cpu_ms)
    judge("CPU, full list / a DRF view with SELECT 1", ours.cpu_ms / least.cpu_ms)
    judge("statements, full endpoint", _statements(full), at_most=3)


def join(tenant: Tenant) -> str:
    """A developer of `tenant`; the e-mail address. The password is `PASSWORD`."""
    email = f"bench@{tenant.slug}.example"
    with identity_scope():
        user = User.objects.create_user(email, "Bench", PASSWORD)
    with tenant_scope(tenant.schema_name):
        Membership.objects.create(tenant_id=tenant.schema_name, user_id=user.pk, roles=["developer"])
    return email


def _fill(schema: str) -> None:
    with tenant_scope(schema):
        project = Project.objects.create(key="BENCH", name="Bench")
        for number in range(ROWS):
            Strategy.objects.create(project=project, goal=f"Goal {number}")


def _token(host: str, email: str) -> str:
    given = {"email": email, "password": PASSWORD}
    answer = Client(HTTP_HOST=host).post("/api/v1/auth/token/", given, content_type="application/json")
    return str(answer.json()["access"])


def _caller(handler: WSGIHandler, host: str, path: str, **headers: str) -> Call:
    """A call of a view as a WSGI server makes it; raises when the answer is not 200."""

    def start(status: str, _headers: Any, _error: Any = None, /) -> Callable[[bytes], object]:
        if not status.startswith("200"):
            raise RuntimeError(f"{path}: {status}")
        return sys.stderr.buffer.write

    def call() -> bytes:
        environ = {
            "REQUEST_METHOD": "GET", "SCRIPT_NAME": "", "PATH_INFO": path, "QUERY_STRING": "", "HTTP_HOST": host,
            "SERVER_NAME": "localhost", "SERVER_PORT": "80", "SERVER_PROTOCOL": "HTTP/1.1", "REMOTE_ADDR": "127.0.0.1",
            "HTTP_ACCEPT": "application/json", "wsgi.version": (1, 0), "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(), "wsgi.errors": sys.stderr, "wsgi.multithread": True,
            "wsgi.multiprocess": False, "wsgi.run_once": False, **headers,
        }  # fmt: skip
        response = handler(environ, start)
        body = b"".join(response)
        response.close()
        return body

    return call


def _plain() -> AbstractContextManager[Any]:
    """Where Django's settings are the peer's. Entered once a turn: entering it costs more than a request."""
    return override_settings(MIDDLEWARE=[], ROOT_URLCONF="bench.bare")


def _by_turns(rounds: int, calls: dict[str, tuple[Call, Callable[[], AbstractContextManager[Any]]]]) -> list[Figure]:
    """Figures whose CPU is the median over turns of `TURN` calls, so that a disturbed turn does not count."""
    took: dict[str, list[float]] = {name: [] for name in calls}
    cpu: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(max(2, rounds // TURN) + 1):
        for name, (call, settings) in calls.items():
            with settings():
                times, spent = _turn(call)
            if number:  # the first turn warms up
                took[name] += times
                cpu[name].append(spent)
    return [of(name, took[name], statistics.median(cpu[name])) for name in calls]


def _turn(call: Call) -> tuple[list[float], float]:
    times = []
    began_cpu = time.process_time()
    for _ in range(TURN):
        began = time.perf_counter()
        call()
        times.append((time.perf_counter() - began) * 1000)
    return times, (time.process_time() - began_cpu) * 1000 / TURN


def _statements(call: Call) -> int:
    """How many statements one call sends, the switch of role and search path included."""
    with CaptureQueriesContext(connection) as captured:
        call()
    return len(captured)
