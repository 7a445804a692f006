"""What an agent of one tenant reaches with its tools: files, commands, the trail, evidence, backlogs, sealed addresses."""

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from django.conf import settings

from gpu_workers.applying.appliers import APPLIERS
from gpu_workers.applying.orders import Order
from gpu_workers.applying.plans import Applicable
from gpu_workers.clusters.connecting import sealed_for as cluster_sealed_for
from gpu_workers.databases import ask, migrator_sealed_for, sealed_for
from gpu_workers.folders import repository_folder, workspace_folder
from gpu_workers.forges.vault import Opening, seal, unseal
from gpu_workers.incidents.reading import evidence_of, incident_of
from gpu_workers.knowing.answers import Knowledge
from gpu_workers.knowing.assembling import Told
from gpu_workers.knowing.passages import Documents
from gpu_workers.models import (
    Agent,
    Incident,
    ProjectCluster,
    ProjectDatabase,
    ProjectMigrator,
    ProjectTracker,
    Proposal,
    Run,
)
from gpu_workers.planner.reading import backlog_of, proposal_of
from gpu_workers.repos import clone_workspace, create_repository, head_of
from gpu_workers.runs.telling import search_work
from gpu_workers.sandbox import Sandbox
from gpu_workers.sandboxes import sandbox_settings
from gpu_workers.tools import TaskBrief, ToolContext, ToolRefused, execute
from gpu_workers.tools.contract import Known
from gpu_workers.tools.record import AREAS
from gpu_workers.trackers.connecting import sealed_for as tracker_sealed_for
from guildhall.kernel.errors import NotFound, Unavailable
from guildhall.kernel.tenancy import tenant_scope
from tests.support.tenants import TestTenant
from tests.support.world import SHOP
from workflows.models import Project, Task

CODE = "shop"
"""The repository that every tenant has."""

RUN = 4_242_424
NOON = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Theirs:
    """The names of somebody's things."""

    folders: list[Path]
    tasks: list[str]
    projects: list[str]
    incidents: list[str]
    proposals: list[str]
    sealed: list[tuple[str, str]]


def plant_code(marker: str) -> None:
    """The marker in a commit of the current tenant's repository, and in what is sealed for its projects."""
    create_repository(repository_folder(CODE), {"planted.txt": marker.encode()}, SHOP, NOON)
    for tracker in ProjectTracker.objects.all():
        tracker.token = seal(marker, tracker_sealed_for(tracker.project))
        tracker.save(update_fields=["token"])
    for cluster in ProjectCluster.objects.all():
        cluster.token = seal(marker, cluster_sealed_for(cluster.project))
        cluster.save(update_fields=["token"])
    for row in ProjectDatabase.objects.all():
        address = f"postgresql://reader:{marker}@127.0.0.1:9/{marker}"
        ProjectDatabase.objects.filter(pk=row.pk).update(address=seal(address, sealed_for(row.project)))
    for migrator in ProjectMigrator.objects.all():
        migrator.address = seal(
            f"postgresql://owner:{marker}@127.0.0.1:9/{marker}", migrator_sealed_for(migrator.project)
        )
        migrator.save(update_fields=["address"])


def agent_tools(attacker: TestTenant, victim: TestTenant) -> Iterator[str]:
    """Every tool that takes the name of something, with the names of the victim's things."""
    with tenant_scope(victim.schema):
        theirs = _of(victim)
    with tenant_scope(attacker.schema):
        ctx = _at_work()
        calls = [*_calls(ctx, theirs), *_desks(ctx, theirs), *_knowing(ctx, theirs)]
        for role, given, tool, arguments in calls:
            with suppress(ToolRefused):
                yield execute(tool, arguments, replace(given, role=role)).text
        for about, sealed in theirs.sealed:  # as if somebody had copied the victim's row
            with suppress(Unavailable):
                yield unseal(sealed, about)
        ours = set(Project.objects.values_list("key", flat=True))
        opening = Opening(attacker.agent("qa", "wren"), "a look around")
        yield from (str(ask(key, "SELECT 1 AS x", opening)) for key in theirs.projects if key not in ours)
        for key in theirs.projects:
            if key not in ours:
                yield from _applied(key, opening)


def _applied(project: str, opening: Opening) -> Iterator[str]:
    """A plan of nothing, wherever a project applies to."""
    for applier in APPLIERS.values():
        place, login = applier.place(project), applier.login(project)
        order = Order(project, "executor.1.1", Applicable(applier.kind, ()), "c" * 40, "shop:main", place, login)
        yield f"{place} {login} {applier.apply(order, opening, again=False, cancel=None).text}"


def _of(tenant: TestTenant) -> Theirs:
    return Theirs(
        folders=[settings.REPOSITORIES_DIR / tenant.schema, settings.MEDIA_ROOT / tenant.schema],
        tasks=list(Task.objects.values_list("reference", flat=True)),
        projects=list(Project.objects.values_list("key", flat=True)),
        incidents=[row.ref for row in Incident.objects.all()],
        proposals=[row.ref for row in Proposal.objects.all()],
        sealed=[
            *((sealed_for(row.project), row.address) for row in ProjectDatabase.objects.all()),
            *((migrator_sealed_for(row.project), row.address) for row in ProjectMigrator.objects.all()),
            *((cluster_sealed_for(row.project), row.token) for row in ProjectCluster.objects.all()),
            *((tracker_sealed_for(row.project), row.token) for row in ProjectTracker.objects.all()),
        ],
    )


def _at_work() -> ToolContext:
    """As a run of the current tenant stands in its workspace."""
    repo = repository_folder(CODE)
    base = head_of(repo, "main")
    workspace = clone_workspace(repo, workspace_folder(RUN), "escape", base)
    box = Sandbox(sandbox_settings())
    assert box.unavailable() is None
    box.prepare_workspace(workspace.tree)
    return ToolContext(workspace, box, "developer", TaskBrief("Look around"), base)


Call = tuple[str, ToolContext, str, dict[str, Any]]


def _calls(ctx: ToolContext, theirs: Theirs) -> Iterator[Call]:
    yield "developer", ctx, "read_file", {"path": "planted.txt"}
    yield "developer", ctx, "search_code", {"text": "marker"}
    for folder in theirs.folders:
        for path in (str(folder / "planted.txt"), os.path.relpath(folder, ctx.workspace.tree) + "/planted.txt"):
            yield "developer", ctx, "read_file", {"path": path}
            yield "developer", ctx, "write_file", {"path": path, "content": "mine"}
        yield "developer", ctx, "list_files", {"under": str(folder)}
        look = f"ls -R {folder}; cat {folder}/*; git --git-dir={folder}/{CODE}.git log -p --all; git clone {folder}/{CODE}.git x"
        yield "developer", ctx, "run_command", {"command": f"{look}; cat x/planted.txt; ln -s {folder} out; true"}
        yield "developer", ctx, "read_file", {"path": "out/planted.txt"}
    for project in theirs.projects:
        reading = replace(ctx, audit=partial(search_work, project))
        for about in ("", *(f"task:{reference}" for reference in theirs.tasks), *theirs.incidents):
            yield from (("architect", reading, "audit", {"area": area, "about": about}) for area in AREAS)


def _knowing(ctx: ToolContext, theirs: Theirs) -> Iterator[Call]:
    """Runs of every role that stand at the victim's tasks; those of the same name are the attacker's own."""
    for agent in Agent.objects.filter(name__in=("mason", "alder", "wren", "rook", "finch", "heron")):
        for task in theirs.tasks:
            story, project = task.partition(".")[0], task.partition("-")[0]
            run = Run(
                number=RUN, agent=agent, kind="work", subject=f"task:{task}", story=f"story:{story}", title="planted"
            )
            known = Knowledge(agent.actor(), run, project, story, task, str)
            here = replace(ctx, known=Known(known.search, _whole(known)))
            yield agent.role, here, "search_knowledge", {"query": f"planted marker {task} decision:1 council:1"}
            yield agent.role, here, "get_context", {"tokens": 4000}


def _whole(known: Knowledge) -> Callable[[int, Documents], Told]:
    return lambda tokens, documents: known.context(tokens * 3, documents)


def _desks(ctx: ToolContext, theirs: Theirs) -> Iterator[Call]:
    """Runs about the victim's incidents and proposals; those of the same number are the attacker's own."""
    for ref in theirs.incidents:
        with suppress(NotFound):
            yield "devops", replace(ctx, evidence=evidence_of(incident_of(ref))), "read_logs", {}
    for ref in theirs.proposals:
        with suppress(NotFound):
            yield "planner", replace(ctx, backlog=backlog_of(proposal_of(ref))), "read_backlog", {}
