"""Developers that commit in steps and hand their work in with words of their own, under the rules of every commit."""

import base64
import hashlib
import json

import pytest
from django.db.models.functions import Now

from governance.models import Assessment, Violation
from governance.selectors import active_policy
from gpu_workers.actions.runs import LeaseLost
from gpu_workers.folders import repository_folder
from gpu_workers.models import ChangeRequest, CIRun, Run, RunStep
from gpu_workers.repos import log
from gpu_workers.repos.git import git
from gpu_workers.runs.committing import wrong_in_range
from gpu_workers.runs.engine import execute
from guildhall.kernel.redaction import MARK
from guildhall.kernel.tenancy import tenant_scope
from tests.fakes.openai_server import Rule
from tests.story.scripts import JUDGE, RIGHT, WRONG, calling, handing_in, planning, verdicts, writing
from tests.story.test_bugfix_story import STORY
from tests.story.test_violations import call
from tests.support.clients import signed_in
from tests.support.policies import put_policy
from tests.support.pump import consume, relay
from tests.support.tenants import TestTenant
from tests.support.world import DEMO, World, files_of, scripted_model

pytestmark = pytest.mark.integration
TOKEN = "gh" + "p_" + "aB3" * 12
MESSAGE = f"""Say how a penny is rounded

Fixes #12 [skip ci] by {TOKEN[:2]}\u200b{TOKEN[2:]}
Signed-off-by: S <s@example.org>"""
BODY = [base64.b64encode(hashlib.sha512(line).digest())[:64].decode() for line in (b"1", b"2", b"3", b"4")]
"""Of a private key: no line of it is one, and no two."""


@pytest.fixture
def world(tenant: TestTenant) -> World:
    return World.build(tenant, "TILL", {**files_of(DEMO / "till"), "notes.md": b"# Notes\n"}, "python3 ci.py")


def worked(world: World) -> Run:
    with tenant_scope(world.tenant.schema):
        return Run.objects.get(kind="work")


def reworked() -> list[Rule]:
    """Commits what is wrong, leaves a note beside it, is told that CI is red, and hands in again."""
    red, fresh = ["CI did not pass"], ["Carry the task out now."]
    first = [
        call("write_file", path="till/basket.py", content=WRONG.replace("half up", "up")),
        call("git_commit", message=MESSAGE),
        call("git_commit", message="The same again"),
        call("write_file", path="notes.md", content="# Notes\nVAT is rounded \u202eup.\n"),
        handing_in("First words"),
    ]
    last = handing_in(
        f"<b>VAT</b> per line\nwith {TOKEN} [skip ci]", f"It closes #12.\n<script>alert(1)</script>\nKey: {TOKEN}"
    )
    again = [call("write_file", path="till/basket.py", content=RIGHT), last]
    return [
        *planning(),
        *calling(again, contains=red),
        *calling(first, contains=fresh, without=red),
        *verdicts(),
    ]


def test_commits_of_an_agent_are_its_change_and_its_last_words_stand_over_it(world: World) -> None:
    with scripted_model(reworked()):
        story = world.story(**STORY)
        world.settle()
    run, asked = worked(world), world.approval(world.task(story))
    assert run.state == "succeeded", run.reason
    with tenant_scope(world.tenant.schema):
        change = ChangeRequest.objects.get()
        risk = Assessment.objects.get(effect="open_change_request").components["risk"]
        commits = log(repository_folder("till"), change.head_sha, change.base_sha)
        said = [(one.subject, one.body) for one in commits]
        nothing = RunStep.objects.get(run=run, key="executor.3.1")
        judged = set(CIRun.objects.filter(purpose__startswith="run:").values_list("sha", flat=True))
        given = json.dumps(list(run.steps.values_list("request", "response")))
    title = "TILL-1.1: Round VAT on each line"
    body = f"Fixes issue #12 (skip ci) by {MARK}\nSigned-off-by: S <s@example.org>\n\nRun 2."
    assert said == [(title, ""), (title, ""), ("TILL-1.1: Say how a penny is rounded", body)]
    assert (nothing.ok, "nothing to commit" in str(nothing.response)) == (False, True)
    assert judged == {one.sha for one in commits[:2]}, "CI judged the last commit of each round"
    assert run.head_sha == change.head_sha == commits[0].sha
    assert change.title == f"<b>VAT</b> per line with {MARK} (skip ci)"
    assert change.description == f"It closes issue #12.\n<script>alert(1)</script>\nKey: {MARK}"
    assert TOKEN not in given
    assert asked is not None
    assert (asked.risk, asked.quorum, asked.binding["hidden_characters"], risk) == ("high", 2, ["notes.md"], "0.5")
    assert asked.summary.startswith(
        "It adds characters that nobody sees, or that change how a line reads, to notes.md.\n"
    )
    browser = signed_in(world.tenant, world.tenant.member("developer"))
    page = browser.get(f"/changes/{change.number}/").content.decode()
    assert "&lt;b&gt;VAT&lt;/b&gt; per line" in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<script>alert(1)" not in page
    told = browser.get(f"/api/v1/changes/{change.number}/").json()
    assert [one["subject"] for one in told["commits"]] == [subject for subject, _ in said]
    assert (told["description"], told["commits"][2]["body"]) == (change.description, body)


def stubborn() -> list[Rule]:
    """Tries to commit a key, then a file that it may not touch, then a key in two halves; puts all of it right each time."""
    whole = 'python3 -c \'print("token = " + "gh" + "p_" + "aB3" * 12)\' > till/keys.py'
    half = f"printf '%s\\n' {BODY[0]} {BODY[1]} > till/key.txt"
    other = f"printf '%s\\n' {BODY[2]} {BODY[3]} >> till/key.txt"
    calls = [
        call("run_command", command=whole),
        call("git_commit", message="Keep the key"),
        call("run_command", command="rm till/keys.py; mkdir payments; echo 1 > payments/rate.txt"),
        call("git_commit", message="Set the rate"),
        call("run_command", command=f"rm -r payments; {half}"),
        call("git_commit", message="Half of it"),
        call("run_command", command=other),
        call("git_commit", message="The other half"),
        call("run_command", command="rm till/key.txt"),
        call("write_file", path="till/basket.py", content=RIGHT),
        call("git_commit", message="Round on each line"),
        handing_in(),
    ]
    return [*planning(), *calling(calls), *verdicts()]


def test_no_commit_of_an_agent_holds_what_no_commit_may_hold(world: World) -> None:
    with tenant_scope(world.tenant.schema):
        text = active_policy().text.replace('    - ".gitmodules"', '    - "Payments/**"')
        put_policy(world.tenant, text.replace("stop_after: 3", "stop_after: 0"))
    with scripted_model(stubborn()):
        world.story(**STORY)
        world.settle()
    run = worked(world)
    assert run.state == "succeeded", world.told()
    with tenant_scope(world.tenant.schema):
        found = Violation.objects.filter(subject=run.ref).order_by("id")
        assert [(row.kind, row.effect) for row in found] == [
            ("secret", "blocked"),
            ("path", "blocked"),
            ("secret", "blocked"),
        ]
        tried = [f"executor.{turn}.1" for turn in (2, 4, 6, 8, 11)]
        steps = {step.key: step for step in run.steps.filter(key__in=tried)}
        assert [steps[key].ok for key in tried] == [False, False, True, False, True]
        told = [str((steps[key].response or {})["text"]) for key in tried]
        assert "Nothing was committed.\nA secret was about to be committed: till/keys.py." in told[0]
        assert "payments/rate.txt" in told[1]
        change, repo = ChangeRequest.objects.get(), repository_folder("till")
        assert len(log(repo, change.head_sha, change.base_sha)) == 2
        assert wrong_in_range(repo, change.base_sha, change.head_sha) == []
        everything = git(repo, "log", "-p", change.head_sha)
    assert [part for part in (TOKEN, "payments", *BODY[2:]) if part.encode() in everything] == []


def test_what_a_later_commit_takes_out_again_is_in_the_history_and_is_refused(world: World) -> None:
    """The policy forbids a file after its commit was made; the change as a whole does not touch it any more."""
    calls = [
        call("write_file", path="ledger/rates.txt", content="20\n"),
        call("git_commit", message="Note the rate"),
        call("run_command", command="rm -r ledger"),
        call("git_commit", message="Note it elsewhere"),
        call("write_file", path="till/basket.py", content=RIGHT),
        handing_in(),
    ]
    with scripted_model([*planning(), *calling(calls), *verdicts()]):
        world.story(**STORY)
        run = begun(world)
        with tenant_scope(world.tenant.schema):
            die_after(run, "executor.4.1")
            put_policy(world.tenant, active_policy().text.replace('    - ".gitmodules"', '    - "Ledger/**"'))
            execute(run.number)
        world.settle()
    run = worked(world)
    assert (run.state, "ledger/rates.txt" in run.reason) == ("escalated", True), world.told()
    with tenant_scope(world.tenant.schema):
        assert not ChangeRequest.objects.exists()
        assert CIRun.objects.get(purpose__startswith="run:").status == "passed", "CI saw nothing wrong"


def begun(world: World) -> Run:
    """The run of the story's task, made and not begun."""
    while not (found := _work(world)):
        relay()
        consume(world.tenant.schema)
        with tenant_scope(world.tenant.schema):
            for number in Run.objects.filter(state="queued").exclude(kind="work").values_list("number", flat=True):
                execute(number)
    return found


def _work(world: World) -> Run | None:
    with tenant_scope(world.tenant.schema):
        return Run.objects.filter(kind="work").first()


def die_after(run: Run, step: str) -> None:
    """A worker does the run's work up to this step, and is not heard of any more."""

    def observe(boundary: str, key: str) -> None:
        if (boundary, key) == ("done", step):
            raise LeaseLost("this worker is dead")

    execute(run.number, observe)
    Run.objects.filter(pk=run.pk).update(lease_until=Now())


def test_an_agent_whose_policy_or_prompt_knows_no_hand_in_ends_as_before(world: World) -> None:
    """A policy older than the tools does not name them: neither is offered, and the task's title stands over the change."""
    with tenant_scope(world.tenant.schema):
        text = active_policy().text
        put_policy(world.tenant, text.replace("    - git_commit\n    - open_change_request\n", ""))
    script = calling([call("write_file", path="till/basket.py", content=RIGHT), call("finish", summary="Done")])
    with scripted_model([*planning(), *script, *verdicts()]) as model:
        world.story(**STORY)
        world.settle()
        asked = [json.loads(one) for one in model.asked if "Carry the task out now." in one]
    assert worked(world).state == "succeeded", world.told()
    offered = [{tool["function"]["name"] for tool in one["tools"]} for one in asked]
    assert all("finish" in names and not {"git_commit", "open_change_request"} & names for names in offered)
    with tenant_scope(world.tenant.schema):
        change = ChangeRequest.objects.get()
        assert (change.title, change.description) == ("Round VAT on each line", "")


def test_other_roles_are_refused_before_anything_runs(world: World) -> None:
    """A reviewer that would commit is told no, and it is a violation."""
    calls = [call("git_commit", message="Mine now"), call("open_change_request", title="Mine", description="")]
    fixing = writing(RIGHT, contains=["Carry the task out now."], commits="Round on each line")
    script = [*planning(), *fixing, *calling(calls, contains=[JUDGE]), *verdicts()]
    with scripted_model(script):
        world.story(**STORY)
        world.settle()
    with tenant_scope(world.tenant.schema):
        change = ChangeRequest.objects.get()
        [review] = Run.objects.filter(kind="review")
        found = Violation.objects.filter(subject=review.ref).order_by("id")
        assert [(row.kind, row.rule) for row in found] == [("tool", "git_commit"), ("tool", "open_change_request")]
        assert len(log(repository_folder("till"), change.head_sha, change.base_sha)) == 1
        assert change.title == "VAT is rounded on each line"
