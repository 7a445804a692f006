"""Naming the databases that a project's agents may read and have migrations applied to, and taking them away."""

from gpu_workers.connections import name_once
from gpu_workers.database_events import DatabaseConnected, DatabaseForgotten, MigratorConnected, MigratorForgotten
from gpu_workers.models import ProjectDatabase, ProjectMigrator
from guildhall.kernel.actions import governed, record
from guildhall.kernel.actor import Actor


@governed("database.connect", lock=None)
def connect_database(*, actor: Actor, project: str, address: str, place: str, schemas: list[str]) -> ProjectDatabase:
    """Write down a database that was tried. `address` is sealed already. Raises `Conflict` where the project has one."""
    row = name_once(ProjectDatabase(project=project, address=address, place=place, schemas=schemas))
    record(DatabaseConnected(subject=row.ref, place=place, schemas=schemas), actor=actor)
    return row


@governed("database.forget", lock="database")
def forget_database(*, actor: Actor, database: ProjectDatabase) -> None:
    """Take the database away; what was kept of its login is gone."""
    record(DatabaseForgotten(subject=database.ref, place=database.place), actor=actor)
    database.delete()


@governed("database.connect_migrator", lock=None)
def connect_migrator(*, actor: Actor, project: str, address: str, place: str, schemas: list[str]) -> ProjectMigrator:
    """Write down a login for migrations that was tried. `address` is sealed already. Raises `Conflict` where there is one."""
    row = name_once(ProjectMigrator(project=project, address=address, place=place, schemas=schemas))
    record(MigratorConnected(subject=row.ref, place=place, schemas=schemas), actor=actor)
    return row


@governed("database.forget_migrator", lock="migrator")
def forget_migrator(*, actor: Actor, migrator: ProjectMigrator) -> None:
    """Take the login away; what was kept of it is gone, and what people allowed with it is not applied any more."""
    record(MigratorForgotten(subject=migrator.ref, place=migrator.place), actor=actor)
    migrator.delete()
