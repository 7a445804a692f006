"""The branch that changes of a repository on GitHub are merged into: anybody who may push there makes branches, so that
whoever connects it names the branch, and neither a product owner nor what GitHub says later."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import pytest
from django.db import connection
from django.test import override_settings

from governance.tests.test_late_counters import held
from gpu_workers.folders import repository_folder
from gpu_workers.models import ForgeConnection, Repository
from gpu_workers.sandbox.workspace import remove_tree
from guildhall.kernel.tenancy import tenant_scope
from tests.api.people import People
from tests.fakes.github import FULL_NAME, TOKEN, GitHubServer
from tests.fakes.github_hooks import repository
from tests.portal.test_repository_terms import CI, known, opened
from tests.story.test_github import send
from tests.support.clients import signed_in
from tests.support.evidence import trail
from tests.support.processes import until
from tests.support.tenants import TestTenant
from workflows.models import ProjectRepository

pytestmark = pytest.mark.integration
RUNS_OWN, PUSHED = "guildhall/TILL-1.1-2", "mason/shortcut"
UNFIT = {
    RUNS_OWN: "work that nobody has approved",
    "Guildhall/x": "work that nobody has approved",
    "refs/heads/main": "own names",
    "ab" * 20: "such as main",
    "café": "such as main",
    "": "such as main",
    "x" * 61: "At most 60",
    None: "",
}


@pytest.fixture(scope="module")
def people(make_tenant: Callable[..., TestTenant]) -> People:
    return People(make_tenant())


@pytest.fixture
def hub(tmp_path: Any) -> Iterator[GitHubServer]:
    with GitHubServer(tmp_path) as server, override_settings(FORGE_LOOPBACK=True):
        head = server.start({"till.py": b"total = 1\n"})
        server.commit(PUSHED, {"till.py": b"total = 2\n"}, [head])
        server.commit(RUNS_OWN, {"till.py": b"total = 3\n"}, [head])
        yield server


def body(hub: GitHubServer, name: str) -> dict[str, str]:
    return {"name": name, "full_name": FULL_NAME, "token": TOKEN, "ci_command": CI, "api_url": hub.url}


def calls_default(hub: GitHubServer, branch: Any) -> None:
    """From now on the hub names this branch as its default one."""
    clone = f"{hub.at}/git/{FULL_NAME}.git"
    hub.told = {
        "full_name": FULL_NAME, "default_branch": branch, "clone_url": clone, "permissions": {"push": True}
    }  # fmt: skip


def test_no_branch_of_unapproved_work_is_taken_at_githubs_word(people: People, hub: GitHubServer) -> None:
    tenant = people.tenant
    for branch, why in UNFIT.items():
        calls_default(hub, branch)
        wrong = people.admin.post("repositories/", body(hub, "till"), 422)["fields"]
        assert why in wrong["full_name"][0], branch
    with tenant_scope(tenant.schema):
        assert not Repository.objects.exists()
        assert not ForgeConnection.objects.exists()
    calls_default(hub, "main")
    made = people.admin.post("repositories/", body(hub, "till"), 201)
    assert made["repository"]["default_branch"] == "main"

    calls_default(hub, RUNS_OWN)
    moved = {"action": "edited", "changes": {"default_branch": {"from": "main"}}, "sender": {"login": "octavia"}}
    told = json.dumps({**moved, "repository": {**repository(FULL_NAME), "default_branch": RUNS_OWN}}).encode()
    heard = send(tenant, made["hook_path"], told, made["hook_secret"], "r-1", **{"X-GitHub-Event": "repository"})
    assert heard[0] == 202
    people.admin.send("PUT", "repositories/till/connection/token/", {"token": TOKEN}, 200)
    opened(tenant, "SHOP", "till")
    assert known(tenant, "till") == (CI, "main")


def test_whoever_connects_a_repository_names_its_branch_and_no_product_owner_does(
    people: People, make_tenant: Callable[..., TestTenant], hub: GitHubServer
) -> None:
    mine, others = People(make_tenant()), people
    tenant, owner, place = mine.tenant, mine.product_owner, "projects/TILL/repositories/till/"
    mine.admin.post("repositories/", body(hub, "till"), 201)
    opened(tenant, "TILL", "till")
    for branch in (PUSHED, "release"):
        refused = owner.send("PATCH", place, {"default_branch": branch, "ci_command": "make"}, 403)
        assert "till is kept elsewhere" in refused["detail"]
        assert "is for admin" in refused["detail"]
        shop = {"key": "SHOP", "name": "Shop", "repository": "till", "ci_command": CI, "default_branch": branch}
        owner.post("projects/", shop, 422)
    form = {"act": "change", "repository": "till", "ci_command": CI, "default_branch": PUSHED}
    page = signed_in(tenant, tenant.member("product_owner")).submit("/settings/projects/TILL/", form)
    assert (page.status_code, "till is kept elsewhere" in page.content.decode()) == (403, True)
    mine.developer.send("PATCH", place, {"default_branch": PUSHED}, 403)
    others.admin.send("PATCH", place, {"default_branch": PUSHED}, 404)
    assert known(tenant, "till") == (CI, "main")

    owner.send("PATCH", place, {"default_branch": "main", "ci_command": "make"})
    assert known(tenant, "till") == ("make", "main")
    mine.admin.send("PATCH", place, {"default_branch": RUNS_OWN}, 422)
    mine.admin.send("PATCH", place, {"default_branch": "release"})
    assert known(tenant, "till") == ("make", "release")
    owner.send("PATCH", place, {"default_branch": "main"}, 403)
    assert owner.get("projects/TILL/")["default_branch"] == "release"
    with tenant_scope(tenant.schema):
        remove_tree(repository_folder("till"))
    mine.admin.send("PATCH", place, {"default_branch": "main"})
    assert known(tenant, "till") == ("make", "main"), "its copy comes with whoever needs it"


def test_what_a_project_said_before_is_not_taken_for_a_connected_repository(people: People, hub: GitHubServer) -> None:
    tenant = people.tenant
    new = {"key": "OVEN", "name": "Oven", "repository": "oven", "ci_command": CI, "default_branch": PUSHED}

    def name_it() -> Any:
        with closing(connection):
            return people.product_owner.answer("POST", "projects/", new)

    def connect_it() -> Any:
        with closing(connection):
            return people.admin.answer("POST", "repositories/", body(hub, "oven"))

    table = f'LOCK TABLE "{tenant.schema}".workflows_projectrepository IN SHARE MODE'
    with ThreadPoolExecutor(2) as pool, held(table) as waiting:
        named = pool.submit(name_it)
        until(lambda: waiting(1) or named.done())
        connecting = pool.submit(connect_it)
        until(lambda: waiting(2) or connecting.done())
    assert (named.result().status_code, connecting.result().status_code) == (201, 409)
    assert "built-in" in connecting.result().json()["detail"]
    assert known(tenant, "oven") == (CI, PUSHED), "a built-in one, in which nobody pushed anything"
    with tenant_scope(tenant.schema):
        assert not ForgeConnection.objects.filter(repository__name="oven").exists()
        assert ProjectRepository.objects.filter(name="oven").count() == 1
        assert TOKEN not in trail()
