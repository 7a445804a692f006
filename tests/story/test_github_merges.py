"""What GitHub says in the moment of the merge: its checks as they are by then, and its refusals of the merge itself."""

import pytest

from governance.actions.approvals import request_approval
from governance.actions.outcomes_held import retry_approval
from governance.models import Approval
from governance.views import ApprovalView
from gpu_workers.evidence import merge_binding
from gpu_workers.folders import repository_folder
from gpu_workers.models import ChangeRequest, CIRun, Errand, ForgeConnection
from gpu_workers.models.change import fingerprint_of
from gpu_workers.repos import diff_hash
from guildhall.kernel.tenancy import tenant_scope
from tests.fakes.github import GitHubServer
from tests.story.test_handing_out import planned
from tests.support.errands import OURS, go_on, later, proposed, states
from tests.support.world import World

pytestmark = pytest.mark.integration
BRANCH = OURS.format(1)
NOT_ALLOWED = "Merge commits are not allowed on this repository."
TRY_AGAIN = "Base branch was modified. Review and try the merge again."


def question(world: World, hub: GitHubServer) -> ApprovalView:
    """What people are asked about a change that is judged and whose pull request is open."""
    change = proposed(world, hub, 1, BRANCH)
    sha = change.head_sha
    with tenant_scope(world.tenant.schema):
        folder = repository_folder("till")
        hub.git("push", "--quiet", str(folder), f"{BRANCH}:{BRANCH}")
        ChangeRequest.objects.update(diff_hash=diff_hash(folder, change.base_sha, sha))
        passed = {"status": "passed", "command_sha256": fingerprint_of("true")}
        CIRun.objects.create(repository="till", sha=sha, purpose="run:1:0", **passed)
        judges = {"reviewer": "agent:alder", "tester": "agent:quinn"}
        planned(world.project, 1, "ready_to_review", 1, task_state="pending_po_approval", commit_sha=sha, **judges)
        about = {"kind": "merge", "subject": f"task:{change.task}", "title": "Merge it", "risk": "low"}
        return request_approval(actor=world.tenant.system(), binding=merge_binding(change.task, sha), **about)


def waits(world: World) -> tuple[str, int]:
    """Why the approval is not carried out, and whether it is tried again by itself."""
    assert states(world) == ["open"]
    with tenant_scope(world.tenant.schema):
        return Approval.objects.get(kind="merge").held_reason, Errand.objects.count()


def again(world: World, asked: ApprovalView) -> None:
    """A person has it tried again."""
    with tenant_scope(world.tenant.schema):
        retry_approval(actor=world.owner, approval=asked.number, reason="It should be mended at GitHub.")
    go_on(world)


def require_checks(world: World, *, required: bool) -> None:
    with tenant_scope(world.tenant.schema):
        ForgeConnection.objects.update(requires_checks=required)


def test_what_was_approved_is_merged_only_as_github_has_it_in_that_moment(world: World, hub: GitHubServer) -> None:
    asked = question(world, hub)
    sha = str(asked.binding["commit_sha"])
    before, short, note = hub.head(), sha[:12], hub.note
    hub.judge(sha, None)
    world.approve(asked)
    go_on(world)
    assert waits(world) == (f"GitHub's checks on {short} have not all ended.", 1)
    hub.judge(sha, "failure")
    later(world)
    assert waits(world) == (f"GitHub's checks on {short} have failed.", 0)
    assert hub.count("PUT") == 0

    def overtake(line: str) -> None:
        note(line)
        if line.startswith("PUT"):
            hub.commit(BRANCH, {"backdoor.py": b"x = 1\n"}, [sha])

    hub.judge(sha, "success")
    hub.note = overtake  # type: ignore[method-assign]
    again(world, asked)
    moved = f"Pull request #1 is not at {short} any more: Head branch was modified. Review and try the merge again."
    assert waits(world) == (moved, 0)
    hub.git("update-ref", f"refs/heads/{BRANCH}", sha)
    hub.note, hub.forbids = note, NOT_ALLOWED  # type: ignore[method-assign]
    again(world, asked)
    assert waits(world) == (f"GitHub takes pull request #1 not as it was approved: {NOT_ALLOWED}", 0)
    hub.forbids = TRY_AGAIN
    again(world, asked)
    assert waits(world) == (f"GitHub does not merge pull request #1 yet: {TRY_AGAIN}", 1)
    hub.forbids = ""
    hub.runs.clear()
    require_checks(world, required=True)
    later(world)
    assert waits(world) == (f"GitHub's checks on {short} have not all ended.", 1), "none has begun"
    assert hub.head() == before
    require_checks(world, required=False)
    later(world)
    assert (states(world), hub.git("rev-parse", "main^2"), hub.count("PUT")) == (["merged"], sha, 4)
    with tenant_scope(world.tenant.schema):
        assert Approval.objects.get(kind="merge").state == "executed"
