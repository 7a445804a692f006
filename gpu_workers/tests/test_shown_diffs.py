"""Pages, the API and remarks read one diff of a change: what one of them does not show, another says nothing of."""

import uuid
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.template.loader import render_to_string

from gpu_workers.actions.remarks import NewRemark
from gpu_workers.folders import repository_folder
from gpu_workers.models import ChangeRequest
from gpu_workers.remarking import write_remark
from gpu_workers.repos import Signature, create_repository, headline
from gpu_workers.repos.repository import REGULAR, TreeFile, commit_tree, write_blob, write_tree
from gpu_workers.shown_diffs import SHOWN, shown_diff
from gpu_workers.web.change_shown import commits_of
from gpu_workers.web.serializers import DiffFile
from gpu_workers.web.shown import diff_of
from guildhall.kernel.errors import Invalid
from guildhall.kernel.tenancy import tenant_scope
from tests.support.tenants import TestTenant

pytestmark = pytest.mark.integration
WHO, NOON = Signature("Ada", "ada@example.org"), datetime(2026, 1, 1, tzinfo=UTC)
LONG = b"one more line of it\n" * (SHOWN.file_bytes // 16)
TURNED = 'if level != "none\u202e\u2066": # Check if admin\u2069\u2066" and level != "user\n'


def committed(repo: Path, base: str, name: bytes, content: bytes, message: str = "Another") -> str:
    """A commit on top of `base` that holds this file alone."""
    tree = write_tree(repo, [TreeFile(name, REGULAR, write_blob(repo, content))], repo / "scratch-index")
    return commit_tree(repo, tree, [base], message, WHO, NOON)


def test_a_line_that_nobody_is_shown_is_remarked_on_by_nobody(residents: tuple[TestTenant, TestTenant]) -> None:
    tenant = residents[0]
    name = f"long-{uuid.uuid4().hex[:8]}"
    with tenant_scope(tenant.schema):
        repo = repository_folder(name)
        base = create_repository(repo, {"a.txt": b"short\n"}, WHO, NOON)
        head = committed(repo, base, b"a.txt", LONG)
        [file] = shown_diff(name, base, head)
        [on_page] = diff_of(name, base, head)
        assert (file.truncated, on_page.file, bool(on_page.note)) == (True, file, True)
        last = int(on_page.lines[-1][2])
        change = ChangeRequest(number=1, repository=name, base_sha=base, head_sha=head, files=[{"path": "a.txt"}])
        with pytest.raises(Invalid, match="does not show this line"):
            write_remark(tenant.actor("developer"), change, NewRemark(head, "a.txt", last + 1, "Nobody sees this."))


def test_nothing_of_a_change_hides_from_who_approves_or_judges_it(residents: tuple[TestTenant, TestTenant]) -> None:
    name = f"turned-{uuid.uuid4().hex[:8]}"
    with tenant_scope(residents[0].schema):
        repo = repository_folder(name)
        base = create_repository(repo, {"a.txt": b"short\n"}, WHO, NOON)
        head = committed(repo, base, "right\u202eyp.s".encode(), TURNED.encode(), "Safe\u202e\n\nas\u2066 can be")
        plain, turned = shown_diff(name, base, head)
        page = render_to_string("gpu_workers/_diff.html", {"files": diff_of(name, base, head)})
        [_, codes] = shown_diff(name, base, committed(repo, base, b"z", b"\x01\n" * (SHOWN.file_bytes // 4)))
        [_, euro] = shown_diff(name, base, committed(repo, base, b"fr.txt", "10\xa0\u20ac\n".encode()))
        [_, named] = shown_diff(name, base, committed(repo, base, "n\u202e".encode(), b"plain\n"))
        [commit] = commits_of(ChangeRequest(repository=name, base_sha=base, head_sha=head))
    assert (commit.subject, commit.body) == ("Safe<U+202E>", "as<U+2066> can be")
    assert (codes.truncated, len(codes.text) <= SHOWN.file_bytes, codes.text[-9:]) == (True, True, "+<U+0001>")
    assert (plain.hides, turned.hides, turned.added) == (False, True, 1)
    assert (plain.hides_new, turned.hides_new, codes.hides_new) == (False, True, True)
    assert (euro.hides, euro.hides_new, named.hides_new) == (True, False, True), (
        "spaces are told, and ask for nobody more"
    )
    assert turned.text.endswith('"none<U+202E><U+2066>": # Check if admin<U+2069><U+2066>" and level != "user\n')
    assert headline(turned) == "added right<U+202E>yp.s (+1 -0, with characters that cannot be seen)"
    assert [DiffFile(file).data["hidden_characters"] for file in (plain, turned)] == [False, True]
    assert not set(page) & set("\u202e\u2066\u2069")
    assert (page.count("characters that cannot be seen"), "right&lt;U+202E&gt;yp.s" in page) == (1, True)
