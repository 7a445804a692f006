"""Where a tenant's repositories and workspaces lie: one folder per tenant, named after its schema."""

from pathlib import Path

from django.conf import settings

from guildhall.kernel.tenancy import current_tenant


def repository_folder(name: str) -> Path:
    """The bare git folder of the current tenant's repository `name`."""
    return _inside(settings.REPOSITORIES_DIR / current_tenant(), f"{name}.git")


def workspace_folder(run_number: int) -> Path:
    """The workspace of one run, never shared."""
    return _inside(settings.WORKSPACES_DIR / current_tenant(), f"run-{run_number}")


def scratch_folder(name: str) -> Path:
    """A place for one CI checkout."""
    return _inside(settings.WORKSPACES_DIR / current_tenant(), f"ci-{name}")


def _inside(base: Path, name: str) -> Path:
    if "/" in name or name.startswith("."):
        raise ValueError(f"not a plain name: {name!r}")
    return base / name
