"""A person pushes a branch to a repository on GitHub and hands it in by its name; what is pushed later changes nothing."""

import base64
import os
import re
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db.models.functions import Now

from governance.selectors import active_policy
from gpu_workers.forges.connecting import Wish, connect
from gpu_workers.handing_in import carry_out_hand_in
from gpu_workers.models import ChangeRequest, CIRun, HandIn, PullRequest
from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import Conflict, Invalid
from tests.fakes.github import FULL_NAME, TOKEN, GitHubServer
from tests.story.test_handed_in_by_people import FILES, RIGHT, WRONG, act, hand_in, judge, planned
from tests.support.evidence import trail
from tests.support.policies import put_policy
from tests.support.tenants import TestTenant
from tests.support.world import World
from workflows.actions import create_project
from workflows.models import Task

pytestmark = pytest.mark.integration
KEY = "AKIA" + "QYLPMN5HHHFPZAM2"
LINT = "E999: it shouts too loud"


@pytest.fixture
def hub(tmp_path: Path, settings: Any) -> Iterator[GitHubServer]:
    settings.FORGE_LOOPBACK = True
    with GitHubServer(tmp_path / "hub") as server:
        server.start(FILES)
        yield server


class Desk:
    """Where a person works: a clone of the repository on GitHub, made and pushed from with git over http."""

    def __init__(self, hub: GitHubServer, folder: Path) -> None:
        self.folder, self.url = folder, f"{hub.at}/git/{FULL_NAME}.git"
        folder.mkdir()
        self.git("clone", "--quiet", self.url, ".")

    def git(self, *words: str) -> str:
        basic = base64.b64encode(f"x-access-token:{TOKEN}".encode()).decode()
        who = {f"GIT_{part}_{what}": "ada" for part in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        environment = {"PATH": os.environ.get("PATH", os.defpath), "GIT_CONFIG_GLOBAL": "/dev/null", **who}
        command = ["git", "-c", f"http.extraHeader=Authorization: Basic {basic}", *words]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, check=True, env=environment)
        return done.stdout.decode().strip()

    def push(self, branch: str, *commits: dict[str, str], start: tuple[str, ...] = ("origin/main",)) -> str:
        """Put `branch` there on a line of commits with these files, whatever it was on; its head."""
        self.git("checkout", "--quiet", *(("-B", branch, *start) if start else ("--orphan", branch)))
        for number, files in enumerate(commits):
            for path, text in files.items():
                (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
                (self.folder / path).write_text(text)
            self.git("add", "--all")
            self.git("commit", "--quiet", "--message", f"Step {number}")
        self.git("push", "--quiet", "--force", "origin", f"HEAD:refs/heads/{branch}")
        return self.git("rev-parse", "HEAD")

    def sign(self, branch: str, words: str, others: str) -> None:
        """Put `branch` there on its last commit with `others` in place of `words`."""
        self.git("checkout", "--quiet", branch)
        (self.folder / ".git" / "signed").write_text(
            self.git("cat-file", "commit", "HEAD").replace(words, others) + "\n"
        )
        signed = self.git("hash-object", "-w", "-t", "commit", ".git/signed")
        self.git("push", "--quiet", "--force", "origin", f"{signed}:refs/heads/{branch}")


def connected(tenant: TestTenant, hub: GitHubServer) -> tuple[World, Task]:
    """A world whose repository is the fake's, and its one task."""
    with tenant.scope():
        policy = active_policy().text.replace("held_on: [plan]", "held_on: []")
        put_policy(tenant, policy.replace("change_requests_per_hour: 10", "change_requests_per_hour: 50"))
        admin, ci = tenant.actor("admin"), "python3 check.py"
        connect(actor=admin, wish=Wish("echo", FULL_NAME, TOKEN, ci, hub.url))
        project = create_project(actor=admin, key="ECHO", name="Echo", repository="echo", ci_command=ci)
    world = World(tenant, project)
    return world, planned(world)


def carried_out(world: World, made: HandIn) -> HandIn:
    """A hand-in after a worker had it, now that whatever it waited for is due."""
    with world.tenant.scope():
        HandIn.objects.filter(pk=made.pk).update(retry_at=None)
        carry_out_hand_in(made.pk)
        return HandIn.objects.get(pk=made.pk)


def test_a_pushed_branch_is_fetched_once_judged_approved_and_merged(
    tenant: TestTenant, hub: GitHubServer, tmp_path: Path
) -> None:
    (world, task), desk = connected(tenant, hub), Desk(hub, tmp_path / "desk")
    first, ada = hub.head(), tenant.actor("developer", name="ada")
    act(world, ada, "claim_task")
    sha = desk.push("fix-shouting", {os.fsdecode(b"caf\xe9.txt"): "Loud.\n"}, {"shout.py": RIGHT})
    made = carried_out(world, hand_in(world, ada, pushed="fix-shouting"))
    assert (made.state, made.head_sha, made.base_sha) == ("waiting", sha, first), made.reason
    assert "checks" in made.reason
    assert (hub.head(made.branch), hub.pulls) == (sha, []), "its checks are asked before there is a change"
    with pytest.raises(Conflict, match="in work"):
        hand_in(world, ada, pushed="fix-shouting")
    later = desk.push("fix-shouting", {"shout.py": WRONG})
    hub.judge(sha, "success")
    made = carried_out(world, made)
    assert (made.state, made.head_sha) == ("green", sha), made.reason
    with tenant.scope():
        change, pull = ChangeRequest.objects.get(), PullRequest.objects.get()
        assert (change.author, change.head_sha, change.base_sha) == (ada.ref, sha, first)
        assert [file["path"] for file in change.files] == ["caf\ufffd.txt", "shout.py"], "a name that is no text"
        ci = CIRun.objects.filter(sha=sha).order_by("id").values_list("purpose", "status", "passed")
        assert list(ci) == [(f"hand-in:{made.pk}", "passed", 0), (f"forge:hand-in:{made.pk}", "passed", 3)]
    assert (pull.branch, len(hub.pulls)) == (hub.pulls[0]["head"]["ref"], 1)
    assert pull.branch.startswith(f"guildhall/{task.reference}-"), "a branch of the platform's own"
    assert (hub.head(pull.branch), hub.head("fix-shouting")) == (sha, later)
    act(world, ada, "commit_code", commit_sha=sha)
    judge(world, sha)
    approval = world.approval(task)
    assert approval is not None
    assert approval.binding["commit_sha"] == sha
    world.approve(approval)
    world.settle()
    assert world.task(task.story).state == "done"
    assert (hub.git("rev-parse", "main^2"), hub.count("PUT")) == (sha, 1)
    assert hub.git("show", "main:shout.py") + "\n" == RIGHT
    with tenant.scope():
        assert TOKEN not in trail()


def branches(desk: Desk) -> dict[str, str]:
    """What may not be handed in, pushed under these names; the words with which it is refused."""
    desk.push("level")
    desk.push("leaky", {"config.py": f'KEY = "{KEY}"\n'}, {"config.py": "", "shout.py": RIGHT})
    desk.push("settings", {"app/.env": "LOUD=1\n", "shout.py": RIGHT})
    desk.push("aside", {"notes.txt": "Loud.\n"})
    desk.push("merged", {"shout.py": RIGHT})
    desk.git("merge", "--quiet", "--no-ff", "--message", "Both", "aside")
    desk.git("push", "--quiet", "origin", "merged")
    desk.push("quiet", {"shout.py": WRONG})
    desk.push("lint", {"shout.py": RIGHT})
    desk.push("stranger", {"shout.py": RIGHT}, start=())
    for branch, who in (("written-as-ours", "author"), ("put-as-ours", "committer")):
        desk.push(branch, {"shout.py": RIGHT})
        desk.sign(branch, f"{who} ada <ada>", f"{who} Guildhall <revert-1@Guildhall.invalid>")
    return {
        "written-as-ours": "an address that only this platform signs with",
        "put-as-ours": "an address that only this platform signs with",
        "never-pushed": "There is no branch never-pushed",
        "main": "There is no branch main with work of yours",
        "level": "no commit that the default branch does not have",
        "stranger": "no commit in common",
        "merged": "is a merge",
        "leaky": "a secret in config.py",
        "settings": "The policy lets no change touch",
        "quiet": "CI is red on",
    }


def test_what_is_wrong_with_a_branch_is_said_and_nothing_of_it_goes_to_github(
    tenant: TestTenant, hub: GitHubServer, tmp_path: Path
) -> None:
    (world, _), desk = connected(tenant, hub), Desk(hub, tmp_path / "desk")
    ada, bob = tenant.actor("developer", name="ada"), tenant.actor("developer", name="bob")
    act(world, ada, "claim_task")
    for foreign in ("octavia:fix", f"{hub.at}/git/other/till.git", "guildhall/mine", "--upload-pack=x", "refs/../main"):
        with pytest.raises(Invalid):
            hand_in(world, ada, pushed=foreign)
    wrong = branches(desk)
    there = hub.branches()
    for branch, why in wrong.items():
        made = carried_out(world, hand_in(world, ada, pushed=branch))
        assert why in made.reason, (branch, made.state, made.reason)
        assert made.state == ("red" if branch == "quiet" else "refused")
    assert (hub.branches(), hub.pulls) == (there, [])
    taken_or_lost(world, hub, desk, ada, bob)
    with tenant.scope():
        assert not ChangeRequest.objects.exists()
        assert KEY not in trail()


def taken_or_lost(world: World, hub: GitHubServer, desk: Desk, ada: Actor, bob: Actor) -> None:
    """GitHub's checks never end, fail, somebody sits on the platform's branch, the token is revoked, the claim ends."""
    made = carried_out(world, hand_in(world, ada, pushed="lint"))
    assert made.state == "waiting", made.reason
    with world.tenant.scope():
        HandIn.objects.filter(pk=made.pk).update(waiting_since=Now() - timedelta(hours=2))
    made = carried_out(world, made)
    assert (made.state, "Given up" in made.reason) == ("refused", True)
    hub.opinion = lambda sha: hub.judge(sha, "failure", text="1 problem", log=LINT)
    made = carried_out(world, hand_in(world, ada, pushed="lint"))
    assert made.state == "red", made.reason
    with world.tenant.scope():
        assert LINT in CIRun.objects.get(purpose=f"forge:hand-in:{made.pk}").log
    made = hand_in(world, ada, pushed="lint")
    squatted = hub.commit(made_branch(world, made, ada), {"shout.py": b"pass\n"}, [hub.head()])
    made = carried_out(world, made)
    assert (made.state, made.reason) == ("refused", f"Somebody else has pushed {squatted[:12]} to {made.branch}.")
    made, hub.token = hand_in(world, ada, pushed="lint"), "another-token"
    made = carried_out(world, made)
    assert made.state == "waiting", "an admin can put that right"
    assert "cannot be reached" in made.reason
    assert TOKEN not in made.reason
    act(world, ada, "release")
    act(world, bob, "claim_task")
    asked = len(hub.journal)
    made = carried_out(world, made)
    assert (made.state, len(hub.journal)) == ("refused", asked), "nothing is fetched for a claim that has ended"
    assert "claim" in made.reason
    assert hand_in(world, bob, pushed="lint").state == "waiting", "it stands in nobody's way"


def made_branch(world: World, made: HandIn, person: Actor) -> str:
    """Where the platform will put it."""
    slug = re.sub(r"[^A-Za-z0-9]+", "-", person.id).strip("-")
    return f"guildhall/{made.task}-{slug}-{made.pk}"
