"""Fan-out: from a commit to the last of 1,000 connected clients, ours against Channels' Redis pub/sub layer.

Both sides are one process of the same server with the same options and the same readers, one after the other in one run.
Ours counts the relay, a session and a permission for each client; the peer is told directly by whoever commits.
"""

import asyncio
import resource
import socket
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import psutil
from channels_redis.pubsub import RedisPubSubChannelLayer
from django.conf import settings
from django.test import Client

from bench.channels_peer import GROUP
from bench.figures import Figure, judge, of, show
from bench.outbox import tick
from bench.overhead import PASSWORD, join
from bench.processes import process
from bench.readers import Crowd, Door
from bench.tenants import new_tenant
from guildhall.kernel.actor import system_actor
from guildhall.kernel.tenancy import tenant_scope
from tenants.provisioning.provision import host_for

READERS = 1000
PAUSE_SECONDS = 0.25
TEXT = '{"position": 1, "kind": "bench.thing.ticked", "subject": "bench:1"}'


def run(rounds: int) -> None:
    """Print the time to the last reader of both, and the server's CPU for each."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 4 * READERS)), hard))
    ours, peer = _ours(rounds), _peer(rounds)
    show(f"fan-out: commit to the last of {READERS} readers, {1 / PAUSE_SECONDS:.0f} events/s", ours, peer)
    judge("peer / ours, p95", peer.p95_ms / ours.p95_ms, at_least=3)
    judge("peer / ours, p50", peer.median_ms / ours.median_ms)
    judge("peer / ours, the server's CPU", peer.cpu_ms / ours.cpu_ms)


def _ours(rounds: int) -> Figure:
    tenant = new_tenant()
    schema = tenant.schema_name
    email = join(tenant)
    host = host_for(tenant.slug)
    page = Client(HTTP_HOST=host)
    page.post("/sign-in/", {"email": email, "password": PASSWORD})
    cookie = f"{settings.SESSION_COOKIE_NAME}={page.cookies[settings.SESSION_COOKIE_NAME].value}"
    actor = system_actor("bench", schema)

    def commit() -> float:
        with tenant_scope(schema):
            tick(actor=actor, number=1)
        return time.perf_counter()

    async def tell() -> float:
        return await asyncio.to_thread(commit)

    with process(sys.executable, "-m", "bench.relay"), _served("guildhall.asgi:application") as (server, port):
        door = Door(port, "/ws/portal/", host, cookie)
        return asyncio.run(_measured("ours: outbox, relay, hub, permission", door, tell, server, rounds))


def _peer(rounds: int) -> Figure:
    layer = RedisPubSubChannelLayer(hosts=[settings.REDIS_URL])

    async def tell() -> float:
        began = time.perf_counter()
        await layer.group_send(GROUP, {"type": "told", "text": TEXT})
        return began

    with _served("bench.channels_peer:application") as (server, port):
        door = Door(port, "/", "localhost")
        return asyncio.run(_measured("peer: Channels, RedisPubSubChannelLayer", door, tell, server, rounds))


async def _measured(
    name: str, door: Door, tell: Callable[[], Awaitable[float]], server: psutil.Process, rounds: int
) -> Figure:
    crowd = Crowd(door)
    await crowd.join(READERS)
    took: list[float] = []
    cpu = 0.0
    for number in range(rounds + 2):
        if number == 2:  # the first two warm both up
            took, cpu = [], _cpu(server)
        everybody = crowd.expect(READERS)
        began = await tell()
        await asyncio.wait_for(everybody, 60)
        took.append((time.perf_counter() - began) * 1000)
        await asyncio.sleep(PAUSE_SECONDS)
    spent = (_cpu(server) - cpu) * 1000 / rounds
    crowd.leave()
    return of(name, took, spent)


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


@contextmanager
def _served(application: str) -> Iterator[tuple[psutil.Process, int]]:
    """`application` on the server and with the options that `make up` uses; the process and its port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ["--port", str(port), "--no-access-log", "--log-level", "warning", "--ws-per-message-deflate", "false"]
    with process(sys.executable, "-m", "uvicorn", *options, application) as server:
        until = time.monotonic() + 60
        while time.monotonic() < until:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        yield psutil.Process(server.pid), port
