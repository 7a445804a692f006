"""A tenant with a project, its repository and its people, and a scripted model behind every route."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from django.core.management import call_command

from gateway.models import Deployment, Price, Route
from governance.actions.approvals import decide_approval
from governance.selectors import active_policy, latest_approval
from governance.views import ApprovalView
from gpu_workers.actions.registry import create_repository as register_repository
from gpu_workers.folders import repository_folder
from gpu_workers.models import Run
from gpu_workers.repos import Signature, create_repository, head_of, read_file
from guildhall.kernel.tenancy import platform_scope, tenant_scope
from tests.fakes.openai_server import OpenAIServer, Rule
from tests.support.policies import put_policy
from tests.support.pump import settle
from tests.support.tenants import TestTenant
from workflows.actions import create_project, create_story, transition_story
from workflows.actions.stories import Content
from workflows.models import Project, Story, Task

DEMO = Path(__file__).parents[2] / "platform" / "guildhall" / "demo" / "repositories"
MODEL = "scripted-team"
"""What the scripted server is called here; its prices are of these tests alone."""
SHOP = Signature("Fernhill Goods", "shop@example.org")


def files_of(folder: Path) -> dict[str, bytes]:
    """A folder's files by relative path."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }


@contextmanager
def scripted_model(script: list[Rule], *, tools: bool = True, judge: bool = True) -> Iterator[OpenAIServer]:
    """Every route leads to a scripted server for the time being."""
    with OpenAIServer(script) as server:
        point_routes_at(server.url, MODEL, tools=tools, judge=judge)
        yield server


def point_routes_at(url: str, model: str, *, tools: bool, judge: bool, credential: str = "") -> None:
    """Make one deployment serve every route."""
    call_command("sync_deployments", verbosity=0)
    with platform_scope():
        Price.objects.get_or_create(
            model=MODEL,
            version="tests",
            defaults={
                "valid_from": date(2026, 1, 1),
                "tokens_in": 1,
                "tokens_out": 3,
                "tokens_cached": Decimal("0.25"),
            },
        )
        deployment, _ = Deployment.objects.update_or_create(
            name="tests",
            defaults={
                "base_url": url,
                "model": model,
                "credential": credential,
                "supports_tools": tools,
                "may_judge": judge,
                "context_tokens": 8192,
                "slots": 0,
            },
        )
        Route.objects.all().delete()
        for name in ("fast", "smart", "code"):
            Route.objects.create(name=name, rank=1, deployment=deployment)


@dataclass
class World:
    """One project of one tenant, and what its people do there."""

    tenant: TestTenant
    project: Project

    @classmethod
    def build(
        cls, tenant: TestTenant, key: str, files: dict[str, bytes], ci_command: str, *, councils: bool = False
    ) -> "World":
        """A project whose repository starts with `files`. With `councils` they wait for one, as shipped."""
        name = key.lower()
        with tenant_scope(tenant.schema):
            if not councils:
                put_policy(tenant, active_policy().text.replace("held_on: [plan]", "held_on: []"))
            sha = create_repository(repository_folder(name), files, SHOP, datetime(2026, 1, 1, tzinfo=UTC))
            admin = tenant.actor("admin")
            register_repository(actor=admin, name=name, ci_command=ci_command, head_sha=sha)
            project = create_project(actor=admin, key=key, name=key.title(), repository=name, ci_command=ci_command)
        return cls(tenant, project)

    def story(self, **content: Any) -> Story:
        """A ready story, committed to the sprint by its people; agents have not begun yet."""
        defaults: Content = {
            "size": "S",
            "priority": "normal",
            "risk_labels": [],
            "depends_on": [],
            "budget_usd": Decimal("2.00"),
        }
        with tenant_scope(self.tenant.schema):
            author = self.tenant.actor("developer")
            story = create_story(actor=author, project=self.project, content={**defaults, **content})  # type: ignore[typeddict-item]
            story = transition_story(actor=author, story=story, name="submit")
            story = transition_story(actor=self.owner, story=story, name="approve_scope")
        self.settle()
        with tenant_scope(self.tenant.schema):
            story.refresh_from_db()
            if story.state == "planned":
                story = transition_story(actor=self.owner, story=story, name="commit_to_sprint")
        return story

    @property
    def owner(self) -> Any:
        return self.tenant.actor("product_owner")

    def settle(self) -> None:
        settle(self.tenant.schema)

    def task(self, story: Story) -> Task:
        with tenant_scope(self.tenant.schema):
            return Task.objects.select_related("story").get(story=story)

    def approval(self, task: Task) -> ApprovalView | None:
        with tenant_scope(self.tenant.schema):
            return latest_approval(task.ref, kind="merge")

    def approve(self, approval: ApprovalView) -> None:
        with tenant_scope(self.tenant.schema):
            decide_approval(
                actor=self.owner, approval=approval.number, decision="approve", binding_hash=approval.binding_hash
            )

    def head(self) -> str:
        with tenant_scope(self.tenant.schema):
            return head_of(repository_folder(self.project.repository), "main")

    def text(self, path: str) -> str:
        """A file on the default branch."""
        with tenant_scope(self.tenant.schema):
            repo = repository_folder(self.project.repository)
            return read_file(repo, head_of(repo, "main"), path).decode()

    def runs(self) -> list[Run]:
        with tenant_scope(self.tenant.schema):
            return list(Run.objects.select_related("agent").order_by("number"))

    def told(self) -> str:
        """What the runs did, for a failed assertion."""
        lines = []
        for run in self.runs():
            lines.append(f"run {run.number} {run.kind} {run.state}: {run.reason}")
            with tenant_scope(self.tenant.schema):
                lines += [f"  {step.key} {step.ok}: {str(step.response)[:700]}" for step in run.steps.all()]
        return "\n".join(lines)
