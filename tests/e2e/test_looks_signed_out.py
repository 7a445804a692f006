"""The pages of coming in, as `looking` looks at them: sign-in, second factor, forgotten passwords, invitations, closed doors."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page

from guildhall.kernel.actor import PLATFORM, system_actor
from guildhall.kernel.tenancy import platform_scope, tenant_scope
from tenants.actions.members import invite
from tenants.actions.tenants import suspend_tenant
from tenants.auth.resets import make_link
from tenants.models import Tenant
from tests.e2e.conftest import Visitor
from tests.e2e.looking import as_it_is, look
from tests.e2e.site import aside
from tests.support.clients import time_code
from tests.support.tenants import Member, TestTenant

pytestmark = pytest.mark.e2e


def test_pages_of_coming_in_are_as_good_as_the_rest(make_tenant: Callable[..., TestTenant], visitor: Visitor) -> None:
    tenant = aside(make_tenant)
    who, guest = aside(lambda: tenant.member("admin")), "noor@example.org"
    page = visitor.open(tenant.host)
    found = [*_strangers(page, tenant, who), *_asked_in(page, tenant, guest), *_second_factor(page, who)]
    for host in ("nobody.localhost", aside(lambda: _closed(make_tenant)).host):
        page = visitor.open(host)
        found += look(page, f"out-{'nowhere' if host.startswith('nobody') else 'closed'}", "/")
        page.context.close()
    visitor.complaints[:] = [text for text in visitor.complaints if "status of 4" not in text or "/static/" in text]
    assert not found, "\n".join(found)


def _strangers(page: Page, tenant: TestTenant, who: Member) -> Iterator[str]:
    """A wrong password, and a link for one that was forgotten."""

    def link() -> str | None:
        with tenant_scope(tenant.schema):
            return make_link(who.email)

    yield from look(page, "out-sign-in", "/sign-in/")
    _fill(page, email=who.email, password="not the one")
    yield from as_it_is(page, "out-sign-in-refused")
    yield from look(page, "out-forgotten", "/password/forgotten/")
    _fill(page, email=who.email)
    yield from as_it_is(page, "out-forgotten-sent")
    yield from look(page, "out-reset", f"/password/reset/{aside(link)}/")
    _fill(page, new="short")
    yield from as_it_is(page, "out-reset-came-back")
    yield from look(page, "out-reset-gone", "/password/reset/none/")


def _asked_in(page: Page, tenant: TestTenant, guest: str) -> Iterator[str]:
    def asked() -> str:
        with tenant_scope(tenant.schema):
            return invite(actor=tenant.actor("admin"), email=guest, roles=["qa"])[1]

    yield from look(page, "out-invitation", f"/invitations/{aside(asked)}/")
    _fill(page, name="Noor", password="short")
    yield from as_it_is(page, "out-invitation-came-back")
    yield from look(page, "out-invitation-gone", "/invitations/none/")


def _second_factor(page: Page, who: Member) -> Iterator[str]:
    """Turned on, with its recovery codes shown once, and asked for at the next sign-in."""
    page.goto("/sign-in/")
    _fill(page, email=who.email, password=who.password)
    page.goto("/account/security/")
    with page.expect_navigation():
        page.get_by_role("button", name="Set up a second factor").click()
    secret = page.locator("#totp-secret").inner_text()
    yield from as_it_is(page, "security-setting-up")
    _fill(page, code=time_code(secret))
    page.locator("#recovery-codes").wait_for()
    yield from as_it_is(page, "security-codes")
    page.context.clear_cookies()
    page.goto("/sign-in/")
    _fill(page, email=who.email, password=who.password)
    yield from as_it_is(page, "out-verify")
    _fill(page, code="000000")
    yield from as_it_is(page, "out-verify-refused")


def _fill(page: Page, **fields: str) -> None:
    """Send the form with these fields, whatever the browser thinks of them."""
    for name, text in fields.items():
        page.fill(f"[name={name}]", text)
    page.evaluate("document.querySelectorAll('form').forEach(form => form.noValidate = true)")
    with page.expect_navigation():
        page.locator(f"form:has([name={next(iter(fields))}]) button").first.click()


def _closed(make_tenant: Callable[..., TestTenant]) -> TestTenant:
    tenant = make_tenant()
    with platform_scope():
        row = Tenant.objects.get(slug=tenant.slug)
        suspend_tenant(actor=system_actor("tests", PLATFORM), tenant=row, reason="Unpaid since May.")
    return tenant
