"""Fan-out in one process: from Redis to the last of many readers, the hub against Channels' pub/sub layer."""

import asyncio
import json
import time

import redis.asyncio as redis
from channels_redis.pubsub import RedisPubSubChannelLayer
from django.conf import settings

from bench.figures import Figure, of, show
from guildhall.evidence.relay import live_channel
from guildhall.realtime.hub import Hub

READERS = 500
TENANT = "org_bench"


def run(rounds: int) -> None:
    """Print the time to the last reader of both."""
    ours, peer = asyncio.run(_both(rounds))
    show(f"fan-out to the last of {READERS} readers", ours, peer, wanted="at least 3 at p95")
    print(f"  {'peer / ours, p95':44} {peer.p95_ms / ours.p95_ms:9.2f}\n")


async def _both(rounds: int) -> tuple[Figure, Figure]:
    return await _hub(rounds), await _layer(rounds)


async def _hub(rounds: int) -> Figure:
    hub = Hub(settings.REDIS_URL)
    channel = live_channel(TENANT)
    readers = [await hub.subscribe(channel) for _ in range(READERS)]
    client = redis.Redis.from_url(settings.REDIS_URL)
    took = []
    for number in range(rounds):
        waiting = asyncio.gather(*(reader.get() for reader in readers))
        began = time.perf_counter()
        await client.publish(channel, json.dumps({"position": number, "kind": "bench", "subject": "bench:1"}))
        await waiting
        took.append((time.perf_counter() - began) * 1000)
    for reader in readers:
        hub.unsubscribe(channel, reader)
    await client.aclose()
    return of("ours: one subscription, fanned out here", took)


async def _layer(rounds: int) -> Figure:
    layer = RedisPubSubChannelLayer(hosts=[settings.REDIS_URL])
    names = [await layer.new_channel() for _ in range(READERS)]
    for name in names:
        await layer.group_add("bench", name)
    took = []
    for number in range(rounds):
        waiting = asyncio.gather(*(layer.receive(name) for name in names))
        began = time.perf_counter()
        await layer.group_send("bench", {"type": "bench", "position": number})
        await waiting
        took.append((time.perf_counter() - began) * 1000)
    await layer.flush()
    return of("peer: channels_redis pub/sub layer", took)
