"""A repository has one CI command and one branch to merge into, whoever names it, and never a branch of unapproved work."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import pytest
from django.db import connection

from governance.tests.test_late_counters import held
from gpu_workers.actions.registry import create_repository, follow_project
from gpu_workers.events import RepositoryLeft
from gpu_workers.folders import repository_folder
from gpu_workers.founding import found_repositories
from gpu_workers.models import Repository
from gpu_workers.repos import GitError, UnfitBranch, head_of
from gpu_workers.repos.repository import init, update_branch
from gpu_workers.sandbox.workspace import remove_tree
from guildhall.evidence.delivery import deliver
from guildhall.evidence.models import OutboxEvent
from guildhall.kernel.consumers import registered_consumers
from guildhall.kernel.errors import Invalid
from guildhall.kernel.tenancy import tenant_scope
from tests.api.people import People
from tests.support.clients import signed_in
from tests.support.evidence import DeadLetter
from tests.support.pages import shown
from tests.support.processes import until
from tests.support.pump import relay
from tests.support.tenants import TestTenant
from workflows.actions import create_project, edit_project
from workflows.models import Project, ProjectRepository

pytestmark = pytest.mark.integration
CI = "python3 -m unittest"
UNAPPROVED = "guildhall/TILL-1.1-2"
UNFIT = {
    UNAPPROVED: "work that nobody has approved",
    "guildhall": "work that nobody has approved",
    "Guildhall/x": "work that nobody has approved",
    "HEAD": "own names",
    "refs/heads/main": "own names",
    "ab" * 20: "such as main",
    "a..b": "such as main",
    "main/x": "beside the branch main",
}


@pytest.fixture(scope="module")
def people(make_tenant: Callable[..., TestTenant]) -> People:
    return People(make_tenant())


@pytest.fixture(scope="module")
def others(make_tenant: Callable[..., TestTenant]) -> TestTenant:
    """Another organisation with a project and a repository of the same names."""
    tenant = make_tenant()
    opened(tenant, "TILL", "till")
    return tenant


def opened(tenant: TestTenant, key: str, repository: str) -> None:
    with tenant_scope(tenant.schema):
        create_project(actor=tenant.actor("product_owner"), key=key, name=key, repository=repository, ci_command=CI)


def known(tenant: TestTenant, name: str) -> tuple[str, str]:
    """What CI and merges use, once all that projects said is carried over."""
    relay()
    with tenant_scope(tenant.schema):
        deliver(registered_consumers()["agents.repositories"])
        assert not DeadLetter.objects.exists()
        row = Repository.objects.get(name=name)
        return row.ci_command, row.default_branch


def test_a_repository_that_is_known_is_named_as_it_is_and_changed_for_all_that_name_it(
    people: People, others: TestTenant
) -> None:
    tenant, owner = people.tenant, people.product_owner
    opened(tenant, "TILL", "till")
    opened(tenant, "SHOP", "shop")
    with tenant_scope(tenant.schema):
        create_repository(actor=tenant.actor("admin"), name="kept", ci_command="make", head_sha="0" * 40)
    assert known(tenant, "till") == known(others, "till") == (CI, "main")

    free: dict[str, Any] = {"key": "OTHER", "name": "Other", "ci_command": "true", "default_branch": "free"}
    wrong = owner.post("projects/", {**free, "repository": "till"}, 422)["fields"]
    assert f"till is a repository of TILL too, and CI runs “{CI}” in it" in wrong["ci_command"][0]
    assert "merged into “main”" in wrong["default_branch"][0]
    wrong = owner.post("projects/", {**free, "repository": "kept", "default_branch": "main"}, 422)["fields"]
    assert "There is a repository kept, and CI runs “make” in it" in wrong["ci_command"][0]
    wrong = owner.post("projects/SHOP/repositories/", {"name": "till", "ci_command": "true"}, 422)["fields"]
    assert set(wrong) == {"ci_command"}
    hidden = people.developer.answer("POST", "projects/", {**free, "repository": "till"})
    assert (hidden.status_code, CI in hidden.content.decode()) == (403, False)
    browser = signed_in(tenant, tenant.member("product_owner"))
    refused = browser.submit("/settings/projects/new/", {**free, "repository": "till"})
    assert (refused.status_code, "till is a repository of TILL too" in refused.content.decode()) == (422, True)
    with tenant_scope(tenant.schema):
        with pytest.raises(Invalid):
            create_project(actor=tenant.actor("admin"), repository="till", **free)
        assert not Project.objects.filter(key="OTHER").exists()
        assert not ProjectRepository.objects.exclude(ci_command=CI).exists()
    assert known(tenant, "till") == (CI, "main")

    owner.post("projects/", {**free, "repository": "till", "ci_command": CI, "default_branch": "main"}, 201)
    seen = owner.answer("GET", "projects/TILL/", {})["ETag"]
    assert "It is a repository of OTHER too" in shown(browser, "/settings/projects/TILL/")
    form = {"act": "change", "repository": "till", "ci_command": "make", "default_branch": "trunk"}
    assert browser.submit("/settings/projects/OTHER/", form).status_code == 302
    assert known(tenant, "till") == ("make", "trunk")
    assert owner.get("projects/TILL/")["ci_command"] == "make"
    owner.send("PATCH", "projects/TILL/repositories/till/", {"ci_command": CI}, 412, if_match=seen)
    with tenant_scope(tenant.schema):
        till = Project.objects.get(key="TILL")
        edit_project(actor=tenant.actor("product_owner"), project=till, change={"name": "Till again"})
    assert known(tenant, "till") == ("make", "trunk")
    assert known(others, "till") == (CI, "main")


def test_of_two_who_name_a_new_repository_at_once_the_second_is_told_what_the_first_said(people: People) -> None:
    tenant = people.tenant
    new = {"name": "New", "repository": "oven"}
    bodies = [{**new, "key": key, "ci_command": command} for key, command in (("OVENA", "make a"), ("OVENB", "make b"))]
    callers = [people.product_owner, people.admin]

    def send(number: int) -> Any:
        with closing(connection):
            return callers[number].answer("POST", "projects/", bodies[number])

    table = f'LOCK TABLE "{tenant.schema}".workflows_projectrepository IN SHARE MODE'
    with ThreadPoolExecutor(2) as pool, held(table) as waiting:
        sent = [pool.submit(send, number) for number in range(2)]
        until(lambda: waiting(2) or all(one.done() for one in sent))
    won, lost = sorted((one.result() for one in sent), key=lambda answer: int(answer.status_code))
    assert (won.status_code, lost.status_code) == (201, 422)
    assert f"oven is a repository of {won.json()['key']} too" in lost.json()["fields"]["ci_command"][0]
    assert known(tenant, "oven") == (won.json()["ci_command"], "main")


def test_no_branch_of_unapproved_work_and_none_that_git_cannot_have_is_merged_into(
    people: People, others: TestTenant
) -> None:
    tenant, owner = people.tenant, people.product_owner
    opened(tenant, "BAKE", "bake")
    assert known(tenant, "bake") == (CI, "main")
    browser, page = signed_in(tenant, tenant.member("product_owner")), "/settings/projects/BAKE/"
    for number, (branch, why) in enumerate(UNFIT.items()):
        wrong = owner.send("PATCH", "projects/BAKE/repositories/bake/", {"default_branch": branch}, 422)["fields"]
        assert why in wrong["default_branch"][0], branch
        new = {"name": f"new-{number}", "ci_command": CI, "default_branch": branch}
        owner.post("projects/BAKE/repositories/", new, 422)
        owner.post("projects/", {**new, "key": "NEW", "repository": "new"}, 422)
        form = {"act": "change", "repository": "bake", "ci_command": CI, "default_branch": branch}
        assert browser.submit(page, form).status_code == 422, branch
    assert owner.get("projects/BAKE/")["default_branch"] == "main"
    assert known(tenant, "bake") == (CI, "main")


def test_what_cannot_be_carried_over_is_said_and_holds_up_nothing_else(people: People) -> None:
    tenant, owner = people.tenant, people.product_owner
    for key, repository in (("INN", "inn"), ("BAR", "bar"), ("PUB", "inn")):
        opened(tenant, key, repository)
    for name in ("attic", "cellar"):
        owner.post("projects/INN/repositories/", {"name": name, "ci_command": CI}, 201)
        assert known(tenant, name) == (CI, "main")
    page = signed_in(tenant, tenant.member("product_owner"))
    with tenant_scope(tenant.schema):
        folder = repository_folder("bar")
        update_branch(folder, UNAPPROVED, head_of(folder, "main"), None)
        bar = Repository.objects.get(name="bar")
        with pytest.raises(UnfitBranch):
            follow_project(actor=tenant.system(), repository=bar, ci_command=CI, default_branch=UNAPPROVED)
        # As they were written before this was refused.
        ProjectRepository.objects.filter(name="bar").update(default_branch=UNAPPROVED)
        ProjectRepository.objects.filter(name="cellar").update(default_branch="main/x")
        remove_tree(repository_folder("attic"))
        ProjectRepository.objects.filter(name="attic").update(ci_command="make")
        ProjectRepository.objects.filter(project__key="INN", name="inn").update(ci_command="true")
    for key in ("BAR", "INN"):
        owner.post(f"projects/{key}/repositories/", {"name": f"{key.lower()}-2", "ci_command": CI}, 201)
    assert known(tenant, "bar") == known(tenant, "bar-2") == known(tenant, "inn-2") == (CI, "main")
    assert known(tenant, "inn") == known(tenant, "cellar") == (CI, "main")
    assert "left the repository bar as it is" in shown(page, "/settings/projects/BAR/")
    said = shown(page, "/settings/projects/INN/")
    assert "beside which git has no main/x" in said
    assert "PUB would have another CI command or branch" in said
    assert "left the repository attic as it is: its git folder is not on this installation" in said
    assert known(tenant, "attic") == (CI, "main")
    owner.send("PATCH", "projects/INN/repositories/cellar/", {"default_branch": "main"})
    owner.send("PATCH", "projects/INN/repositories/inn/", {"ci_command": "make"})
    assert known(tenant, "inn") == ("make", "main")
    with tenant_scope(tenant.schema):
        init(repository_folder("attic"), bare=True)
        ProjectRepository.objects.filter(name="inn-2").update(ci_command="make")
        ProjectRepository.objects.filter(name="cellar").update(default_branch="main/x")
        for _ in range(2):
            with pytest.raises(GitError, match="neither a branch"):
                found_repositories(tenant.system(), Project.objects.get(key="INN"))
        assert len(OutboxEvent.objects.filter(kind=RepositoryLeft.kind, payload__reason__icontains="main/x")) == 1, (
            "what is left beside it is told once, however often that is tried"
        )
        assert Repository.objects.get(name="inn-2").ci_command == "make", "what is tried again holds up no other"
