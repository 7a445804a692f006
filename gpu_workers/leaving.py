"""What agents' rooms do when an organisation leaves: end what is under way, and hand over its repositories."""

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

from django.conf import settings
from django.db.models.functions import Now

from governance.actions.money import abandon_reservations
from gpu_workers.models import Lane, Run
from gpu_workers.repos.git import git, stream
from gpu_workers.runs.settling import end_applying
from guildhall.kernel.actor import system_actor
from guildhall.kernel.tenancy import release_connection, tenant_scope
from tenants.archiving.parts import Part


class Leaving:
    """Suspension has ended what agents were at; money that is still set aside then belongs to processes that died.

    So do plans that were begun to be applied: nobody goes on with them, and the trail that is exported says so.
    """

    def unfinished(self, schema: str) -> str:
        """Wait for workers that still hold runs, then give back and tell what nobody will settle."""
        with tenant_scope(schema):
            runs, plans = Run.objects.filter(lease_until__gt=Now()).count(), 0
            lanes = Lane.objects.filter(lease_until__gt=Now()).count()
            if not runs:
                actor = system_actor("provisioner", schema)
                abandon_reservations(actor=actor)
                plans = end_applying(actor=actor, reason="The organisation leaves.")
        release_connection()
        held = [f"{runs} of its runs"] if runs else []
        held += [f"{lanes} of its repositories"] if lanes else []
        held += [f"{plans} of its plans"] if plans else []
        return f"workers hold {' and '.join(held)}" if held else ""

    def parts(self, schema: str) -> Iterator[Part]:
        """Each repository as a bundle of all its references; one without any is named by an empty member."""
        for repository in sorted((settings.REPOSITORIES_DIR / schema).glob("*.git")):
            refs = git(repository, "for-each-ref", "--format=%(objectname) %(refname)")
            name = f"repositories/{repository.stem}.{'bundle' if refs else 'empty'}"
            yield Part(name, _bundle(repository) if refs else lambda: iter(()), _refs(repository))

    def folders(self, schema: str) -> list[Path]:
        """Repositories and the workspaces of runs, of which the repositories hold what was committed."""
        return [settings.REPOSITORIES_DIR / schema, settings.WORKSPACES_DIR / schema]


def _bundle(repository: Path) -> Callable[[], Iterator[bytes]]:
    return lambda: stream(repository, "bundle", "create", "--quiet", "-", "--all")


def _refs(repository: Path) -> Callable[[], str]:
    """A pack is not written the same way twice, so a repository is compared by what its references name."""

    def state() -> str:
        listed = git(repository, "for-each-ref", "--format=%(objectname) %(refname)")
        return hashlib.sha256(listed).hexdigest()

    return state
