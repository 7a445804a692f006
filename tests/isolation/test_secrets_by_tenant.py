"""A tenant says which values are its secrets; what another tenant's records say is not its to change."""

import pytest
from django.test import override_settings

from governance.actions.holds import lift_hold, place_hold
from gpu_workers.forges.connecting import Wish, connect
from guildhall.evidence import selectors
from guildhall.kernel.errors import Unavailable
from guildhall.kernel.redaction import MARK, keep_secret, redact, redact_data
from guildhall.kernel.redaction.data import redact_for_log
from guildhall.kernel.tenancy import tenant_scope
from tests.support.tenants import TestTenant

pytestmark = pytest.mark.integration
OWN = "a-secret-value-123"
COMMIT = "0cc3e2c7f1b2c3d4e5f60718293a4b5c6d7e8f90"


def said(tenant: TestTenant, words: str) -> tuple[str, str]:
    """What a row and the audit trail make of `words`."""
    with tenant_scope(tenant.schema):
        admin = tenant.actor("admin")
        held = place_hold(actor=admin, kind="tenant", target="", reason=words)
        lift_hold(actor=admin, kind="tenant", target="")
        return held.reason, str(
            [line for line in selectors.recent(limit=4) if line["kind"] == "governance.hold.placed"]
        )


def test_what_one_tenant_calls_secret_is_untouched_in_every_other(tenant: TestTenant, other_tenant: TestTenant) -> None:
    with tenant_scope(tenant.schema):
        keep_secret("approved", OWN, COMMIT, tenant=tenant.schema)
    words = f"approved with {OWN} at {COMMIT}"
    row, trail = said(other_tenant, words)
    assert row == words
    assert words in trail
    row, trail = said(tenant, words)
    assert row == f"approved with {MARK} at {MARK}", "a word is no secret, not even in one's own records"
    assert OWN not in trail
    assert redact(words) == words, "nor outside of every scope"
    assert OWN not in redact_for_log(words), "the process's log is nobody's"
    with tenant_scope(tenant.schema):
        assert redact_data({OWN: COMMIT}) == {OWN: COMMIT}, "names and hashes stay what they name"


def test_a_token_that_no_forge_has_taken_is_not_looked_for(tenant: TestTenant) -> None:
    token = "Approved-by-2026-nobody"
    wish = Wish("shop", "acme/shop", token, "true", api_url="http://127.0.0.1:9")
    with tenant_scope(tenant.schema), override_settings(FORGE_LOOPBACK=True):
        with pytest.raises(Unavailable):
            connect(actor=tenant.actor("admin"), wish=wish)
        assert redact(token) == token
