"""Messages that a timer sends again and again: one of each lies in the queue, however often, until a worker begins it."""

import json
from base64 import b64decode
from collections.abc import Iterator

import pytest
import redis
from django.conf import settings

from guildhall.kernel.jobs import Job
from guildhall.kernel.offers import LONGEST_S, SHORTEST_S
from guildhall.kernel.tests.marks import mark_later
from tests.support.tenants import TestTenant

pytestmark = pytest.mark.integration


class Queue:
    """The messages of one job that wait, for one tenant."""

    def __init__(self, job: Job, tenant: str) -> None:
        self.redis = redis.Redis.from_url(settings.REDIS_URL, decode_responses=True)
        self._job, self._tenant = job, tenant

    def waiting(self) -> list[str]:
        """What they are to write, oldest first."""
        found = [json.loads(b64decode(json.loads(raw)["body"]))[1] for raw in self.redis.lrange(self._job.queue, 0, -1)]
        envelopes = [one["envelope"] for one in found if one["envelope"]["tenant"] == self._tenant]
        return [envelope["kwargs"]["text"] for envelope in reversed(envelopes)]

    def begin_all(self) -> None:
        """As a worker does."""
        for raw in self.redis.lrange(self._job.queue, 0, -1):
            self.redis.lrem(self._job.queue, 1, str(raw))
            self._job.task(**json.loads(b64decode(json.loads(raw)["body"]))[1])

    def lost_in(self, text: str) -> int:
        """Seconds until the latest message is taken for lost."""
        return int(str(self.redis.ttl(self._mark(text))))

    def take_for_lost(self, text: str) -> None:
        self.redis.delete(self._mark(text))

    def _mark(self, text: str) -> str:
        return f'gh:offers:{self._job.name}:{self._tenant}:{{"text":"{text}"}}'


@pytest.fixture
def queue(tenant: TestTenant) -> Iterator[Queue]:
    made = Queue(mark_later, tenant.schema)
    made.redis.delete(mark_later.queue)
    yield made
    made.redis.delete(mark_later.queue)


def test_what_is_offered_again_and_again_lies_in_the_queue_once(queue: Queue, tenant: TestTenant) -> None:
    assert [mark_later.offer(tenant.schema, text=text) for text in ("one", "one", "two", "one")] == [1, 0, 1, 0]
    assert queue.waiting() == ["one", "two"]
    queue.begin_all()
    assert mark_later.offer(tenant.schema, text="one"), "it was begun, and may be asked for again"
    assert queue.waiting() == ["one"]


def test_a_message_that_nobody_begins_is_sent_again_ever_more_seldom(queue: Queue, tenant: TestTenant) -> None:
    waits = []
    for _ in range(9):
        assert mark_later.offer(tenant.schema, text="one")
        waits.append(queue.lost_in("one"))
        queue.take_for_lost("one")
    assert waits[0] <= SHORTEST_S < waits[1] < waits[2] < waits[-1] <= LONGEST_S
    assert mark_later.offer(tenant.schema, text="one")
    queue.begin_all()
    assert mark_later.offer(tenant.schema, text="one")
    assert queue.lost_in("one") <= SHORTEST_S, "workers are there again"
