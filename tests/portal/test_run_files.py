"""A run's files, as pages and by the API: what the policy keeps from agents is kept from viewers, odd names lead to files."""

from datetime import UTC, datetime
from urllib.parse import quote

import pytest

from governance.selectors.policy import active_policy
from gpu_workers.folders import repository_folder
from gpu_workers.models import Run
from gpu_workers.repos import Signature
from gpu_workers.repos.repository import REGULAR, TreeFile, commit_tree, write_blob, write_tree
from guildhall.kernel.tenancy import tenant_scope
from tests.api.people import People
from tests.support.busy import queue_many
from tests.support.clients import signed_in
from tests.support.policies import put_policy
from tests.support.tenants import TestTenant
from tests.support.world import World

pytestmark = pytest.mark.integration
SHOWN = "caf\N{REPLACEMENT CHARACTER}/men\N{REPLACEMENT CHARACTER}.txt"
FILES = {b"README": b"Notes.\n", b"caf\xe9/men\xfc.txt": b"Soup\n", b"payroll/wages.csv": b"Ada,1\n"}


def test_files_are_shown_by_the_policy_and_by_names_that_links_can_carry(tenant: TestTenant) -> None:
    world = World.build(tenant, "TILL", {"README": b"Notes.\n"}, "true", councils=True)
    [number] = queue_many(world, 1)
    with tenant_scope(tenant.schema):
        repo = repository_folder(world.project.repository)
        entries = [TreeFile(name, REGULAR, write_blob(repo, content)) for name, content in FILES.items()]
        tree = write_tree(repo, entries, repo / "guildhall-index")
        author = Signature("Mason", "mason@example.org")
        sha = commit_tree(repo, tree, [], "Odd names", author, datetime(2026, 11, 22, tzinfo=UTC))
        Run.objects.filter(number=number).update(head_sha=sha)
    viewer, at = signed_in(tenant, tenant.member("viewer")), f"/runs/{number}/files/"
    assert "Ada,1" in viewer.get(f"{at}payroll/wages.csv").content.decode()
    with tenant_scope(tenant.schema):
        text = active_policy().text
        put_policy(tenant, text.replace('    - ".git/**"\n', '    - "payroll/**"\n    - ".git/**"\n', 1))
    listed = viewer.get(at).content.decode()
    assert "README" in listed
    assert "payroll" not in listed
    assert viewer.get(f"{at}payroll/wages.csv").status_code == 404
    assert viewer.get(f"{at}payroll").status_code == 404
    assert f'href="{at}{quote(SHOWN.partition("/")[0])}' in listed
    assert "Soup" in viewer.get(f"{at}{quote(SHOWN)}").content.decode()

    api, at = People(tenant).viewer, f"runs/{number}/files/"
    root = api.get(at)
    assert (root["commit"], root["step"], root["kind"], root["text"], root["left_out"]) == (sha, "", "folder", None, 0)
    assert [(one["name"], one["kind"], one["size"]) for one in root["entries"]] == [
        (SHOWN.partition("/")[0], "folder", None),
        ("README", "file", 7),
    ]
    soup = api.get(f"{at}?path={quote(SHOWN)}")
    assert (soup["path"], soup["kind"], soup["entries"], soup["text"]) == (SHOWN, "file", [], "Soup\n")
    for kept in ("payroll", "payroll/wages.csv"):
        api.get(f"{at}?path={kept}", 404)
