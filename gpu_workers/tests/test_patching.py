"""Commits of people's patches, on repositories that fight back."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from gpu_workers.models import ChangeRequest
from gpu_workers.patching import PATCH, NotTaken, Work, checked_branch_head, commit_patch
from gpu_workers.repos import Signature, clone_workspace, commit_all, create_repository, push_branch
from gpu_workers.repos.git import git, text
from gpu_workers.repos.reading import ls_tree
from gpu_workers.repos.repository import TreeFile, commit_tree, write_blob, write_tree
from gpu_workers.sandbox import Sandbox
from tests.support.tenants import TestTenant

pytestmark = pytest.mark.integration

WHO, NOON = Signature("Ada", "ada@people.example"), datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
SIGNED = "an address that only this platform signs with"
ONE_LINE = "ssh-ed25519 AAAA\ndiff --git a/word b/word\n--- a/word\n+++ b/word\n@@ -1 +1 @@\n-old\n+new\n"


@pytest.mark.parametrize("name", [PATCH, f".guildhall-{PATCH}"])
def test_a_link_of_the_patchs_name_leads_no_write_out_of_the_clone(
    ground: Path, sandbox: Sandbox, tenant: TestTenant, name: str
) -> None:
    repo, victim = ground / "x.git", ground / "authorized_keys"
    victim.write_text("mine\n")
    victim.chmod(0o600)
    first = create_repository(repo, {"word": b"old\n"}, WHO, NOON)
    place = clone_workspace(repo, ground / "author", "trap", first)
    (place.tree / name).symlink_to(victim)
    base = commit_all(place, "trap", first, "A trap", WHO, NOON)
    assert base is not None
    push_branch(repo, place, "trap", base, None)
    with tenant.scope():
        sha = commit_patch(repo, sandbox, ground / "scratch", ONE_LINE, Work("work", base, "Say it anew", WHO, NOON))
    assert (victim.read_text(), victim.stat().st_mode & 0o777) == ("mine\n", 0o600)
    assert [(entry.path, entry.is_link) for entry in ls_tree(repo, sha)] == [(name, True), ("word", False)]


def test_a_branch_bears_the_platforms_addresses_only_on_what_became_a_change(ground: Path, tenant: TestTenant) -> None:
    repo, agent = ground / "x.git", Signature("Mason", "mason@agents.invalid")
    base = create_repository(repo, {"word": b"old\n"}, WHO, NOON)

    def on(parent: str, who: Signature, committer: Signature = WHO) -> str:
        tree = write_tree(repo, [TreeFile(b"word", "100644", write_blob(repo, parent.encode()))], ground / "index")
        return commit_tree(repo, tree, [parent], "Say it anew", who, NOON, committer)

    first = on(base, agent, agent)
    head = on(on(first, agent, agent), WHO)
    with tenant.scope():
        with pytest.raises(NotTaken, match=SIGNED):
            checked_branch_head(repo, base, head)
        facts = {"task": "SHOP-1.1", "story": "story:SHOP-1", "title": "It", "author": "agent:mason", "number": 1}
        change = ChangeRequest(repository="x", branch="guildhall/x", base_sha=base, head_sha=first, **facts)
        change.save()
        with pytest.raises(NotTaken, match=SIGNED):
            checked_branch_head(repo, base, head)
        ChangeRequest.objects.update(head_sha=text(git(repo, "rev-parse", f"{head}^")))
        checked_branch_head(repo, base, head)
        for who, committer in (
            (WHO, Signature("G", "merge@Guildhall.invalid")),
            (Signature("A", "a@people.invalid"), WHO),
        ):
            with pytest.raises(NotTaken, match=SIGNED):
                checked_branch_head(repo, base, on(head, who, committer))
