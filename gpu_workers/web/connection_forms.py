"""The forms that name what a project's agents work with outside, and that take it away again."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from django.http import QueryDict

from gpu_workers.actions.clusters import forget_cluster
from gpu_workers.actions.databases import forget_database, forget_migrator
from gpu_workers.actions.trackers import forget_tracker
from gpu_workers.clusters import connecting as clusters
from gpu_workers.connections import needed
from gpu_workers.databases import connect, connect_for_migrations
from gpu_workers.models import ProjectCluster, ProjectDatabase, ProjectMigrator, ProjectTracker
from gpu_workers.models.connection import ProjectConnection
from gpu_workers.trackers import connecting as trackers
from guildhall.kernel.actor import Actor
from guildhall.portal.views import PageRequest
from workflows.models import Project
from workflows.web.plan_form import words
from workflows.web.strategy_pages import Act

C = TypeVar("C", bound=ProjectConnection)


@dataclass(frozen=True, slots=True)
class ConnectionForm(Generic[C]):
    """One kind of connection: `name` is part of its acts, `named` and `taken` are what is said of `{key}` and `{place}`."""

    name: str
    kind: type[C]
    connect: Callable[[Actor, Project, QueryDict], C]
    forget: Callable[[Actor, C], None]
    named: str
    taken: str

    def name_it(self, request: PageRequest, project: Project) -> str:
        row = self.connect(request.actor, project, request.POST)
        return self.named.format(key=project.key, place=row)

    def take_away(self, request: PageRequest, project: Project) -> str:
        row = needed(self.kind, project.key)
        self.forget(request.actor, row)
        return self.taken.format(key=project.key, place=row)


def acts_of(form: ConnectionForm[C]) -> dict[str, Act[Project]]:
    """What buttons of the page send, by name."""
    return {f"connect_{form.name}": form.name_it, f"forget_{form.name}": form.take_away}


def text(sent: QueryDict, name: str) -> str:
    """A field without the spaces around it; empty where it was not sent."""
    return sent.get(name, "").strip()


def _tracker(actor: Actor, project: Project, sent: QueryDict) -> ProjectTracker:
    given = {name: text(sent, name) for name in ("kind", "place", "token", "api_url")}
    return trackers.connect(actor=actor, wish=trackers.Wish(project.key, project.repository, **given))


def _database(actor: Actor, project: Project, sent: QueryDict) -> ProjectDatabase:
    address, schemas = text(sent, "address"), words(sent.get("schemas", ""))
    return connect(actor=actor, project=project.key, address=address, schemas=schemas)


def _migrator(actor: Actor, project: Project, sent: QueryDict) -> ProjectMigrator:
    address, schemas = text(sent, "address"), words(sent.get("schemas", ""))
    return connect_for_migrations(actor=actor, project=project.key, address=address, schemas=schemas)


def _cluster(actor: Actor, project: Project, sent: QueryDict) -> ProjectCluster:
    given = {name: text(sent, name) for name in ("api_url", "namespace", "token", "ca")}
    kinds, accounts = words(sent.get("kinds", "")), words(sent.get("accounts", ""))
    return clusters.connect(actor=actor, wish=clusters.Wish(project.key, **given, kinds=kinds, accounts=accounts))


TRACKER = ConnectionForm(
    "tracker",
    ProjectTracker,
    _tracker,
    lambda actor, row: forget_tracker(actor=actor, tracker=row),
    "PM agents of {key} work with the issues of {place} now.",
    "{place} is taken away. What was imported stays known.",
)
DATABASE = ConnectionForm(
    "database",
    ProjectDatabase,
    _database,
    lambda actor, row: forget_database(actor=actor, database=row),
    "Agents of {key} may read {place} now.",
    "Agents of {key} no longer read {place}.",
)
MIGRATOR = ConnectionForm(
    "migrator",
    ProjectMigrator,
    _migrator,
    lambda actor, row: forget_migrator(actor=actor, migrator=row),
    "Migrations of {key} can be applied to {place} now, each once people allow it.",
    "Nothing is applied to {place} any more.",
)
CLUSTER = ConnectionForm(
    "cluster",
    ProjectCluster,
    _cluster,
    lambda actor, row: forget_cluster(actor=actor, cluster=row),
    "Plans of {key} can be applied to {place} now, each once people allow it.",
    "{place} is taken away. What was applied to it stays there.",
)
