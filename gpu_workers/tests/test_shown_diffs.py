"""Pages, the API and remarks read one diff of a change: what one of them does not show, another says nothing of."""

import uuid
from datetime import UTC, datetime

import pytest

from gpu_workers.actions.remarks import NewRemark
from gpu_workers.folders import repository_folder
from gpu_workers.models import ChangeRequest
from gpu_workers.remarking import write_remark
from gpu_workers.repos import Signature, create_repository
from gpu_workers.repos.repository import REGULAR, TreeFile, commit_tree, write_blob, write_tree
from gpu_workers.shown_diffs import SHOWN, shown_diff
from gpu_workers.web.shown import diff_of
from guildhall.kernel.errors import Invalid
from guildhall.kernel.tenancy import tenant_scope
from tests.support.tenants import TestTenant

pytestmark = pytest.mark.integration
WHO, NOON = Signature("Ada", "ada@example.org"), datetime(2026, 1, 1, tzinfo=UTC)
LONG = b"one more line of it\n" * (SHOWN.file_bytes // 16)


def test_a_line_that_nobody_is_shown_is_remarked_on_by_nobody(residents: tuple[TestTenant, TestTenant]) -> None:
    tenant = residents[0]
    name = f"long-{uuid.uuid4().hex[:8]}"
    with tenant_scope(tenant.schema):
        repo = repository_folder(name)
        base = create_repository(repo, {"a.txt": b"short\n"}, WHO, NOON)
        tree = write_tree(repo, [TreeFile(b"a.txt", REGULAR, write_blob(repo, LONG))], repo / "scratch-index")
        head = commit_tree(repo, tree, [base], "Long", WHO, NOON)
        [file] = shown_diff(name, base, head)
        [on_page] = diff_of(name, base, head)
        assert (file.truncated, on_page.file, bool(on_page.note)) == (True, file, True)
        last = int(on_page.lines[-1][2])
        change = ChangeRequest(number=1, repository=name, base_sha=base, head_sha=head, files=[{"path": "a.txt"}])
        with pytest.raises(Invalid, match="does not show this line"):
            write_remark(tenant.actor("developer"), change, NewRemark(head, "a.txt", last + 1, "Nobody sees this."))
