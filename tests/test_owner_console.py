"""The owner console over HTTP: who gets in, what an owner can do there, what nobody can, and that all of it is recorded."""

import os
from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from guildhall.evidence.delivery import deliver
from guildhall.evidence.selectors import recent
from guildhall.kernel.consumers import registered_consumers
from guildhall.kernel.errors import Denied
from guildhall.kernel.tenancy import identity_scope, platform_scope
from tenants.actions.people import make_owner
from tenants.models import Domain, Tenant, TenantStatus, User
from tenants.web.door import account_actor
from tests.support.clients import Browser, program, signed_in, tokens_of
from tests.support.console import console, errors, new_owner, recorded
from tests.support.pump import relay
from tests.support.tenants import Member, TestTenant

pytestmark = pytest.mark.integration
REASON = "The invoice of May is still open."


@pytest.fixture
def owner(database: None) -> Member:
    return new_owner()


@pytest.fixture
def browser(owner: Member) -> Browser:
    return console(owner)


def row_of(tenant: TestTenant) -> Tenant:
    with platform_scope():
        row: Tenant = Tenant.objects.get(slug=tenant.slug)
    return row


def account(member: Member) -> User:
    with identity_scope():
        return User.objects.get(email=member.email)


def page_of(member: Member) -> str:
    return f"/admin/tenants/user/{account(member).pk}/"


def test_the_front_page_leads_owners_to_the_console_and_others_to_the_sign_in(browser: Browser) -> None:
    assert browser.get("/")["Location"] == "/admin/"
    assert Browser(settings.PUBLIC_HOST).get("/")["Location"] == "/sign-in/"
    assert Browser(settings.PUBLIC_HOST).get("/admin/tenants/tenant/")["Location"].startswith("/admin/login/?next=")
    assert browser.get("/admin/").status_code == 200


def test_members_of_tenants_never_get_in(tenant: TestTenant) -> None:
    admin = tenant.member("admin")
    refused = Browser(settings.PUBLIC_HOST).sign_in(admin)
    assert refused.status_code == 401
    inside = signed_in(tenant, admin)
    assert inside.get("/admin/").status_code == 404
    assert inside.get("/admin/tenants/tenant/").status_code == 404
    stolen = Browser(settings.PUBLIC_HOST)
    stolen.cookies["gh_session"] = inside.cookies["gh_session"].value
    assert stolen.get("/admin/")["Location"].startswith("/admin/login/")
    bearer: dict[str, Any] = {"HTTP_AUTHORIZATION": f"Bearer {tokens_of(tenant, admin)['access']}"}
    assert Client(HTTP_HOST=settings.PUBLIC_HOST, **bearer).get("/admin/").status_code == 302


def test_signing_out_of_the_console_is_the_recorded_sign_out(browser: Browser, owner: Member) -> None:
    answer = browser.submit("/admin/logout/", form_at="/admin/tenants/tenant/add/")
    assert (answer.status_code, answer["Location"]) == (307, "/sign-out/")
    browser.post(answer["Location"], {"csrfmiddlewaretoken": browser.csrf_token})
    assert browser.get("/admin/").status_code == 302
    assert recorded(f"owner:{account(owner).public_id}", kind="identity.signed_out")


def test_a_tenant_is_created_by_the_form_and_provisioned_by_the_worker(browser: Browser, owner: Member) -> None:
    slug = f"console-{os.getpid()}"
    answer = browser.submit("/admin/tenants/tenant/add/", {"slug": slug, "name": "By Console", "host": ""})
    assert answer.status_code == 302, errors(answer)
    with platform_scope():
        row = Tenant.objects.get(slug=slug)
    assert row.status == TenantStatus.PROVISIONING
    entry = recorded(row.ref, kind="tenancy.tenant.created")[0]
    assert entry["actor"]["ref"] == f"owner:{account(owner).public_id}"
    relay()
    with platform_scope():
        deliver(registered_consumers()["tenants.provision"])
        row.refresh_from_db()
    assert row.status == TenantStatus.ACTIVE
    assert Client(HTTP_HOST=f"{slug}.{settings.PUBLIC_HOST}").get("/sign-in/").status_code == 200
    listed = browser.get("/admin/tenants/tenant/?q=By+Console").content.decode()
    assert slug in listed
    assert "Active" in listed


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("slug", {"slug": "Bad Slug", "name": "Bad", "host": ""}),
        ("slug", {"slug": "x; DROP SCHEMA public", "name": "Bad", "host": ""}),
        ("slug", {"slug": "admin", "name": "Bad", "host": ""}),
        ("slug", {"slug": "template", "name": "Bad", "host": ""}),
        ("slug", {"slug": "{taken}", "name": "Bad", "host": ""}),
        ("name", {"slug": "fine-slug", "name": "   ", "host": ""}),
        ("host", {"slug": "fine-slug", "name": "Bad", "host": "not a host"}),
        ("host", {"slug": "fine-slug", "name": "Bad", "host": settings.PUBLIC_HOST}),
        ("__all__", {"slug": "fine-slug", "name": "Bad", "host": "{taken_host}"}),
    ],
)
def test_a_refused_name_is_said_at_its_field_and_writes_nothing(
    browser: Browser, residents: tuple[TestTenant, TestTenant], field: str, values: dict[str, str]
) -> None:
    taken = {"taken": residents[0].slug, "taken_host": residents[0].host}
    filled = {name: value.format(**taken) for name, value in values.items()}
    with platform_scope():
        before = (Tenant.objects.count(), Domain.objects.count(), len(recent(limit=1000)))
    answer = browser.submit("/admin/tenants/tenant/add/", filled)
    assert answer.status_code == 200
    assert field in errors(answer)
    with platform_scope():
        assert (Tenant.objects.count(), Domain.objects.count(), len(recent(limit=1000))) == before
        assert not Tenant.objects.filter(name="Bad").exists()


def test_a_suspended_tenant_refuses_at_every_door_at_once_and_resumes(tenant: TestTenant, browser: Browser) -> None:
    admin = tenant.member("admin")
    inside, token = signed_in(tenant, admin), tokens_of(tenant, admin)["access"]
    url = f"/admin/tenants/tenant/{row_of(tenant).pk}/suspend/"
    assert browser.get(url).status_code == 200
    assert inside.get("/").status_code == 200
    assert browser.submit(url, {"reason": "short"}).status_code == 422
    assert inside.get("/").status_code == 200
    assert browser.submit(url, {"reason": REASON}).status_code == 302
    for answer in (inside.get("/"), program(tenant, token).get("/api/v1/me/"), Browser(tenant.host).get("/sign-in/")):
        assert answer.status_code == 403
        assert REASON in answer.content.decode()
    assert recorded(f"tenant:{tenant.slug}", kind="tenancy.tenant.suspended")[0]["event"]["reason"] == REASON
    again = browser.submit(url, {"reason": REASON})
    assert again.status_code == 422
    assert "only an active one" in again.content.decode()
    assert browser.submit(url.replace("suspend", "resume"), {"reason": REASON}).status_code == 302
    assert inside.get("/").status_code == 200
    assert recorded(f"tenant:{tenant.slug}", kind="tenancy.tenant.resumed")[0]["reason"] == REASON


def test_a_form_of_another_site_is_refused(browser: Browser) -> None:
    browser.get("/admin/tenants/tenant/add/")
    answer = browser.post("/admin/tenants/tenant/add/", {"slug": "forged", "name": "Forged", "host": ""})
    assert answer.status_code == 403
    assert "Load the page again" in answer.content.decode()


def test_a_tenant_row_cannot_be_edited_or_deleted(tenant: TestTenant, browser: Browser) -> None:
    row = row_of(tenant)
    change, delete = (f"/admin/tenants/tenant/{row.pk}/{act}/" for act in ("change", "delete"))
    form = "/admin/tenants/tenant/add/"
    assert browser.submit(change, {"status": "suspended", "name": "Mine"}, form_at=form).status_code == 403
    assert browser.submit(delete, {"post": "yes"}, form_at=form).status_code == 403
    bulk = {"action": "delete_selected", "_selected_action": str(row.pk), "index": "0", "post": "yes"}
    browser.submit("/admin/tenants/tenant/", bulk, form_at=form)
    same = row_of(tenant)
    assert (same.name, same.status) == (row.name, row.status)


def test_a_host_name_is_added_and_removed(tenant: TestTenant, browser: Browser) -> None:
    host, row = f"also-{tenant.slug}.example", row_of(tenant)
    answer = browser.submit("/admin/tenants/domain/add/", {"domain": host, "tenant": str(row.pk)})
    assert answer.status_code == 302, errors(answer)
    assert Client(HTTP_HOST=host).get("/sign-in/").status_code == 200
    with platform_scope():
        extra, first = Domain.objects.get(domain=host), Domain.objects.get(domain=tenant.host)
    taken = browser.submit("/admin/tenants/domain/add/", {"domain": "no/host", "tenant": str(row.pk)})
    assert "domain" in errors(taken)
    assert browser.submit(f"/admin/tenants/domain/{extra.pk}/delete/", {"post": "yes"}).status_code == 302
    form = "/admin/tenants/domain/add/"
    kept = browser.submit(f"/admin/tenants/domain/{first.pk}/delete/", {"post": "yes"}, form_at=form)
    assert kept.status_code == 403
    with platform_scope():
        assert list(Domain.objects.filter(tenant=row).values_list("domain", flat=True)) == [tenant.host]
    kinds = {entry["kind"] for entry in recorded(row.ref)}
    assert {"tenancy.domain.added", "tenancy.domain.removed"} <= kinds


def test_a_deactivated_person_is_out_at_once_and_can_be_let_in_again(tenant: TestTenant, browser: Browser) -> None:
    member = tenant.member("developer")
    inside, token = signed_in(tenant, member), tokens_of(tenant, member)["access"]
    assert browser.submit(page_of(member) + "deactivate/", {"reason": REASON}).status_code == 302
    assert inside.get("/").status_code == 302
    assert program(tenant, token).get("/api/v1/me/").status_code == 401
    assert Browser(tenant.host).sign_in(member).status_code == 401
    assert browser.submit(page_of(member) + "reactivate/", {"reason": REASON}).status_code == 302
    assert Browser(tenant.host).sign_in(member).status_code == 302
    kinds = [entry["kind"] for entry in recorded(member.actor.ref)]
    assert kinds[:2] == ["identity.account.reactivated", "identity.account.deactivated"]


def test_an_owner_is_made_and_removed_by_another_owner_only(
    tenant: TestTenant, browser: Browser, owner: Member
) -> None:
    member = tenant.member("viewer")
    assert browser.submit(page_of(member) + "make-owner/", {"reason": REASON}).status_code == 302
    second = console(member)
    assert second.get("/admin/").status_code == 200
    for act in ("remove-owner", "deactivate"):
        refused = second.submit(page_of(member) + f"{act}/", {"reason": REASON})
        assert refused.status_code == 422
        assert "your own account" in refused.content.decode()
    assert browser.submit(page_of(member) + "remove-owner/", {"reason": REASON}).status_code == 302
    assert second.get("/admin/").status_code == 302
    assert {entry["kind"] for entry in recorded(member.actor.ref)} >= {"identity.owner.made", "identity.owner.removed"}


def test_a_person_who_is_no_owner_is_denied_and_the_denial_recorded(tenant: TestTenant) -> None:
    user = account(tenant.member("admin"))
    with platform_scope():
        with pytest.raises(Denied):
            make_owner(actor=account_actor(user), user=user, reason=REASON)
        assert not User.objects.get(pk=user.pk).is_owner
        assert recent(actor=user.ref, outcome="denied")[0]["action"] == "account.make_owner"


def test_no_page_shows_a_password_hash_or_lets_one_be_guessed(tenant: TestTenant, browser: Browser) -> None:
    member = tenant.member("qa")
    user = account(member)
    for page in (f"/admin/tenants/user/?q={member.email}", f"{page_of(member)}change/"):
        text = browser.get(page).content.decode()
        assert member.email in text
        assert user.password not in text
        assert "pbkdf2" not in text
    for guess in ("user/?password__startswith=p", "user/?memberships__user__password__startswith=p"):
        assert browser.get(f"/admin/tenants/{guess}").status_code == 400
    assert browser.get("/admin/tenants/tenant/?memberships__user__password__startswith=p").status_code == 400
    change = {"password": "x", "is_owner": "on"}
    form = "/admin/tenants/tenant/add/"
    assert browser.submit(f"{page_of(member)}change/", change, form_at=form).status_code == 403
    assert account(member).password == user.password
