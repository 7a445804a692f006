"""Creating a tenant from the template against running its migrations, by turns in one run."""

import itertools
import subprocess
import sys
import time

from bench.figures import judge, measure, of, show
from bench.stack import ROOT
from guildhall.kernel.actor import PLATFORM, system_actor
from guildhall.kernel.tenancy import platform_scope
from tenants.actions.tenants import create_tenant
from tenants.models import SchemaTemplate, Tenant
from tenants.provisioning.provision import host_for, provision
from tenants.provisioning.schema import make_schema

_numbers = itertools.count(1)


def new_tenant() -> Tenant:
    """A tenant as the console makes it, with everything it starts with."""
    slug = f"bench{next(_numbers)}"
    with platform_scope():
        row = create_tenant(actor=system_actor("bench", PLATFORM), slug=slug, name=slug, host=host_for(slug))
    return provision(row)


def run(rounds: int) -> None:
    """Print the figures: ten tenants from the template, then one by its migrations, and again."""
    with platform_scope():
        template = SchemaTemplate.objects.latest("id").sql
    ours: list[float] = []
    peer: list[float] = []
    command = [sys.executable, "-m", "bench.owner"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as migrations:
        assert migrations.stdin
        assert migrations.stdout
        for number in range(max(2, rounds // 5)):
            ours += [_replayed(template) for _ in range(5)]
            migrations.stdin.write(f"{number}\n")
            migrations.stdin.flush()
            peer.append(float(migrations.stdout.readline()))
        migrations.stdin.close()
    replayed, migrated = of("schema, role and grants from the template", ours), of("peer: its migrations", peer)
    whole = measure("whole tenant (audit, policy, agents too)", new_tenant, rounds)
    show("tenant creation", replayed, migrated, whole)
    judge("peer / ours, p50", migrated.median_ms / replayed.median_ms, at_least=20)


def _replayed(template: str) -> float:
    began = time.perf_counter()
    make_schema(f"org_replayed{next(_numbers)}", template)
    return (time.perf_counter() - began) * 1000
