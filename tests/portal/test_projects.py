"""A new organisation begins in the portal alone: the first project with its repository, then what belongs to it."""

from pathlib import Path
from subprocess import run

import pytest

from gpu_workers.folders import repository_folder
from gpu_workers.models import Repository
from gpu_workers.repos import head_of, read_file
from guildhall.evidence.delivery import deliver
from guildhall.kernel.consumers import registered_consumers
from guildhall.kernel.tenancy import tenant_scope
from tests.support.clients import signed_in
from tests.support.pages import shown
from tests.support.pump import relay
from tests.support.tenants import TestTenant
from workflows.models import Project, Task
from workflows.tests.world import World

pytestmark = pytest.mark.integration


def founded(tenant: TestTenant) -> dict[str, tuple[str, str]]:
    """Let the repositories' consumer hear everything, twice; what is registered then: command and branch by name."""
    relay()
    consumer = registered_consumers()["agents.repositories"]
    with tenant_scope(tenant.schema):
        for _ in range(2):
            deliver(consumer)
        return {row.name: (row.ci_command, row.default_branch) for row in Repository.objects.all()}


def test_a_new_organisation_opens_its_first_project_in_the_portal(
    tenant: TestTenant, other_tenant: TestTenant, tmp_path: Path
) -> None:
    browser = signed_in(tenant, tenant.member("product_owner"))
    way = 'href="/settings/projects/new/"'
    for path in ("/", "/stories/", "/stories/new/", "/strategies/new/", "/sprints/new/", "/settings/projects/"):
        assert way in shown(browser, path), path
    form = {"name": "Web <shop>", "key": "shop", "ci_command": "python -m unittest", "repository": "../etc"}
    refused = browser.submit("/settings/projects/new/", form)
    assert refused.status_code == 422
    assert "Use small letters" in refused.content.decode()
    assert "Web &lt;shop&gt;" in refused.content.decode()
    made = browser.submit("/settings/projects/new/", {**form, "repository": ""})
    assert made["Location"] == "/settings/projects/SHOP/"
    assert browser.submit("/settings/projects/new/", {**form, "repository": ""}).status_code == 409

    assert founded(tenant) == {"shop": ("python -m unittest", "main")}
    with tenant_scope(tenant.schema):
        folder = repository_folder("shop")
        first = head_of(folder, "main")
        assert read_file(folder, first, "README.md").startswith(b"# shop\n")
    code = browser.get("/repositories/shop/code/")
    (tmp_path / "shop.bundle").write_bytes(code.getvalue())
    run(["git", "clone", "--quiet", "-b", "main", "shop.bundle", "shop"], cwd=tmp_path, check=True)
    assert (tmp_path / "shop" / "README.md").read_text().startswith("# shop\n")
    for stranger in (signed_in(tenant, tenant.member("client")), signed_in(other_tenant, other_tenant.member("admin"))):
        assert stranger.get("/repositories/shop/code/").status_code == 404
    assert way not in shown(browser, "/")
    story = browser.submit("/stories/new/", {"project": "SHOP", "title": "Pay by card"})
    assert story["Location"] == "/stories/SHOP-1/"

    page = "/settings/projects/SHOP/"

    def sent(act: str, **more: str) -> int:
        return int(browser.submit(page, {"act": act, **more}).status_code)

    details = {"name": "Shop", "client": "Fernhill", "environments": "test\r\n\r\nlive"}
    assert sent("edit", **details, version="1") == 302
    assert sent("edit", **details, version="1") == 412
    assert sent("add", name="docs", ci_command="make check", default_branch="trunk") == 302
    assert sent("add", name="docs", ci_command="make check", default_branch="trunk") == 409
    assert sent("change", repository="shop", ci_command="pytest -q", default_branch="release/1") == 302
    assert sent("change", repository="shop", ci_command="pytest -q", default_branch="-x") == 422
    limits = {"ci_command": "pytest -q", "default_branch": "release/1", "ci_seconds": "60", "ci_cpu_seconds": ""}
    assert sent("change", repository="shop", **limits, ci_disk_mib="100") == 302
    assert "time 60 seconds, disk 100 MiB" in shown(browser, page)
    refused = browser.submit(page, {"act": "change", "repository": "shop", **limits, "ci_memory_mib": "99999"})
    assert refused.status_code == 422
    assert "Memory of all processes: give 256 to 2048 MiB" in refused.content.decode()
    assert 'value="99999"' in refused.content.decode(), "what was typed stays"
    assert sent("change", repository="shop", **{**limits, "ci_seconds": "soon"}) == 422
    assert sent("change", repository="shop", **{**limits, "ci_seconds": ""}) == 302
    assert "time 60 seconds" not in shown(browser, page)
    assert sent("remove", repository="shop") == 409
    assert founded(tenant) == {"docs": ("make check", "trunk"), "shop": ("pytest -q", "release/1")}
    with tenant_scope(tenant.schema):
        assert head_of(folder, "release/1") == first, "a branch that is new starts where the one before stands"
        assert read_file(repository_folder("docs"), head_of(repository_folder("docs"), "trunk"), "README.md")
        project = Project.objects.get()
        assert (project.name, project.client, project.environments) == ("Shop", "Fernhill", ["test", "live"])
    assert sent("make_primary", repository="docs") == 302
    assert sent("remove", repository="shop") == 302
    assert "pytest -q" not in shown(browser, page)
    assert sent("explode") == 422

    viewer = signed_in(tenant, tenant.member("viewer"))
    assert "<button" not in shown(viewer, page).split('id="main"')[-1].split("Activity")[0]
    assert viewer.submit(page, {"act": "remove", "repository": "docs"}, form_at="/settings/keys/").status_code == 403


def test_a_task_names_the_repository_that_it_changes(tenant: TestTenant) -> None:
    world = World(tenant)
    owner = signed_in(tenant, tenant.member("product_owner"))
    story = world.write()
    world.move(story, "submit", world.developer)
    world.move(story, "approve_scope", world.po)
    proposal, page = f"/stories/{story.reference}/proposal/", "/settings/projects/SHOP/"
    assert 'name="repository"' not in shown(owner, proposal), "there is nothing to choose from"
    docs = {"act": "add", "name": "docs", "ci_command": "true", "default_branch": "main"}
    assert owner.submit(page, docs).status_code == 302
    drafts = {
        "title": ["Write it", "Tell it"],
        "role": ["developer", "developer"],
        "size": ["S", "S"],
        "risk": ["low", "low"],
        "acceptance": ["", ""],
        "depends_on": ["", ""],
        "place": ["1", "2"],
    }
    strange = owner.submit(proposal, {**drafts, "repository": ["", "elsewhere"], "act": "save"})
    assert "no repository elsewhere" in strange.content.decode()
    assert owner.submit(proposal, {**drafts, "repository": ["", "docs"], "act": "save"}).status_code == 302
    assert '<option value="docs" selected>' in shown(owner, proposal)
    world.move(story, "derive_tasks", world.architect)

    def changed() -> list[str]:
        with tenant_scope(tenant.schema):
            rows = Task.objects.select_related("story__project", "repository").order_by("number")
            return [row.repository_name for row in rows]

    assert changed() == ["shop", "docs"]
    assert owner.submit(page, {"act": "remove", "repository": "docs"}).status_code == 409
    assert owner.submit(page, {"act": "make_primary", "repository": "docs"}).status_code == 302
    assert changed() == ["docs", "docs"], "a task that names none follows the primary one"
    task = f"/tasks/{story.reference}.2/"
    form = {"title": "Tell it", "role": "developer", "size": "S", "risk": "low", "repository": "shop"}
    assert owner.submit(f"{task}edit/", {**form, "version": "9"}).status_code == 412
    assert owner.submit(f"{task}edit/", form).status_code == 302
    assert changed() == ["docs", "shop"]
    assert ">shop</dd>" in shown(owner, task)
    added = owner.submit(f"/stories/{story.reference}/tasks/new/", {**form, "title": "Add it"})
    assert added.status_code == 302
    assert changed() == ["docs", "shop", "shop"]
