"""A rejected commit is followed by a newer one, by what was written down when the commits were made."""

import pytest

from gpu_workers.evidence import judge_commit
from gpu_workers.models import ChangeRequest, CIRun, Run, RunStep
from gpu_workers.tests.test_fences import queued
from guildhall.kernel.tenancy import tenant_scope
from tests.support.tenants import TestTenant

pytestmark = pytest.mark.integration
BASE, FIRST, SECOND, THIRD, REBASED, STRANGE = (letter * 40 for letter in "b123rs")


def commit(run: Run, round_: int, parent: str, sha: str) -> None:
    """What a run keeps of a commit: its step and CI's answer."""
    key = f"commit.{round_}"
    RunStep.objects.create(run=run, key=key, kind="commit", request={"parent": parent}, response={"sha": sha}, ok=True)
    ci(sha, f"run:{run.number}:{round_}")


def ci(sha: str, purpose: str) -> None:
    CIRun.objects.create(repository="till", sha=sha, purpose=purpose, status="passed")


def test_what_follows_a_rejected_commit(tenant: TestTenant) -> None:
    with tenant_scope(tenant.schema):
        run = queued(tenant)
        ci(BASE, "run:0:0")
        commit(run, 0, BASE, FIRST)
        commit(run, 1, FIRST, SECOND)
        commit(run, 2, SECOND, THIRD)
        ci(REBASED, "rebase")
        for sha in (FIRST, BASE, STRANGE):
            ci(sha, "qa:9")  # run again later, which makes no commit newer
        change = ChangeRequest.objects.create(
            number=1, task="SHOP-1.1", story="story:SHOP-1", title="t", repository="till", branch="b", run=run,
            base_sha=BASE, head_sha=FIRST, diff_hash="0" * 64, author="agent:mason",
        )  # fmt: skip

        def newer(sha: str, rejected: str) -> bool:
            ChangeRequest.objects.filter(pk=change.pk).update(head_sha=sha)
            return judge_commit("SHOP-1.1", sha, rejected).newer

        assert newer(FIRST, "")
        assert newer(SECOND, FIRST)
        assert newer(THIRD, FIRST)
        assert newer(REBASED, THIRD)
        assert not newer(FIRST, SECOND), "back to an older commit"
        assert not newer(FIRST, THIRD)
        assert not newer(BASE, FIRST)
        assert not newer(THIRD, REBASED), "back to what it was before the base moved"
        assert not newer(STRANGE, FIRST), "nobody here made it"
        assert not newer(SECOND, SECOND)
