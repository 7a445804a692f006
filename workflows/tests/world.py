"""A project with stories and tasks in a committed tenant, driven through the actions alone."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import psycopg
from django.conf import settings
from psycopg.rows import dict_row

from guildhall.evidence.delivery import deliver
from guildhall.evidence.relay import Relay
from guildhall.kernel.actor import Actor
from guildhall.kernel.consumers import registered_consumers
from guildhall.kernel.tenancy import tenant_scope
from tests.support.tenants import TestTenant
from workflows.actions import create_project, create_story, transition_story, transition_task
from workflows.machines import CommitEvidence, TestReport
from workflows.models import Project, Story, Task
from workflows.planning import TaskDraft
from workflows.ports import register_commit_judge, register_merge_binding

CRITERION = "Given a visitor, when they open the FAQ, then they read the return period"
READY: dict[str, Any] = {
    "title": "Answer returns",
    "brief": "Customers ask about returns and find no answer on the page.",
    "evidence": "Returns are free within 30 days.",
    "acceptance": [CRITERION],
    "size": "S",
    "priority": "normal",
    "risk_labels": ["docs"],
    "depends_on": [],
    "budget_usd": Decimal("0.4"),
}


@dataclass
class Ci:
    """The commits that CI has judged in this test, as `gpu_workers` would know them."""

    commits: dict[str, CommitEvidence] = field(default_factory=dict)

    def judge(self, task: str, sha: str, rejected_sha: str) -> CommitEvidence:
        return self.commits.get(sha, CommitEvidence(sha, "none"))

    def green(self, sha: str, *, newer: bool = True) -> str:
        self.commits[sha] = CommitEvidence(sha, "green", newer)
        return sha


class World:
    """Acts by role; every method enters the tenant's scope by itself and returns fresh rows."""

    def __init__(self, tenant: TestTenant) -> None:
        self.tenant = tenant
        self.ci = Ci()
        self.po = tenant.actor("product_owner")
        self.architect = tenant.actor("architect")
        self.qa = tenant.actor("qa")
        self.developer = tenant.actor("developer")
        self.mason = tenant.agent("developer", "mason")
        self.system = tenant.system("workflows")
        with tenant_scope(tenant.schema):
            self.project: Project = create_project(
                actor=self.po, key="SHOP", name="Shop", repository="shop", ci_command="python -m unittest"
            )

    @contextmanager
    def judging(self) -> Iterator[None]:
        """Commits are judged by this world's CI, and merges bound to nothing; afterwards as before, for other tests."""
        judge, binding = register_commit_judge(self.ci.judge), register_merge_binding(None)
        yield
        register_commit_judge(judge)
        register_merge_binding(binding)

    def write(self, **content: Any) -> Story:
        with tenant_scope(self.tenant.schema):
            return create_story(actor=self.developer, project=self.project, content={**READY, **content})  # type: ignore[typeddict-item]

    def move(self, story: Story, name: str, actor: Actor, **more: Any) -> Story:
        with tenant_scope(self.tenant.schema):
            return transition_story(actor=actor, story=Story.objects.get(pk=story.pk), name=name, **more)

    def act(self, task: Task, name: str, actor: Actor, **more: Any) -> Task:
        with tenant_scope(self.tenant.schema):
            return transition_task(actor=actor, task=self.fresh(task), name=name, **more)

    def fresh(self, task: Task) -> Task:
        return Task.objects.select_related("story__project").get(pk=task.pk)

    def state(self, row: Story | Task) -> str:
        with tenant_scope(self.tenant.schema):
            return str(type(row).objects.get(pk=row.pk).state)

    def committed(self, *drafts: TaskDraft, **content: Any) -> tuple[Story, list[Task]]:
        """A story that was planned and committed to a sprint, with its tasks."""
        story = self.write(**content)
        self.move(story, "submit", self.developer)
        self.move(story, "approve_scope", self.po)
        self.move(story, "derive_tasks", self.architect, add=drafts or (TaskDraft("Write the entry", "developer"),))
        story = self.move(story, "commit_to_sprint", self.po)
        with tenant_scope(self.tenant.schema):
            return story, list(story.tasks.select_related("story__project").order_by("number"))

    def hand_in(self, task: Task, sha: str, *, name: str = "commit_code", actor: Actor | None = None) -> Task:
        return self.act(task, name, actor or self.mason, commit_sha=self.ci.green(sha))

    def to_approval(self, task: Task, sha: str = "c1") -> Task:
        """From todo to waiting for the product owner."""
        self.act(task, "claim_task", self.mason)
        self.hand_in(task, sha)
        return self.judge(task, sha)

    def judge(self, task: Task, sha: str) -> Task:
        self.act(task, "claim_review", self.architect)
        self.act(task, "approve_design", self.architect)
        self.act(task, "claim_testing", self.qa)
        return self.act(task, "approve_tests", self.qa, report=TestReport(sha, passed=2))

    def settle(self) -> None:
        """Let every event reach this room's consumers, until nothing new happens."""
        while self._place():
            with tenant_scope(self.tenant.schema):
                for name, consumer in registered_consumers().items():
                    if name.startswith("workflows."):
                        deliver(consumer)

    @staticmethod
    def _place() -> int:
        with psycopg.connect(settings.RELAY_DATABASE_URL, autocommit=True, row_factory=dict_row) as db:
            return int(Relay(settings.RELAY_DATABASE_URL, []).step(db))
