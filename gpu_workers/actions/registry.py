"""Agents and repositories of a tenant."""

from django.db import IntegrityError, transaction

from gpu_workers.agent_events import AgentCapped
from gpu_workers.events import AgentRegistered, RepositoryCreated, RepositoryEdited
from gpu_workers.models import Agent, Repository
from gpu_workers.models.agent import AutonomyLevel
from guildhall.kernel.actions import governed, record
from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import Conflict, Invalid
from tenants.roles import AGENT_ROLES


@governed("agent.register", lock=None)
def register_agent(
    *, actor: Actor, name: str, title: str, role: str, kind: str, icon: str = "hammer", route: str = "code"
) -> Agent:
    """Add an agent with exactly one role. Raises `Conflict` when the name is taken."""
    if role not in AGENT_ROLES:
        raise Invalid("Unknown role.", fields={"role": [f"One of {', '.join(sorted(AGENT_ROLES))}."]})
    try:
        with transaction.atomic():
            agent = Agent.objects.create(name=name, title=title, role=role, kind=kind, icon=icon, route=route)
    except IntegrityError as error:
        raise Conflict(f"There is an agent {name!r} already, or its kind {kind!r} is unknown.") from error
    record(AgentRegistered(subject=agent.ref, name=name, role=role), actor=actor)
    return agent


@governed("agent.set_cap", lock="agent")
def set_cap(*, actor: Actor, agent: Agent, cap: str, reason: str) -> Agent:
    """Set the highest autonomy (`L0` to `L3`) at which the agent acts; its next step heeds it. Raises `Invalid`."""
    problems: dict[str, list[str]] = {}
    if cap not in AutonomyLevel.values:
        problems["cap"] = [f"Choose one of {', '.join(AutonomyLevel.values)}."]
    if not 10 <= len(reason.strip()) <= 300:
        problems["reason"] = ["Give a reason of 10 to 300 characters."]
    if problems:
        raise Invalid("The agent's autonomy was not changed.", fields=problems)
    before, agent.autonomy_cap = agent.autonomy_cap, cap
    agent.save(update_fields=["autonomy_cap"])
    event = AgentCapped(subject=agent.ref, name=agent.name, cap=cap, reason=reason.strip())
    record(
        event,
        actor=actor,
        reason=reason.strip(),
        before={"autonomy_cap": before},
        after={"autonomy_cap": cap},
    )
    return agent


@governed("repository.create", lock=None)
def create_repository(
    *, actor: Actor, name: str, ci_command: str, head_sha: str, default_branch: str = "main"
) -> Repository:
    """Write down a built-in repository whose git folder exists with `head_sha` on its default branch."""
    try:
        with transaction.atomic():
            repository = Repository.objects.create(name=name, ci_command=ci_command, default_branch=default_branch)
    except IntegrityError as error:
        raise Conflict(f"There is a repository {name!r} already.") from error
    record(RepositoryCreated(subject=repository.ref, name=name, head_sha=head_sha), actor=actor)
    return repository


@governed("repository.follow", lock="repository")
def follow_project(*, actor: Actor, repository: Repository, ci_command: str, default_branch: str) -> Repository:
    """Take over the command and the branch that the repository's project says now; the branch exists in git."""
    before = {"ci_command": repository.ci_command, "default_branch": repository.default_branch}
    repository.ci_command, repository.default_branch = ci_command, default_branch
    repository.save(update_fields=["ci_command", "default_branch"])
    after = {"ci_command": ci_command, "default_branch": default_branch}
    changed = [name for name, value in after.items() if value != before[name]]
    event = RepositoryEdited(subject=repository.ref, name=repository.name, fields=changed)
    record(event, actor=actor, before=before, after=after)
    return repository
