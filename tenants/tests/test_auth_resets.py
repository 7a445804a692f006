"""A forgotten password: a link by mail, once; nobody learns who has an account; every sign-in ends, the factor stays."""

import json
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from guildhall.kernel.broker import app
from guildhall.kernel.tenancy import identity_scope, platform_scope, tenant_scope
from tenants.actions.keys import create_api_key
from tenants.auth import second_factor
from tenants.models import PasswordReset, User
from tests.support.clients import Browser, program, signed_in, time_code, tokens_of
from tests.support.tenants import Member, TestTenant

pytestmark = pytest.mark.integration
ME = "/api/v1/me/"
NEW = "a quite different set of words"
JSON: dict[str, Any] = {"content_type": "application/json"}


@pytest.fixture(autouse=True)
def empty_queue() -> None:
    """Mails that earlier tests asked for and nobody fetched are not this test's."""
    with app.connection_for_write() as broker:
        app.amqp.queues["delivery"](broker).purge()


def delivered(mailoutbox: list[Any]) -> list[Any]:
    """What the worker mails: every waiting message of the queue is run here, as the worker would."""
    before = len(mailoutbox)
    with app.connection_for_read() as broker:
        queue = broker.SimpleQueue("delivery")
        try:
            while True:
                message = queue.get(block=False)
                kwargs = message.payload[1]
                app.tasks[message.headers["task"]](**kwargs)
                message.ack()
        except queue.Empty:
            queue.close()
    return mailoutbox[before:]


def asked(host: str, email: str) -> tuple[int, str]:
    """Status and text of the page after asking for a link."""
    answer = Browser(host).submit("/password/forgotten/", {"email": email})
    return answer.status_code, re.sub(r'value="[^"]*"', "", answer.content.decode())


def link_for(tenant: TestTenant, member: Member, outbox: list[Any]) -> str:
    """The path of a fresh link, as it was mailed."""
    assert asked(tenant.host, member.email)[0] == 200
    (letter,) = (mail for mail in delivered(outbox) if mail.to == [member.email])
    found = re.search(rf"http://{re.escape(tenant.host)}(/password/reset/[\w-]+/)", str(letter.body))
    assert found is not None
    return found.group(1)


def test_a_link_sets_a_new_password_once_and_ends_every_sign_in(
    make_tenant: Callable[..., TestTenant], tenant: TestTenant, mailoutbox: list[Any]
) -> None:
    member = tenant.member("developer", name="Forgetful")
    browser, pair = signed_in(tenant, member), tokens_of(tenant, member)
    with tenant_scope(tenant.schema):
        _, key = create_api_key(actor=member.actor, name="stays", scopes=["api:read"])
    path, spare = link_for(tenant, member, mailoutbox), link_for(tenant, member, mailoutbox)
    visitor = Browser(tenant.host)
    weak = visitor.submit(path, {"new": "forgetful"})
    assert weak.status_code == 422
    answer = visitor.submit(path, {"new": NEW})
    assert (answer.status_code, answer["Location"]) == (302, "/sign-in/")
    assert visitor.get(ME).status_code == 401, "the link itself signs nobody in"
    assert browser.get(ME).status_code == 401
    assert program(tenant, pair["access"]).get(ME).status_code == 401
    refresh = program(tenant).post("/api/v1/auth/refresh/", {"refresh": pair["refresh"]}, **JSON)
    assert refresh.status_code == 401
    assert program(tenant, key).get(ME).status_code == 200, "keys stay, as the page says"
    for used in (path, spare):
        assert visitor.get(used).status_code == 404
        assert visitor.post(used, {"new": NEW, "csrfmiddlewaretoken": visitor.csrf_token}).status_code == 404
    assert Browser(tenant.host).sign_in(member).status_code == 401
    assert Browser(tenant.host).sign_in(Member(member.actor, member.email, NEW)).status_code == 302


def test_nobody_learns_who_has_an_account(residents: tuple[TestTenant, TestTenant], mailoutbox: list[Any]) -> None:
    here, there = residents
    member, stranger = here.member("qa", name="Known"), there.member("qa", name="Elsewhere")
    answers = {asked(here.host, email) for email in (member.email, stranger.email, "nobody@people.example")}
    assert len(answers) == 1
    assert [letter.to for letter in delivered(mailoutbox)] == [[member.email]], (
        "only members of this host are written to"
    )
    codes = {
        program(here).post("/api/v1/auth/password/forgotten/", {"email": email}, **JSON).status_code
        for email in (member.email, "nobody@people.example")
    }
    assert codes == {202}
    assert len(delivered(mailoutbox)) == 1


def test_an_account_gets_three_links_an_hour(residents: tuple[TestTenant, TestTenant], mailoutbox: list[Any]) -> None:
    member = residents[0].member("qa", name="Pestered")
    answers = {asked(residents[0].host, member.email) for _ in range(5)}
    assert len(answers) == 1
    assert len(delivered(mailoutbox)) == 3


def test_one_network_address_asks_for_twenty(tenant: TestTenant, mailoutbox: list[Any]) -> None:
    door = program(tenant)
    body = {"email": "nobody@people.example"}
    codes = [door.post("/api/v1/auth/password/forgotten/", body, **JSON).status_code for _ in range(21)]
    assert codes == [202] * 20 + [429]
    delivered(mailoutbox)
    assert mailoutbox == []


def test_a_second_factor_is_still_asked_for(tenant: TestTenant, mailoutbox: list[Any]) -> None:
    member = tenant.member("devops", name="Careful")
    browser = signed_in(tenant, member)
    browser.submit("/account/security/", {"act": "start"})
    secret = re.findall(r'id="totp-secret">([A-Z2-7 ]+)<', browser.get("/account/security/").content.decode())[0]
    browser.submit("/account/security/", {"act": "confirm", "code": time_code(secret)})
    path = link_for(tenant, member, mailoutbox)
    visitor = Browser(tenant.host)
    assert visitor.submit(path, {"new": NEW}).status_code == 302
    answer = visitor.sign_in(Member(member.actor, member.email, NEW))
    assert answer["Location"] == "/sign-in/verify/"
    assert visitor.get(ME).status_code == 401
    with identity_scope():
        assert second_factor.is_enrolled(User.objects.get(email=member.email).pk)


@pytest.mark.parametrize("spoil", ["expired", "deactivated", "elsewhere", "wrong"])
def test_a_link_that_is_not_good_opens_nothing(
    residents: tuple[TestTenant, TestTenant], mailoutbox: list[Any], spoil: str
) -> None:
    here, there = residents
    member = here.member("data", name=f"Spoilt {spoil}")
    path = link_for(here, member, mailoutbox)
    host = there.host if spoil == "elsewhere" else here.host
    with identity_scope():
        user = User.objects.filter(email=member.email)
        if spoil == "deactivated":
            user.update(is_active=False)
    if spoil == "expired":
        with platform_scope():
            PasswordReset.objects.filter(user__email=member.email).update(expires_at=timezone.now() - timedelta(0, 1))
    if spoil == "wrong":
        path = "/password/reset/guessed/"
    visitor = Browser(host)
    assert visitor.get(path).status_code == 404
    token = path.split("/")[3]
    body = json.dumps({"token": token, "new": NEW})
    assert (
        program(residents[1 if spoil == "elsewhere" else 0])
        .post("/api/v1/auth/password/reset/", body, **JSON)
        .status_code
        == 404
    )
    with identity_scope():
        assert not user.get().check_password(NEW)


def test_the_table_holds_no_link(tenant: TestTenant, mailoutbox: list[Any]) -> None:
    path = link_for(tenant, tenant.member("qa"), mailoutbox)
    with identity_scope():
        assert path.split("/")[3] not in {row.token_hash for row in PasswordReset.objects.all()}
