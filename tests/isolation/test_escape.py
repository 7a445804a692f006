"""The escape suite: an attacker tries every door, and nothing that comes back bears the victim's marker."""

from collections.abc import Callable, Iterable, Iterator

import pytest
from django.conf import settings
from django.core.cache import caches

from guildhall.kernel.tenancy import tenant_scope
from tests.isolation.doors import DOORS, Door, Plant, plant, rows
from tests.support.tenants import TestTenant

pytestmark = pytest.mark.integration

SEES_ITS_OWN = {
    "SQL: shared tables",
    "evidence",
    "cache",
    "files",
    "API",
    "pages",
    "websocket",
    "agent tools",
    "Celery message",
    "threads",
    "coroutines",
}
"""Doors that do lead somewhere: an attacker who saw nothing at all there would prove nothing."""


@pytest.fixture(scope="module")
def planted(make_tenant: Callable[..., TestTenant]) -> tuple[Plant, Plant]:
    """They share project SHOP and the ids of two projects; the second tenant has more ids than the first."""
    return plant(make_tenant(), ["SHOP", "ONE"]), plant(make_tenant(), ["SHOP", "TWO", "THREE"])


def leaks(door: Door, attacker: Plant, victim: Plant) -> list[str]:
    """Everything that came through `door` to the attacker and bears the victim's marker."""
    return [text for text in door(attacker.tenant, victim.tenant) if victim.marker in text]


@pytest.mark.parametrize("name", DOORS)
@pytest.mark.parametrize("turn", [0, 1])
def test_nothing_of_the_other_tenant_comes_back(planted: tuple[Plant, Plant], name: str, turn: int) -> None:
    attacker, victim = planted[turn], planted[1 - turn]
    came_back = list(DOORS[name](attacker.tenant, victim.tenant))
    assert [text for text in came_back if victim.marker in text] == []
    if name in SEES_ITS_OWN:
        assert any(attacker.marker in text for text in came_back), "the door is open to its own tenant"


def leak_by_key(attacker: TestTenant, victim: TestTenant) -> Iterable[str]:
    """A cache that leaves the tenant out of its keys."""
    shared = caches.create_connection("default")
    shared.key_func = lambda key, prefix, version: f"gh:{key}"
    with tenant_scope(victim.schema):
        shared.set("planted", rows("SELECT email FROM tenants_invitation")[0])
    with tenant_scope(attacker.schema):
        yield str(shared.get("planted"))


def leak_by_scope(attacker: TestTenant, victim: TestTenant) -> Iterable[str]:
    """A reader that enters the tenant it was asked about, instead of its own."""
    with tenant_scope(victim.schema):
        yield from rows("SELECT * FROM tenants_invitation")


def leak_by_path(attacker: TestTenant, victim: TestTenant) -> Iterator[str]:
    """A file path that comes from the caller."""
    yield (settings.MEDIA_ROOT / victim.schema / "planted.txt").read_text()


@pytest.mark.parametrize("door", [leak_by_key, leak_by_scope, leak_by_path])
def test_a_planted_leak_is_caught(planted: tuple[Plant, Plant], door: Door) -> None:
    assert leaks(door, *planted)
