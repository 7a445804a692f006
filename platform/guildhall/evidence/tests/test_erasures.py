"""Words that are to be forgotten: gone when somebody asked, and otherwise not, whoever would like that."""

import pytest
from django.db import ProgrammingError, connection

from guildhall.evidence import selectors
from guildhall.evidence.auditing import erase_payloads
from guildhall.evidence.tests.poking import poke, pokes, report, seal, wish
from guildhall.kernel.errors import Denied
from guildhall.kernel.tenancy import tenant_scope
from tests.support.tenants import TestTenant

pytestmark = pytest.mark.integration


@pytest.fixture
def sealed(tenant: TestTenant) -> TestTenant:
    """A tenant whose trail is sealed so far."""
    pokes(tenant, 3)
    seal()
    return tenant


def test_erased_words_are_gone_and_the_chain_is_whole(tenant: TestTenant) -> None:
    person = tenant.actor("developer")
    with tenant_scope(tenant.schema):
        for number in range(3):
            poke(actor=person, times=number)
    seal()
    with tenant_scope(tenant.schema):
        with pytest.raises(Denied):
            erase_payloads(actor=person, about=person.ref, reason="I would rather not have been here.")
        assert erase_payloads(actor=tenant.actor("admin"), about=person.ref, reason="They asked for it.") >= 3
    seal()
    found = report(tenant)
    assert found.broken is None
    assert found.erased >= 3
    assert f"{found.erased} of their payloads erased" in str(found)
    with tenant_scope(tenant.schema):
        lines = selectors.recent(actor=person.ref)
        assert {line["erased"] for line in lines[:3]} == {True}
        assert not any(person.name in str(line) for line in lines)


def test_application_cannot_change_or_erase_what_is_recorded(sealed: TestTenant, other_tenant: TestTenant) -> None:
    """As the application's own login, in every table of the trail; nor can it have another tenant's words erased."""
    with tenant_scope(sealed.schema):
        entry = selectors.recent(limit=1)[0]["id"]
    tables = ("audit_entry", "audit_payload", "audit_link", "audit_seal", "audit_unsealed", "audit_erasure")
    for table in tables:
        for statement in (f"UPDATE {table} SET tenant = 'x'", f"DELETE FROM {table}", f"TRUNCATE {table}"):
            refused(sealed, statement)
    refused(other_tenant, f"INSERT INTO audit_erasure (entry_id, asked_by) VALUES ({entry}, {entry})")
    refused(sealed, f"INSERT INTO audit_link VALUES ('{sealed.schema}', 99, {entry}, 'x')")


def test_application_cannot_have_more_erased_than_a_person_asked_for(sealed: TestTenant) -> None:
    """As the application's own login, with its own entries: no other's words, and no wish that is none."""
    asked = wish(sealed)
    with tenant_scope(sealed.schema):
        lines = selectors.recent(limit=50)
        theirs = next(line["id"] for line in lines if line["id"] < asked and line["actor"]["kind"] == "system")
        admin = sealed.actor("admin")
        poke(actor=admin, times=1)
        own = selectors.recent(actor=admin.ref, limit=2)
    for entry, by in ((theirs, asked), (theirs, theirs), (own[1]["id"], own[0]["id"]), (own[0]["id"], asked)):
        refused(sealed, f"INSERT INTO audit_erasure (entry_id, asked_by) VALUES ({entry}, {by})")
    seal()
    assert report(sealed).broken is None


def refused(tenant: TestTenant, statement: str) -> None:
    with tenant_scope(tenant.schema), pytest.raises(ProgrammingError), connection.cursor() as cursor:
        cursor.execute(statement)
