"""Projects, strategies and epics."""

import re
from decimal import Decimal

from django.db import IntegrityError, transaction
from django.db.models import Max

from guildhall.kernel.actions import governed, record
from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import Conflict, Invalid
from workflows.events import EpicCreated, ProjectCreated, StrategyCreated
from workflows.models import Epic, Project, ProjectRepository, Strategy
from workflows.models.tree import AUTONOMY, ENVIRONMENTS

_KEY = re.compile(r"[A-Z][A-Z0-9]{1,9}\Z")


@governed("project.create", lock=None)
def create_project(
    *,
    actor: Actor,
    key: str,
    name: str,
    repository: str,
    ci_command: str,
    default_branch: str = "main",
    client: str = "",
) -> Project:
    """Open a project. Raises `Invalid` for a key that is not 2 to 10 capitals and digits, `Conflict` if it is taken."""
    missing = {field: ["Say it."] for field, text in (("name", name), ("repository", repository)) if not text.strip()}
    if not _KEY.match(key):
        missing["key"] = ["Use 2 to 10 capital letters and digits, a letter first, such as SHOP."]
    if missing:
        raise Invalid("The project cannot be opened like this.", fields=missing)
    try:
        with transaction.atomic():
            project = Project.objects.create(
                key=key,
                name=name.strip()[:120],
                environments=list(ENVIRONMENTS),
                client=client,
            )
            ProjectRepository.objects.create(
                project=project,
                name=repository,
                ci_command=ci_command,
                default_branch=default_branch,
                primary=True,
            )
    except IntegrityError:
        raise Conflict(f"There is a project {key} already.") from None
    record(ProjectCreated(subject=project.ref, key=key, name=project.name), actor=actor)
    return project


@governed("strategy.create", lock="project")
def create_strategy(
    *,
    actor: Actor,
    project: Project,
    goal: str,
    success_measure: str = "",
    autonomy: str = "L2",
    budget_usd: Decimal | None = None,
) -> Strategy:
    """Set a goal. Raises `Invalid` for an empty goal, an unknown level or a budget that is not above 0."""
    fields: dict[str, list[str]] = {}
    if not goal.strip():
        fields["goal"] = ["State the goal in words."]
    if autonomy not in AUTONOMY:
        fields["autonomy"] = [f"Choose one of {', '.join(AUTONOMY)}."]
    if budget_usd is not None and not (budget_usd.is_finite() and budget_usd > 0):
        fields["budget_usd"] = ["Give an amount above 0."]
    if fields:
        raise Invalid("The strategy cannot be set like this.", fields=fields)
    strategy = Strategy.objects.create(
        project=project,
        goal=goal.strip(),
        success_measure=success_measure,
        autonomy=autonomy,
        budget_usd=budget_usd,
    )
    record(StrategyCreated(subject=strategy.ref, project=project.key, goal=strategy.goal), actor=actor)
    return strategy


@governed("epic.create", lock="project")
def create_epic(*, actor: Actor, project: Project, title: str, strategy: Strategy | None = None) -> Epic:
    """Open an epic. Raises `Invalid` for an empty title or a strategy of another project."""
    if not title.strip():
        raise Invalid("An epic needs a title.", fields={"title": ["Say what it is about."]})
    if strategy is not None and strategy.project_id != project.pk:
        raise Invalid("The strategy is another project's.", fields={"strategy": ["Choose one of this project."]})
    last = Epic.objects.filter(project=project).aggregate(last=Max("rank"))["last"] or 0
    epic = Epic.objects.create(project=project, strategy=strategy, title=title.strip()[:200], rank=last + 1)
    record(EpicCreated(subject=epic.ref, project=project.key, title=epic.title), actor=actor)
    return epic
