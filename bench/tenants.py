"""Creating a tenant from the template against running its migrations."""

import itertools
import subprocess
import sys

from bench.figures import Figure, measure, of, show
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


def migrated(rounds: int) -> Figure:
    """The same schema by running every migration in it, as the owner, in one process of its own."""
    command = [sys.executable, "-m", "bench.owner", str(rounds)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return of("peer: the same schema by its migrations", [float(line) for line in run.stdout.split()])


def run(rounds: int) -> None:
    """Print the figures."""
    with platform_scope():
        template = SchemaTemplate.objects.latest("id").sql
    ours = measure("schema, role and grants from the template", lambda: _replayed(template), rounds)
    whole = measure("whole tenant (audit, policy, agents too)", new_tenant, rounds)
    show("tenant creation", ours, migrated(max(2, rounds // 10)), wanted="at least 20")
    print(f"{whole.line()}\n")


def _replayed(template: str) -> None:
    make_schema(f"org_replayed{next(_numbers)}", template)
