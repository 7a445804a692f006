"""What agents work with outside is connected and taken away on pages: by admins, tried first, no secret shown again."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.test import override_settings

from gpu_workers.actions.databases import connect_database, connect_migrator
from gpu_workers.actions.reverts import record_failed_revert, request_revert
from gpu_workers.actions.runs import NewRun, cancel_run, queue_run
from gpu_workers.forges.choosing import hook_of, token_of
from gpu_workers.forges.vault import unseal
from gpu_workers.models import Agent, ChangeRequest, ForgeConnection, Lane, ProjectDatabase, ProjectTracker
from gpu_workers.models.run import RunKind
from guildhall.kernel.tenancy import tenant_scope
from tests.fakes.github import FULL_NAME, TOKEN, GitHubServer
from tests.fakes.kubernetes import SPACE, Kubernetes
from tests.fakes.kubernetes import TOKEN as KUBE_TOKEN
from tests.support.clients import Browser, program, signed_in, tokens_of
from tests.support.evidence import OutboxEvent
from tests.support.pages import shown
from tests.support.tenants import TestTenant
from workflows.actions import create_project

pytestmark = pytest.mark.integration
PAGE = "/settings/projects/SHOP/connections/"
WRONG = "ghp_not-the-one-that-opens"
LOGIN = "postgresql://reader:a-sealed-pass@db.example/shop"


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[GitHubServer]:
    with GitHubServer(tmp_path) as server, override_settings(TOOL_NETWORKS="127.0.0.0/8", FORGE_LOOPBACK=True):
        yield server


@pytest.fixture
def shop(tenant: TestTenant) -> TestTenant:
    with tenant_scope(tenant.schema):
        owner = tenant.actor("product_owner")
        create_project(actor=owner, key="SHOP", name="Shop", repository="shop", ci_command="true")
    return tenant


def kept(tenant: TestTenant) -> tuple[int, int, int]:
    with tenant_scope(tenant.schema):
        return ProjectTracker.objects.count(), ProjectDatabase.objects.count(), ForgeConnection.objects.count()


def test_an_admin_connects_a_tracker_and_takes_it_away(shop: TestTenant, hub: GitHubServer) -> None:
    admin = signed_in(shop, shop.member("admin"))
    form = {"act": "connect_tracker", "kind": "github", "place": FULL_NAME, "api_url": hub.url, "token": WRONG}
    refused = admin.submit(PAGE, form)
    assert refused.status_code == 422
    assert "The issue tracker was not connected." in refused.content.decode()
    assert FULL_NAME in refused.content.decode()
    assert WRONG not in refused.content.decode()
    assert kept(shop) == (0, 0, 0)

    reader = signed_in(shop, shop.member("product_owner"))
    assert reader.submit(PAGE, {**form, "token": TOKEN}).status_code == 403
    assert kept(shop) == (0, 0, 0)

    assert admin.submit(PAGE, {**form, "token": TOKEN}).status_code == 302
    assert admin.submit(PAGE, {**form, "token": TOKEN}).status_code == 409
    for browser in (admin, reader):
        for path in (PAGE, "/settings/projects/SHOP/"):
            assert FULL_NAME in shown(browser, path)
            assert TOKEN not in shown(browser, path)
    assert "forget_tracker" not in shown(reader, PAGE)
    assert reader.submit(PAGE, {"act": "forget_tracker"}).status_code == 403
    assert kept(shop) == (1, 0, 0)
    assert admin.submit(PAGE, {"act": "forget_tracker"}).status_code == 302
    assert admin.submit(PAGE, {"act": "forget_tracker"}).status_code == 404
    assert kept(shop) == (0, 0, 0)


@pytest.mark.parametrize(("kind", "connect"), [("database", connect_database), ("migrator", connect_migrator)])
def test_a_database_is_refused_with_what_is_wrong_and_taken_away(
    shop: TestTenant, hub: GitHubServer, kind: str, connect: Callable[..., object]
) -> None:
    admin = signed_in(shop, shop.member("admin"))
    form = {"act": f"connect_{kind}", "address": LOGIN, "schemas": "public, Pay roll"}
    for wrong, said in (
        (form, "Name 1 to 20 schemas"),
        ({**form, "schemas": ""}, "Name 1 to 20 schemas"),
        ({**form, "schemas": "public", "address": "reader@db.example"}, "Give an address like"),
        ({**form, "act": "drop"}, "Choose one of connect_tracker, forget_tracker"),
    ):
        refused = admin.submit(PAGE, wrong)
        assert refused.status_code == 422, wrong
        assert said in refused.content.decode()
        assert LOGIN not in refused.content.decode()
    assert kept(shop) == (0, 0, 0)

    with tenant_scope(shop.schema):
        schemas, admins = ["public", "sales"], shop.actor("admin")
        connect(actor=admins, project="SHOP", address="sealed", place="db.example:5432/shop", schemas=schemas)
    assert "public, sales" in shown(admin, PAGE)
    assert "db.example:5432/shop" in shown(admin, "/settings/projects/SHOP/")
    assert signed_in(shop, shop.member("developer")).submit(PAGE, {"act": f"forget_{kind}"}).status_code == 403
    assert admin.submit(PAGE, {"act": f"forget_{kind}"}).status_code == 302
    assert admin.submit(PAGE, {"act": f"forget_{kind}"}).status_code == 404
    assert kept(shop) == (0, 0, 0)


def test_an_admin_connects_a_cluster_and_takes_it_away(shop: TestTenant, tmp_path: Path) -> None:
    admin, reader = signed_in(shop, shop.member("admin")), signed_in(shop, shop.member("devops"))
    with Kubernetes(tmp_path) as kube, override_settings(TOOL_NETWORKS="127.0.0.0/8"):
        form = {"act": "connect_cluster", "api_url": kube.url, "namespace": "till", "token": KUBE_TOKEN, "ca": kube.ca}
        refused = admin.submit(PAGE, form)
        assert refused.status_code == 422
        for said in ("may not change deployments in till", kube.url, kube.ca.splitlines()[1]):
            assert said in refused.content.decode(), "what was given is there again, but for the token"
        assert KUBE_TOKEN not in refused.content.decode()
        form |= {"namespace": SPACE, "kinds": "certificates"}
        assert "Certificate.cert-manager.io" in admin.submit(PAGE, form).content.decode()
        form |= {"kinds": "Certificate.cert-manager.io, Rollout.argoproj.io", "accounts": "every one"}
        refused = admin.submit(PAGE, form)
        assert "names of service accounts of the namespace" in refused.content.decode()
        (wrong,) = re.findall(r'id="(\S+)"[^>]* autofocus', refused.content.decode())
        assert wrong == "accounts", "the page opens at what is wrong"
        form["accounts"] = "builder, deployer"
        assert reader.submit(PAGE, form).status_code == 403
        assert admin.submit(PAGE, form).status_code == 302
        assert admin.submit(PAGE, form).status_code == 409
    for browser in (admin, reader):
        assert "guildhall-" in shown(browser, PAGE), "in whose name it applies"
        assert "Certificate.cert-manager.io, Rollout.argoproj.io" in shown(browser, PAGE)
        assert "default, builder, deployer" in shown(browser, PAGE)
        for path in (PAGE, "/settings/projects/SHOP/"):
            assert kube.url.removeprefix("https://") in shown(browser, path)
            assert KUBE_TOKEN not in shown(browser, path)
    assert reader.submit(PAGE, {"act": "forget_cluster"}).status_code == 403
    assert admin.submit(PAGE, {"act": "forget_cluster"}).status_code == 302
    assert admin.submit(PAGE, {"act": "forget_cluster"}).status_code == 404


def test_a_repository_is_connected_and_its_hooks_secret_shown_once(shop: TestTenant, hub: GitHubServer) -> None:
    hub.start({"README.md": b"# till\n"})
    path = "/settings/repositories/connect/"
    admin = signed_in(shop, shop.member("admin"))
    form = {"name": "till", "full_name": FULL_NAME, "ci_command": "true", "api_url": hub.url, "token": WRONG}
    refused = admin.submit(path, form)
    assert refused.status_code == 422
    assert FULL_NAME in refused.content.decode()
    assert WRONG not in refused.content.decode()
    assert kept(shop) == (0, 0, 0)

    made = admin.submit(path, {**form, "token": TOKEN, "requires_checks": "on"})
    assert made.status_code == 200
    assert f"http://{shop.host}/hooks/github/" in made.content.decode()
    assert TOKEN not in made.content.decode()
    assert admin.submit(path, {**form, "token": TOKEN}).status_code == 409
    assert kept(shop) == (0, 0, 1)
    added = {"act": "add", "name": "till", "ci_command": "true", "default_branch": "main"}
    assert admin.submit("/settings/projects/SHOP/", added).status_code == 302
    assert f"GitHub, {FULL_NAME}" in shown(admin, PAGE)
    the_connection_is_changed_and_ended(shop, admin)


def the_connection_is_changed_and_ended(shop: TestTenant, admin: Browser) -> None:
    """By admins alone: a token is tried first, a new secret shown once, and nothing under way is left without GitHub."""
    about = {"repository": "till"}
    kept_before = sealed(shop)
    reader = signed_in(shop, shop.member("product_owner"))
    for act in (
        {"act": "renew_token", "token": TOKEN},
        *({"act": a} for a in ("renew_hook", "require_checks", "disconnect")),
    ):
        assert reader.submit(PAGE, {**about, **act}).status_code == 403
        assert admin.submit(PAGE, {**act, "repository": "shop"}).status_code == 404, "a built-in one"
    refused = admin.submit(PAGE, {**about, "act": "renew_token", "token": WRONG})
    assert (refused.status_code, WRONG in refused.content.decode()) == (422, False)
    assert sealed(shop) == kept_before
    assert admin.submit(PAGE, {**about, "act": "renew_token", "token": TOKEN}).status_code == 302
    renewed = admin.submit(PAGE, {**about, "act": "renew_hook"})
    assert (renewed.status_code, "not shown again" in renewed.content.decode()) == (200, True)
    assert all(new != old for new, old in zip(sealed(shop)[:2], kept_before[:2], strict=True))
    secret = renewed.content.decode().split("<code>")[2].split("</code>")[0]
    assert secret not in shown(admin, PAGE)
    with tenant_scope(shop.schema):
        row = ForgeConnection.objects.get()
        assert unseal(row.hook_secret, hook_of("till")) == secret
        assert unseal(row.token, token_of("till")) == TOKEN
    assert admin.submit(PAGE, {**about, "act": "require_checks"}).status_code == 302
    assert sealed(shop)[2] is False
    api, place = program(shop, tokens_of(shop, shop.member("admin"))["access"]), "/api/v1/repositories/till/connection/"
    assert api.put(place, {"requires_checks": True}, content_type="application/json").json()["requires_checks"] is True
    said = checks_said(shop)
    assert api.put(place, {"requires_checks": True}, content_type="application/json").status_code == 200
    assert admin.submit(PAGE, {**about, "act": "require_checks", "requires_checks": "on"}).status_code == 302
    assert checks_said(shop) == said == 2, "what is so already is written nowhere"
    assert api.put(f"{place}token/", {"token": WRONG}, content_type="application/json").status_code == 422
    assert (
        api.put(f"{place}token/", {"token": TOKEN}, content_type="application/json").json().keys()
        == api.get(place).json().keys()
    )
    assert len(api.post(f"{place}hook/").json()["hook_secret"]) > 40
    assert "This is for good:" in shown(admin, PAGE), "said before the button"
    with tenant_scope(shop.schema):
        queue = NewRun(RunKind.BACKLOG, "proposal:1", "", "x", "proposal:1", repository="till")
        run = queue_run(actor=shop.system(), agent=Agent.objects.get(name="heron"), new=queue)
    stays = admin.submit(PAGE, {**about, "act": "disconnect"})
    assert (stays.status_code, f"run {run.number} would be left" in stays.content.decode()) == (409, True)
    with tenant_scope(shop.schema):
        cancel_run(actor=shop.actor("admin"), run=run, reason="Not needed.")
        about_merged = {"state": "merged", "merged_sha": "a" * 40, "head_sha": "a" * 40, "repository": "till"}
        change = ChangeRequest.objects.create(number=1, task="SHOP-1.1", story="story:SHOP-1", **about_merged)
        request_revert(actor=shop.actor("product_owner"), change=change, reason="It rounds wrongly.")
    stays = admin.submit(PAGE, {**about, "act": "disconnect"})
    assert (stays.status_code, "the revert of change 1 would be left" in stays.content.decode()) == (409, True)
    with tenant_scope(shop.schema):
        turn = {"fence": Lane.objects.create(repository="till").fence}
        record_failed_revert(actor=shop.system(), change=change, reason="Later commits are in its way.", **turn)
    assert admin.submit(PAGE, {**about, "act": "disconnect"}).status_code == 302
    assert kept(shop) == (0, 0, 0)
    assert f"GitHub, {FULL_NAME}" not in shown(admin, PAGE)
    assert api.get(place).status_code == 404
    told = admin.get("/audit/?kind=delivery.repository.").content.decode()
    for words in ("gave the repository till a new token", "disconnected the repository till"):
        assert words in told


def checks_said(tenant: TestTenant) -> int:
    with tenant_scope(tenant.schema):
        return OutboxEvent.objects.filter(kind="delivery.repository.checks_required").count()


def sealed(tenant: TestTenant) -> tuple[str, str, bool]:
    with tenant_scope(tenant.schema):
        row = ForgeConnection.objects.get()
        return row.token, row.hook_secret, row.requires_checks
