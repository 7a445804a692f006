"""The one door for change: what it records, refuses and rolls back, on committed data."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from functools import partial
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.utils import DataError, IntegrityError, OperationalError

from guildhall.evidence import selectors
from guildhall.kernel import actions
from guildhall.kernel.actions import (
    ActionContext,
    ActionDenied,
    LastStatement,
    Unrecorded,
    end_with,
    governed,
    record,
    register_check,
)
from guildhall.kernel.actor import PLATFORM, Actor, system_actor
from guildhall.kernel.clashes import Clash
from guildhall.kernel.errors import Conflict, Denied, NotFound
from guildhall.kernel.tenancy import platform_scope, tenant_scope
from guildhall.kernel.tests.marks import Marked, mark
from tenants.models import Membership
from tests.support.tenants import TestTenant

pytestmark = pytest.mark.integration


class Boom(Exception):
    pass


@governed("test.rename", lock="member")
def rename(*, actor: Actor, member: Membership, client: str, then: Callable[[], Any] = lambda: None) -> str:
    before = member.client
    member.client = client
    member.save(update_fields=["client"])
    record(Marked(subject=f"member:{member.pk}", text=client), actor=actor)
    then()
    return before


@governed("test.silent", lock="member")
def silent(*, actor: Actor, member: Membership, client: str) -> None:
    member.client = client
    member.save(update_fields=["client"])


@governed("test.forgetful", lock="member")
def forgetful(*, actor: Actor, member: Membership) -> None:
    member.client = "kept"
    member.save(update_fields=["client"])
    with suppress(Boom), transaction.atomic():
        record(Marked(subject="mark:1", text="rolled back"), actor=actor)
        raise Boom


@governed("test.end", lock="member")
def end(*, actor: Actor, member: Membership, client: str, recorded: bool = True, twice: bool = False) -> LastStatement:
    if recorded:
        record(Marked(subject=f"member:{member.pk}", text=client), actor=actor)
    statement = "UPDATE tenants_membership SET client = %(client)s WHERE id = %(id)s RETURNING 10 / length(client)"
    last = end_with(statement, {"client": client, "id": member.pk})
    return end_with(statement, {}) if twice else last


def refuse(context: ActionContext) -> None:
    if context.name == "test.rename" and context.arguments["client"] == "forbidden":
        context.target.client = "changed by a check"
        raise Denied("Nobody may be called that.")


@pytest.fixture(autouse=True)
def _check() -> Iterator[None]:
    register_check(refuse)
    yield
    actions._checks.remove(refuse)


@pytest.fixture
def member(tenant: TestTenant) -> Membership:
    tenant.member("qa")
    with tenant_scope(tenant.schema):
        return Membership.objects.get()


def recorded(tenant: TestTenant, kind: str = Marked.kind) -> list[dict[str, Any]]:
    with tenant_scope(tenant.schema):
        return selectors.recent(kinds=[kind])


def client_of(tenant: TestTenant) -> str:
    with tenant_scope(tenant.schema):
        return Membership.objects.get().client


def test_change_and_its_record_are_one(tenant: TestTenant, member: Membership) -> None:
    with tenant_scope(tenant.schema):
        rename(actor=tenant.system(), member=member, client="first")
        with pytest.raises(Boom):
            rename(actor=tenant.system(), member=member, client="second", then=_boom)
    assert client_of(tenant) == "first"
    assert [entry["event"]["text"] for entry in recorded(tenant)] == ["first"]


def test_the_last_statement_is_committed_with_what_was_recorded_or_neither_is(
    tenant: TestTenant, member: Membership
) -> None:
    with tenant_scope(tenant.schema):
        assert end(actor=tenant.system(), member=member, client="first").rows == [(2,)]
        with pytest.raises(DataError, match="division by zero"):
            end(actor=tenant.system(), member=member, client="")
        with pytest.raises(Unrecorded):
            end(actor=tenant.system(), member=member, client="unseen", recorded=False)
        with pytest.raises(RuntimeError, match="one statement"):
            end(actor=tenant.system(), member=member, client="second", twice=True)
    assert client_of(tenant) == "first"
    assert [entry["event"]["text"] for entry in recorded(tenant)] == ["first"]


@pytest.mark.parametrize("action", [lambda **k: silent(client="x", **k), forgetful])
def test_unrecorded_change_is_rolled_back(tenant: TestTenant, member: Membership, action: Any) -> None:
    with tenant_scope(tenant.schema), pytest.raises(Unrecorded):
        action(actor=tenant.system(), member=member)
    assert client_of(tenant) == ""
    assert recorded(tenant) == []


def test_denial_is_recorded_with_its_reason_though_the_action_is_rolled_back(
    tenant: TestTenant, member: Membership
) -> None:
    with tenant_scope(tenant.schema), pytest.raises(Denied, match="called that"):
        rename(actor=tenant.agent("qa", "vera"), member=member, client="forbidden")
    assert client_of(tenant) == ""
    (entry,) = recorded(tenant, ActionDenied.kind)
    assert (entry["outcome"], entry["action"], entry["reason"]) == (
        "denied",
        "test.rename",
        "Nobody may be called that.",
    )
    assert (entry["subject"], entry["actor"]["ref"]) == (member.ref, "agent:vera")


def test_locked_row_is_read_again_under_its_lock(tenant: TestTenant, member: Membership) -> None:
    def other_connection_waits() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND mode = 'RowShareLock'")
            assert cursor.fetchone()[0] > 0

    with tenant_scope(tenant.schema):
        Membership.objects.update(client="changed meanwhile")
        assert member.client == ""
        before = rename(actor=tenant.system(), member=member, client="x", then=other_connection_waits)
        assert before == "changed meanwhile"
        Membership.objects.all().delete()
        with pytest.raises(NotFound):
            rename(actor=tenant.system(), member=member, client="y")


def test_action_in_an_action_is_refused(tenant: TestTenant, member: Membership) -> None:
    with tenant_scope(tenant.schema), pytest.raises(RuntimeError, match="chains go through events"):
        rename(actor=tenant.system(), member=member, client="x", then=lambda: mark(actor=tenant.system(), text="y"))
    assert client_of(tenant) == ""
    assert recorded(tenant) == []


def test_actor_of_another_tenant_is_refused_everywhere(
    tenant: TestTenant, other_tenant: TestTenant, member: Membership
) -> None:
    with tenant_scope(tenant.schema):
        for stranger in (other_tenant.system(), system_actor("x", PLATFORM)):
            with pytest.raises(RuntimeError, match="cannot act in"):
                mark(actor=stranger, text="x")
            with pytest.raises(RuntimeError, match="cannot act in"):
                rename(
                    actor=tenant.system(), member=member, client="x",
                    then=partial(record, Marked(subject="a:1", text="x"), actor=stranger),
                )  # fmt: skip
    with platform_scope(), pytest.raises(RuntimeError, match="cannot act in"):
        mark(actor=tenant.system(), text="x")
    with pytest.raises(RuntimeError, match="no tenant"):
        mark(actor=tenant.system(), text="x")
    assert recorded(tenant) == recorded(other_tenant) == []


def test_a_row_of_another_tenant_is_not_there(tenant: TestTenant, other_tenant: TestTenant, member: Membership) -> None:
    with tenant_scope(other_tenant.schema), pytest.raises(NotFound):
        rename(actor=other_tenant.system(), member=member, client="taken over")
    assert client_of(tenant) == ""


def test_action_opens_the_outermost_transaction(tenant: TestTenant) -> None:
    with tenant_scope(tenant.schema), transaction.atomic(), pytest.raises(RuntimeError, match="durable"):
        mark(actor=tenant.system(), text="x")
    with pytest.raises(RuntimeError, match="outside a governed action"):
        record(Marked(subject="a:1", text="x"), actor=tenant.system())
    with tenant_scope(tenant.schema), pytest.raises(TypeError, match="keyword"):
        mark(tenant.system(), "x")  # type: ignore[call-arg]


def test_constraint_broken_at_commit_leaves_neither_change_nor_record(tenant: TestTenant, member: Membership) -> None:
    with tenant_scope(tenant.schema), pytest.raises(IntegrityError):
        rename(actor=tenant.system(), member=member, client="x", then=_unknown_user)
    assert client_of(tenant) == ""
    assert recorded(tenant) == []


def test_of_two_that_hold_what_the_other_wants_one_is_refused_and_may_try_again(tenant: TestTenant) -> None:
    """As the database's error still, and as no conflict: whoever takes that to mean "done already" must not."""
    for role in ("qa", "developer"):
        tenant.member(role)
    with tenant_scope(tenant.schema):
        members = list(Membership.objects.order_by("pk"))
    crossing = threading.Barrier(2)

    def cross(other: Membership) -> None:
        crossing.wait(timeout=120)
        Membership.objects.filter(pk=other.pk).update(client="crossed")

    def act(mine: Membership, other: Membership) -> str | OperationalError:
        with closing(connection), tenant_scope(tenant.schema):
            try:
                return rename(actor=tenant.system(), member=mine, client="mine", then=partial(cross, other))
            except OperationalError as refusal:
                return refusal

    with ThreadPoolExecutor(2) as pool:
        said = [pool.submit(act, *pair) for pair in (members, members[::-1])]
        results = [one.result(timeout=120) for one in said]
    (refused,) = [one for one in results if not isinstance(one, str)]
    assert isinstance(refused, Clash)
    assert not isinstance(refused, Conflict)
    assert refused.detail.startswith("Somebody else acted on the same at this moment. Nothing of this was done")
    assert len(recorded(tenant)) == 1


def test_names_are_taken_once(database: None) -> None:
    with pytest.raises(TypeError, match="defined twice"):
        governed("test.mark", lock=None)(lambda *, actor: None)


def _boom() -> None:
    raise Boom


def _unknown_user() -> None:
    Membership.objects.update(user_id=2**40)
