"""Plans of migrations applied in real runs: people allow each one and read what is applied, whatever the agent may do else."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.db.models.functions import Now

from governance.actions.release import hold_environment, release_environment
from governance.actions.reputation import adjust_reputation
from governance.selectors import active_policy, approval, latest_approval
from governance.tests.asking import answer
from governance.views import ApprovalView
from gpu_workers import databases
from gpu_workers.applying.database import DatabaseApplier
from gpu_workers.applying.orders import Order, mark_of
from gpu_workers.applying.plans import Applicable
from gpu_workers.dispatch import dispatch
from gpu_workers.folders import repository_folder
from gpu_workers.forges.vault import Opening
from gpu_workers.loop import Permission, Verdict
from gpu_workers.models import Agent, ChangeRequest, CIRun, ProjectMigrator, Repository, Run, RunStep
from gpu_workers.models.change import fingerprint_of
from gpu_workers.reach.migrating import Done
from gpu_workers.reach.querying import Database
from gpu_workers.repos import Signature
from gpu_workers.repos.git import git
from gpu_workers.repos.repository import REGULAR, TreeFile, commit_tree, write_blob, write_tree
from gpu_workers.runs.approving import RunApprover
from gpu_workers.runs.engine import execute
from gpu_workers.tests.shop_database import Server
from guildhall.evidence.selectors import recent
from guildhall.kernel.errors import Conflict, Denied
from guildhall.kernel.tenancy import tenant_scope
from tests.fakes.openai_server import Rule
from tests.support.clients import signed_in
from tests.support.evidence import secret_reads, trail
from tests.support.mortal import Mortal
from tests.support.policies import put_policy
from tests.support.pump import consume, relay
from tests.support.tenants import TestTenant
from tests.support.world import World, scripted_model
from workflows.models import Story, Strategy, Task

pytestmark = pytest.mark.integration
NUMBERS = itertools.count(1)
SCRIPT = """BEGIN;
CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL);
-- Running upgrade  -> a1
CREATE TABLE orders (id int PRIMARY KEY, note text DEFAULT 'new; 100%');
INSERT INTO alembic_version (version_num) VALUES ('a1') RETURNING alembic_version.version_num;
COMMIT;
"""
STAND_IN = """import sys
print("INFO  [alembic.runtime.migration] Context impl PostgresqlImpl.", file=sys.stderr)
print(open("script.sql").read())
"""
SHOP = {
    "ci.py": b"open('db/script.sql', 'a').write('DROP TABLE orders;')\n",
    "db/alembic.ini": b"",
    "db/versions/a.py": b"revision = 'a1'\ndown_revision = None\n",
    "db/alembic/__main__.py": STAND_IN.encode(),
    "db/script.sql": SCRIPT.encode(),
}
"""A project that says what Alembic would, and whose tests leave another script behind."""
PLAN, APPLY = ("migrate_plan", dict[str, str]()), ("migrate_apply", {"plan": "executor.1.1"})
END = ("finish", {"summary": "The orders have a table."})


@dataclass
class Yard:
    """A project with a database of its own, and a data agent who has earned everything and may do all that policy lets."""

    world: World
    server: Server
    name: str = field(default_factory=lambda: f"yard{next(NUMBERS)}")

    def begin(self) -> None:
        owner, tenant = f"{self.name}_owner", self.world.tenant
        self.server.run(f"CREATE ROLE {owner} LOGIN PASSWORD 'owns-{owner}'", name="postgres")
        assert self.server.run(f"CREATE DATABASE {self.name} OWNER {owner}", name="postgres")
        with tenant_scope(tenant.schema):
            admin = tenant.actor("admin")
            databases.connect_for_migrations(actor=admin, project="YARD", address=self.login, schemas=["public"])
            strategy = Strategy.objects.create(project=self.world.project, goal="Orders.", autonomy="L3")
            story = Story.objects.create(
                project=self.world.project, number=1, reference="YARD-1", title="Orders", state="in_progress",
                strategy=strategy,
            )  # fmt: skip
            about: dict[str, Any] = {"title": "Apply it", "role": "data", "size": "S", "risk": "low", "state": "todo"}
            Task.objects.create(story=story, number=1, rank=1, reference="YARD-1.1", **about)
            Agent.objects.filter(role="data").update(autonomy_cap="L3")
            for agent in Agent.objects.filter(role="data"):
                adjust_reputation(actor=admin, agent=agent.ref, points=100, source="test", reason="It has earned this.")

    @property
    def login(self) -> str:
        return self.server.at(f"{self.name}_owner:owns-{self.name}_owner", name=self.name)

    def has(self, question: str = "SELECT to_regclass('orders') IS NOT NULL") -> Any:
        with psycopg.connect(self.login) as db:
            row = db.execute(question.encode()).fetchone()
        assert row is not None
        return row[0]

    def work(self) -> None:
        with tenant_scope(self.world.tenant.schema):
            dispatch()
        self.world.settle()

    @property
    def run(self) -> Run:
        return self.world.runs()[-1]

    def asked(self) -> ApprovalView:
        with tenant_scope(self.world.tenant.schema):
            found = latest_approval(self.run.ref, kind="deployment")
        assert found is not None, self.world.told()
        return found

    def allow(self) -> None:
        """The two people that a question of high risk needs."""
        asked, tenant = self.asked(), self.world.tenant
        with tenant_scope(tenant.schema):
            for role in ("product_owner", "devops"):
                answer(tenant.actor(role), asked)

    def told(self) -> list[str]:
        """What is said of plans, up to which ones, in order."""
        with tenant_scope(self.world.tenant.schema):
            rows = recent(kinds=["delivery.plan.apply_begun", "delivery.plan.apply_ended"])
        return [str(row["sentence"]).partition(" plan executor.")[0] for row in reversed(rows)]

    def said(self, key: str) -> str:
        with tenant_scope(self.world.tenant.schema):
            return str((RunStep.objects.get(run=self.run, key=key).response or {})["text"])


@pytest.fixture
def yard(tenant: TestTenant, server: Server, settings: Any) -> Yard:
    settings.TOOL_NETWORKS = "127.0.0.0/8"
    made = Yard(World.build(tenant, "YARD", SHOP, "python3 ci.py"), server)
    made.begin()
    return made


def script(*turns: tuple[str, dict[str, Any]]) -> list[Rule]:
    return [
        {"when": {"turns": turn}, "reply": {"tool_calls": [{"name": name, "arguments": arguments}]}}
        for turn, (name, arguments) in enumerate(turns)
    ]


def test_what_people_read_and_allowed_is_applied_once_whatever_the_workspace_holds_by_then(yard: Yard) -> None:
    tenant = yard.world.tenant
    with scripted_model(
        script(PLAN, ("run_tests", {}), PLAN, APPLY, APPLY, ("migrate_apply", {"plan": "executor.3.1"}), END)
    ):
        yard.work()
        asked = yard.asked()
        assert (yard.run.state, asked.state, asked.risk, asked.quorum) == ("waiting", "pending", "high", 2)
        assert "whatever the autonomy" in asked.summary, "an agent at L3 with all reputation is asked about as well"
        assert (": apply a plan to " in asked.title, "executor" in asked.title) == (True, False), asked.title
        facts = {name: asked.binding[name] for name in ("plan", "environment", "commit_sha", "step")}
        assert facts == {
            "plan": "executor.1.1", "environment": "yard:main", "commit_sha": yard.world.head(), "step": "executor.4.1",
        }  # fmt: skip
        page = signed_in(tenant, tenant.member("devops")).get(f"/approvals/{asked.number}/").content.decode()
        for line in (
            "CREATE TABLE orders (id int PRIMARY KEY, note text DEFAULT &#x27;new; 100%&#x27;);",
            "From",
            "a1",
        ):
            assert line in page
        assert "DROP TABLE orders" not in page
        assert "owns-" not in page
        with tenant_scope(tenant.schema):
            answer(tenant.actor("product_owner"), asked)
        yard.work()
        assert not yard.has(), "one of two people is not enough"
        with tenant_scope(tenant.schema):
            answer(tenant.actor("devops"), asked)
        yard.work()
        assert yard.has("SELECT version_num FROM alembic_version") == "a1", yard.world.told()
        assert "1 of 1 migrations are applied" in yard.said("executor.4.1")
        with tenant_scope(tenant.schema):
            done = approval(tenant.actor("admin"), asked.number)
            with pytest.raises(Conflict):
                answer(tenant.member("product_owner", name="Another").actor, asked)
            opened = [read for read in secret_reads() if read[2] == "migrating login's address"]
            assert "owns-" not in trail()
        assert (done.state, (done.outcome or {})["deployed_sha"]) == ("executed", yard.world.head())
        assert opened == [
            (
                "project:YARD",
                yard.run.agent.ref,
                "migrating login's address",
                f"applying plan executor.1.1 of run {yard.run.number}",
            )
        ]
        # The same plan again is another question, and the database has it by then.
        again = yard.asked()
        assert (again.number != asked.number, again.state, again.binding["step"]) == (True, "pending", "executor.5.1")
        yard.allow()
        yard.work()
    assert "The database is at the version a1, not at none." in yard.said("executor.5.1")
    with tenant_scope(tenant.schema):
        assert approval(tenant.actor("admin"), again.number).state == "void", "nothing is tried twice under one answer"
    assert "it was not made from the files of the commit" in yard.said("executor.3.1")
    assert "Nothing was applied. This plan cannot be applied" in yard.said("executor.6.1")


def test_what_people_refuse_or_what_outgrew_their_answer_is_not_applied(yard: Yard) -> None:
    tenant = yard.world.tenant
    admin = tenant.actor("admin")
    with scripted_model(script(PLAN, APPLY, APPLY, END)):
        yard.work()
        first = yard.asked()
        with tenant_scope(tenant.schema):
            with pytest.raises(Conflict):
                answer(tenant.actor("devops"), first, binding_hash="0" * 64)
            with pytest.raises(Denied):
                answer(tenant.actor("developer"), first)
            answer(tenant.actor("devops"), first, "reject")
        yard.work()
        second = yard.asked()
        assert (second.binding["step"], second.state) == ("executor.3.1", "pending"), "a no is to one call"
        yard.allow()
        with tenant_scope(tenant.schema):
            put_policy(tenant, active_policy().text.replace("expires_hours: 24", "expires_hours: 48", 1))
        yard.work()
        third = yard.asked()
        assert (third.number > second.number, third.state) == (True, "pending"), "the policy has changed"
        yard.allow()
        with tenant_scope(tenant.schema):
            ProjectMigrator.objects.update(place="elsewhere:5432/yard")
        yard.work()
        fourth = yard.asked()
        assert (fourth.state, fourth.binding["place"]) == ("pending", "elsewhere:5432/yard (public)")
        with tenant_scope(tenant.schema):
            step = RunStep.objects.get(run=yard.run, key="executor.1.1")
            assert step.response is not None
            step.response["plan"]["parts"][0]["text"] = "DROP TABLE orders;"
            step.save(update_fields=["response"])
        page = signed_in(tenant, tenant.member("devops")).get(f"/approvals/{fourth.number}/").content.decode()
        assert ("DROP TABLE" in page, "What was kept is not the plan that was made" in page) == (False, True)
        yard.allow()
        yard.work()
    assert yard.said("executor.3.1") == "Nothing was applied. What was kept is not the plan that was made."
    with tenant_scope(tenant.schema):
        assert [approval(admin, one.number).state for one in (first, second, third)] == ["rejected", "void", "void"]
        assert "place" in approval(admin, third.number).state_reason
    assert not yard.has()


def test_a_worker_that_dies_anywhere_loses_nothing_and_does_nothing_twice(yard: Yard, tmp_path: Path) -> None:
    """Killed before it is applied, when it is applied and nothing is written down, and before the receipt."""
    schema = yard.world.tenant.schema
    mortal = Mortal(tmp_path / "deaths", lambda key: key if key == "executor.2.1" else "")
    with scripted_model(script(PLAN, APPLY, END)):
        yard.work()
        yard.allow()
        relay()
        consume(schema)
        while mortal.work_on(schema, yard.run.number):
            with tenant_scope(schema):
                Run.objects.filter(number=yard.run.number).update(lease_until=Now())
        yard.world.settle()
    assert [death.split(" ")[1] for death in mortal.boundaries()] == ["begun", "answered", "done"]
    assert yard.has("SELECT count(*) FROM alembic_version") == 1
    assert "applied by the worker before" in yard.said("executor.2.1")
    assert (yard.asked().state, (yard.asked().outcome or {})["healthy"]) == ("executed", True)
    assert yard.told() == ["began to apply", "goes on applying", "applied"], "each who acts there, and one end"


def test_a_freeze_keeps_what_was_allowed_waiting(yard: Yard) -> None:
    tenant = yard.world.tenant
    with scripted_model(script(PLAN, APPLY, END)):
        yard.work()
        yard.allow()
        with tenant_scope(tenant.schema):
            hold = hold_environment(
                actor=tenant.actor("devops"), kind="lock", environment="yard:*", reason="The sale has begun."
            )
        relay()
        consume(tenant.schema)
        with tenant_scope(tenant.schema):
            execute(yard.run.number)
        waits = yard.asked()
        assert (waits.state, "The sale has begun" in waits.held_reason, yard.has()) == ("approved", True, False)
        with tenant_scope(tenant.schema):
            release_environment(actor=tenant.actor("devops"), hold=hold.pk, reason="The sale is over.")
            Repository.objects.update(ci_command="python3 ci.py && true")
            Run.objects.update(retry_at=None)
        yard.work()
    assert (yard.asked().state, yard.has()) == ("executed", True), yard.world.told()
    with tenant_scope(tenant.schema):
        commands = CIRun.objects.order_by("id").values_list("command_sha256", flat=True)
        assert list(commands) == [fingerprint_of(f"python3 ci.py{more}") for more in ("", " && true")], "once by each"


@pytest.mark.parametrize("recorded", [True, False])
def test_what_was_taken_back_after_people_allowed_it_is_not_applied(yard: Yard, *, recorded: bool) -> None:
    """Whether the platform wrote it down, or somebody's commit took the migration away."""
    head, schema = yard.world.head(), yard.world.tenant.schema
    with scripted_model(script(PLAN, APPLY, END)):
        yard.work()
        yard.allow()
        with tenant_scope(schema):
            if recorded:
                about = {"title": "t", "repository": "yard", "branch": "b", "base_sha": head, "diff_hash": "0" * 64}
                ChangeRequest.objects.create(
                    number=99, task="YARD-9.9", story="story:YARD-9", author="agent:mason", state="reverted",
                    head_sha="a" * 40, merged_sha=head, **about,
                )  # fmt: skip
            else:
                repo = repository_folder("yard")
                kept = [TreeFile(b"ci.py", REGULAR, write_blob(repo, SHOP["ci.py"]))]
                tree = write_tree(repo, kept, repo / "scratch-index")
                who, when = Signature("Mason", "mason@example.org"), datetime(2026, 1, 1, tzinfo=UTC)
                git(repo, "update-ref", "refs/heads/main", commit_tree(repo, tree, [head], "Away", who, when))
        yard.work()
    said = "Change 99 was taken back" if recorded else "db/versions/a.py is not on main any more"
    assert said in yard.said("executor.2.1")
    assert (yard.asked().state, yard.has()) == ("void", False)


def test_carrying_out_believes_nobody_that_people_were_asked(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the loop was told of its call, and whosever plan it names."""
    monkeypatch.setattr(RunApprover, "_may_apply", lambda *_: Verdict(Permission.ALLOW))
    with tenant_scope(yard.world.tenant.schema):
        now = fingerprint_of(Repository.objects.get(name="yard").ci_command)
        CIRun.objects.create(
            repository="yard",
            sha=yard.world.head(),
            purpose="run",
            command_sha256=now,
            status="passed",
            passed=1,
            failed=0,
        )
    with scripted_model(script(PLAN, APPLY, ("migrate_apply", {"plan": "executor.9.9"}), END)):
        yard.work()
    assert yard.said("executor.2.1") == "Nothing was applied. Nobody was asked about it."
    assert "This run made no plan 'executor.9.9'" in yard.said("executor.3.1")
    applier, opening = DatabaseApplier(), Opening(yard.world.tenant.system("runner"), "a test")
    with tenant_scope(yard.world.tenant.schema):
        place, login = applier.place("YARD"), applier.login("YARD")
        order = Order("YARD", "executor.1.1", Applicable("database", ()), "c" * 40, "yard:main", place, login)
        assert order.facts()["login"] == login != ""
        for other in (replace(order, place="elsewhere:5432/yard (public)"), replace(order, login=mark_of("another"))):
            told = applier.apply(other, opening, again=False, cancel=None)
            assert (told.ok, "names another database or login now" in told.text) == (False, True)
        assert secret_reads() == []
    assert not yard.has()


def test_what_was_compared_is_what_is_called_whatever_is_named_in_between(
    yard: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    applier, called = DatabaseApplier(), list[Database]()

    def swapping(sealed: str) -> str:
        ProjectMigrator.objects.update(address="another", schemas=["elsewhere"])
        return mark_of(sealed)

    def migrate(database: Database, *_: object, **how: object) -> list[Done]:
        called.append(database)
        return []

    with tenant_scope(yard.world.tenant.schema):
        place, login = applier.place("YARD"), applier.login("YARD")
        order = Order("YARD", "executor.1.1", Applicable("database", ()), "c" * 40, "yard:main", place, login)
        monkeypatch.setattr("gpu_workers.applying.database.mark_of", swapping)
        monkeypatch.setattr(databases, "migrate", migrate)
        opening = Opening(yard.world.tenant.system("runner"), "a test")
        assert applier.apply(order, opening, again=False, cancel=None).ok
        assert not applier.apply(order, opening, again=False, cancel=None).ok, "the next look is another one"
    assert called == [Database(yard.login, ("public",))]
