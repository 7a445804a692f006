"""When a worker sleeps, who looks after it meanwhile, and what an autoscaler is told."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import redis
from django.conf import settings
from django.test import Client

from guildhall.fleet import presence
from guildhall.fleet.asleep import KEPT, Rest, Watch
from guildhall.fleet.presence import Doing, Presence, say, workers

pytestmark = pytest.mark.integration
NAME = "sleeper@here"
QUEUE = "delivery"


def a_worker(**more: Any) -> Presence:
    about: dict[str, Any] = {"host": "here", "pid": 7, "pool": "thread", "slots": 4, "queues": (QUEUE,)}
    return Presence(**{**about, "name": NAME, "taking": (), "doing": (), **more})


@pytest.fixture
def broker() -> Iterator[redis.Redis]:
    found = redis.Redis.from_url(settings.REDIS_URL)
    found.delete(KEPT, QUEUE)
    yield found
    found.delete(KEPT, QUEUE)


def test_a_worker_takes_nothing_for_one_look_before_it_goes_and_stays_when_something_came() -> None:
    rest = Rest(after_s=10)
    assert [rest.over(second, busy=False) for second in (0, 9)] == [False, False]
    assert not rest.going
    assert not rest.over(10, busy=True)
    assert not rest.over(19, busy=False)
    assert not rest.over(29, busy=False)
    assert rest.going, "ten seconds after the first look without work"
    assert not rest.over(30, busy=True), "something came at the last moment"
    assert not rest.going
    assert [rest.over(second, busy=False) for second in (31, 41, 42)] == [False, False, True]
    awake = Rest(after_s=0)
    assert not any(awake.over(second, busy=False) for second in (0, 1e6))
    assert not awake.going


def test_a_sleeper_is_on_the_board_while_somebody_watches_over_it(broker: redis.Redis) -> None:
    watch = Watch(settings.REDIS_URL, NAME, [QUEUE])
    assert not watch.wanted()
    assert workers() == [], "nobody of that name has been heard of"
    say(a_worker(asleep=True))
    assert not watch.wanted()
    broker.delete(KEPT)
    assert not watch.wanted()
    (told,) = workers()
    assert (told.name, told.asleep, told.lost) == (NAME, True, False), "said anew after Redis lost everything"

    broker.lpush(QUEUE, "a message")
    assert watch.wanted()
    long_ago = {**json.loads(broker.hget(KEPT, NAME) or ""), "at": told.at - 60}
    broker.hset(KEPT, NAME, json.dumps(long_ago))
    assert workers() == [], "nobody watches over it any more"
    presence.leave("another@here")
    assert broker.hexists(KEPT, NAME)
    broker.hset(KEPT, NAME, json.dumps({**long_ago, "at": told.at - 2 * presence.FORGOTTEN_SECONDS}))
    presence.leave("another@here")
    assert not broker.hexists(KEPT, NAME)
    assert not Watch("redis://127.0.0.1:1/0", NAME, [QUEUE]).wanted(), "nothing could be taken there"


def test_an_autoscaler_reads_queues_with_its_token_alone(
    database: None, broker: redis.Redis, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = Client(HTTP_HOST=settings.PUBLIC_HOST)
    assert client.get("/metrics").status_code == 404
    settings.METRICS_TOKEN = "only-for-this-test"
    shown = {"Authorization": "Bearer only-for-this-test"}
    assert client.get("/metrics").status_code == 401
    assert client.get("/metrics", headers={"Authorization": "Bearer another"}).status_code == 401
    assert client.get("/metrics", headers={"Authorization": "Bearer ä"}).status_code == 401
    assert client.post("/metrics", headers=shown).status_code == 405

    say(a_worker(taking=(QUEUE,), doing=(Doing("job", 0.0),)))
    broker.lpush(QUEUE, json.dumps({"headers": {}}), json.dumps({"headers": {}}))
    answer = client.get("/metrics", headers=shown)
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    told = dict(line.rsplit(" ", 1) for line in answer.content.decode().splitlines() if not line.startswith("#"))
    figures = {name: told[f'guildhall_queue_{name}{{queue="{QUEUE}"}}'] for name in ("messages", "jobs", "slots")}
    assert figures == {"messages": "2", "jobs": "1", "slots": "4"}
    assert 'guildhall_queue_oldest_seconds{queue="agents"}' in told
    monkeypatch.setattr(presence, "_redis", lambda: redis.Redis.from_url("redis://127.0.0.1:1/0"))
    assert client.get("/metrics", headers=shown).status_code == 503
