"""One organisation with many runs on servers of a test's own, made and looked at by a process that knows no others.

python -m tests.faults.scene make SLUG MODEL_URL COUNT    makes one; prints its schema
python -m tests.faults.scene tell SCHEMA                  prints, as JSON, what became of its runs and its money
"""

import json
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import django

django.setup()

from django.db import connection  # noqa: E402  settings come first

from governance.scopes import ScopeKind  # noqa: E402
from governance.selectors import active_policy, budgets  # noqa: E402
from governance.tests.tools import counters_equal_entries, rows  # noqa: E402
from gpu_workers.actions.runs import NewRun, queue_run  # noqa: E402
from gpu_workers.folders import repository_folder  # noqa: E402
from gpu_workers.models import Agent, ChangeRequest, Run, RunStep  # noqa: E402
from gpu_workers.models.run import RunKind  # noqa: E402
from gpu_workers.repos import log  # noqa: E402
from guildhall.kernel.actor import PLATFORM, system_actor  # noqa: E402
from guildhall.kernel.tenancy import platform_scope, tenant_scope  # noqa: E402
from tenants.actions.tenants import create_tenant  # noqa: E402
from tenants.provisioning.provision import host_for, provision  # noqa: E402
from tests.faults.script import title_of  # noqa: E402
from tests.support.policies import put_policy  # noqa: E402
from tests.support.tenants import TestTenant  # noqa: E402
from tests.support.world import MODEL, World, point_routes_at  # noqa: E402
from workflows.actions import create_story  # noqa: E402
from workflows.models import Task  # noqa: E402

CHARGED_TWICE = """
SELECT key FROM governance_reservation r JOIN governance_ledgerentry e ON e.reservation_id = r.id
WHERE e.kind = 'commit' AND NOT e.estimated GROUP BY key HAVING count(*) > 1
"""
CHARGED = """
SELECT count(DISTINCT r.key) FROM governance_reservation r JOIN governance_ledgerentry e ON e.reservation_id = r.id
WHERE e.kind = 'commit' AND NOT e.estimated
"""


def make(slug: str, url: str, count: int) -> str:
    """Queue `count` runs at as many tasks, which nobody else will take up."""
    with platform_scope():
        row = create_tenant(actor=system_actor("tests", PLATFORM), slug=slug, name=slug.title(), host=host_for(slug))
    provision(row)
    tenant = TestTenant(schema=row.schema_name, slug=slug, host=host_for(slug))
    world = World.build(tenant, "TILL", {"README": b"Notes.\n"}, "true")
    point_routes_at(url, MODEL, tools=True, judge=True)
    with tenant_scope(tenant.schema):
        text = active_policy().text.replace("change_requests_per_hour: 10", f"change_requests_per_hour: {count}")
        put_policy(tenant, text)
        story = create_story(actor=world.owner, project=world.project, content={"title": "Notes", "brief": "Write."})
        agent = Agent.objects.get(name="mason")
        for number in range(1, count + 1):
            reference = f"{story.reference}.{number}"
            task = Task.objects.create(
                story=story, number=number, reference=reference, rank=number, title=title_of(number),
                role="developer", size="S", risk="low",
                state="implementing", holder=agent.ref, claim_token=1, lease_until=datetime.now(UTC) + timedelta(hours=2),
            )  # fmt: skip
            new = NewRun(RunKind.WORK, task.ref, story.ref, task.title, f"{task.ref}:1", repository="till")
            queue_run(actor=tenant.system(), agent=agent, new=new)
    return tenant.schema


def tell(schema: str) -> dict[str, Any]:
    """What became of it."""
    with tenant_scope(schema):
        counters_equal_entries()
        folder = repository_folder("till")
        return {
            "runs": [_told(run) for run in Run.objects.order_by("number")],
            "changes": ChangeRequest.objects.count(),
            "locks": [str(path) for path in folder.rglob("*.lock")],
            "charged_twice": rows(CHARGED_TWICE),
            "charged": rows(CHARGED)[0][0],
            "open": rows("SELECT count(*) FROM governance_reservation WHERE state = 'open'")[0][0],
            "reserved": str(sum(limit.reserved for limit in budgets(kind=ScopeKind.TENANT))),
            "answered": RunStep.objects.filter(kind="model", ok=True).count(),
            "unfinished": RunStep.objects.filter(finished_at=None).count(),
        }


def _told(run: Run) -> dict[str, Any]:
    change = run.changes.first()
    return {
        "number": run.number,
        "state": run.state,
        "reason": run.reason,
        "taken": run.fence,
        "leased": run.lease_until is not None,
        "proposed": change is not None and change.head_sha == run.head_sha,
        "commits": len(log(repository_folder("till"), run.head_sha)) - 1 if run.head_sha else 0,
    }


def main() -> None:
    if sys.argv[1] == "make":
        print(make(sys.argv[2], sys.argv[3], int(sys.argv[4])))
    else:
        print(json.dumps(tell(sys.argv[2])))
    connection.close()


if __name__ == "__main__":
    main()
