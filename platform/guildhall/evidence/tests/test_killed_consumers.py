"""A consumer's process that is killed -9 around its handler: every event has its effect, and has it once."""

import os
import random
import signal
from dataclasses import dataclass
from pathlib import Path

import pytest
from django.db import connection

from guildhall.evidence.delivery import deliver
from guildhall.evidence.models import ConsumerCursor, OutboxEvent
from guildhall.evidence.tests.poking import Poked, Prodded, a_consumer, place, pokes, times
from guildhall.kernel.actions import governed, record
from guildhall.kernel.actor import Actor
from guildhall.kernel.consumers import Delivered
from guildhall.kernel.tenancy import tenant_scope
from tests.support.mortal import DIED, in_child
from tests.support.tenants import TestTenant

pytestmark = pytest.mark.integration
NAME = "test.mortal"
EVENTS = 8


@governed("thing.answer", lock=None)
def answer(*, actor: Actor, number: int) -> None:
    record(Prodded(subject=f"answer:{number}"), actor=actor)


@dataclass(frozen=True)
class Death:
    """At which event the process dies: before it did anything, or after its effect and before its position is kept."""

    number: int
    done: bool


class Answering:
    """Answers each poke once: it looks at what is there, as handlers do."""

    def __init__(self, tenant: TestTenant, death: Death | None, log: Path) -> None:
        self._tenant, self._death, self._log = tenant, death, log

    def __call__(self, event: Delivered) -> None:
        number = times(event)
        with self._log.open("a") as file:
            file.write(f"{number}\n")
        self._die(Death(number, done=False))
        if not OutboxEvent.objects.filter(subject=f"answer:{number}").exists():
            answer(actor=self._tenant.system(), number=number)
        self._die(Death(number, done=True))

    def _die(self, here: Death) -> None:
        if here == self._death:
            os.kill(os.getpid(), signal.SIGKILL)


def read(tenant: TestTenant, death: Death | None, log: Path) -> int:
    """A process that reads on until it has caught up or dies; how it ended."""

    def work() -> None:
        with tenant_scope(tenant.schema):
            deliver(a_consumer(NAME, Answering(tenant, death, log)))

    return in_child(work)


def let_the_lease_end(tenant: TestTenant) -> None:
    with tenant_scope(tenant.schema), connection.cursor() as cursor:
        cursor.execute("UPDATE consumer_cursor SET leased_until = now() - interval '1 s' WHERE consumer = %s", [NAME])


def answers(tenant: TestTenant) -> list[str]:
    with tenant_scope(tenant.schema):
        rows = OutboxEvent.objects.filter(kind=Prodded.kind).order_by("id")
        return list(rows.values_list("subject", flat=True))


def test_every_event_has_its_effect_once_whenever_its_reader_dies(
    tenant: TestTenant, tmp_path: Path, seed: int
) -> None:
    dice, log = random.Random(seed), tmp_path / "log"  # noqa: S311
    deaths = sorted(
        {Death(dice.randrange(EVENTS), done) for done in (False, True, True)}, key=lambda d: (d.number, d.done)
    )
    pokes(tenant, EVENTS)
    place()
    for death in deaths:
        assert read(tenant, death, log) == DIED
        assert read(tenant, None, tmp_path / "other") == 0, "nobody reads while the dead one's lease lives"
        assert not (tmp_path / "other").exists()
        let_the_lease_end(tenant)
    assert read(tenant, None, log) == 0
    assert answers(tenant) == [f"answer:{number}" for number in range(EVENTS)]
    handled = [int(line) for line in log.read_text().split()]
    assert sorted(handled) == sorted([*range(EVENTS), *(death.number for death in deaths)])
    assert handled == sorted(handled), "nothing overtakes an event that was not finished"
    with tenant_scope(tenant.schema):
        assert ConsumerCursor.objects.get(consumer=NAME).position >= OutboxEvent.objects.filter(kind=Poked.kind).count()
