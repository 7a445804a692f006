"""What a tenant keeps on the disk: its repositories, and the workspaces of runs in them, charged by the GiB and day."""

from datetime import date
from decimal import Decimal

from governance.actions.charges import Use, charge_use
from governance.pricing import RESOURCE_PRICES, STORAGE_GIB
from governance.scopes import Scope, ScopeKind
from gpu_workers.folders import repository_folder, workspace_folder
from gpu_workers.models import Repository, Run
from gpu_workers.runs.using import STEP, bytes_under
from guildhall.kernel.actor import Actor
from workflows.models import Project

GIB = Decimal(2**30)


def charge_stored(*, actor: Actor, day: date) -> Decimal:
    """Charge what every repository of the current tenant takes up now for `day` (UTC), once; US dollars. Safe to repeat.

    The cost belongs to the repository, and to its project where just one uses it. What takes up less than a millionth of a
    GiB is free.
    """
    return sum((_charge(actor, day, row.name) for row in Repository.objects.order_by("name")), Decimal(0))


def _charge(actor: Actor, day: date, name: str) -> Decimal:
    runs = Run.objects.filter(repository=name).values_list("number", flat=True)
    stored = bytes_under(repository_folder(name)) + sum(bytes_under(workspace_folder(number)) for number in runs)
    quantity = (Decimal(stored) / GIB).quantize(STEP)
    if not quantity:
        return Decimal(0)
    projects = Project.objects.filter(repositories__name=name).values_list("key", flat=True)[:2]
    use = Use(
        key=f"repository:{name}:storage:{day.isoformat()}",
        kind="storage",
        quantity=quantity,
        unit_price=STORAGE_GIB,
        price_version=RESOURCE_PRICES,
        owner=f"repository:{name}",
        agent="",
        resource="repository",
        scopes=(Scope(ScopeKind.PROJECT, projects[0]),) if len(projects) == 1 else (),
    )
    return charge_use(actor=actor, use=use)
