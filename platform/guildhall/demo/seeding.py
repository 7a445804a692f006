"""A demo tenant: people, two projects with their repositories, and a story in each. Every part goes through its action."""

import secrets
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from django.conf import settings
from django.db import transaction

from gpu_workers.actions.registry import create_repository as register_repository
from gpu_workers.folders import repository_folder
from gpu_workers.models import Repository
from gpu_workers.repos import Signature, create_repository
from guildhall.demo.plans import plan_project
from guildhall.demo.stories import RETURNS, ROUNDING
from guildhall.kernel.actor import PLATFORM, Actor, ActorKind, system_actor
from guildhall.kernel.errors import Conflict, Unavailable
from guildhall.kernel.tenancy import identity_scope, platform_scope, tenant_scope
from tenants.actions.keys import create_api_key
from tenants.actions.members import accept_invitation, invite
from tenants.actions.tenants import create_tenant
from tenants.models import Tenant, TenantStatus, User
from tenants.provisioning.provision import host_for
from tenants.roles import SCOPES
from workflows.actions import create_project, create_story
from workflows.actions.stories import Content
from workflows.models import Project

FOLDER = Path(__file__).parent / "repositories"
WAIT_SECONDS = 90.0
PEOPLE = {
    "admin": "Elena Sousa",
    "product_owner": "Maya Lindqvist",
    "architect": "Tom Okafor",
    "developer": "Jonas Weber",
    "qa": "Priya Raman",
    "viewer": "Ines Moreau",
    "client": "Ruth Ferris",
}
CLIENT = "fernhill-trade"
PROJECTS = (
    ("SHOP", "Customer handbook", "handbook", "python3 ci/check_faq.py", RETURNS),
    ("TILL", "Till", "till", "python3 ci.py", ROUNDING),
)
PLANNED = "SHOP"
"""The project that has a strategy, an epic and a sprint from the start; the other one shows what is there without."""


@dataclass(frozen=True, slots=True)
class Person:
    """A demo person and the password that they sign in with."""

    actor: Actor
    email: str
    password: str


@dataclass(frozen=True, slots=True)
class Demo:
    """What was made: the tenant, its people by role, an API key of the admin's, and the stories by project key."""

    schema: str
    host: str
    people: dict[str, Person]
    api_key: str
    stories: dict[str, str]


def new_password() -> str:
    """A password that nobody chose."""
    return secrets.token_urlsafe(12)


def seed(slug: str, name: str) -> Demo:
    """Make the tenant `slug` with everything in it. Raises `Conflict` when there is one, `Unavailable` without a worker."""
    with platform_scope():
        actor = system_actor("demo", PLATFORM)
        tenant = create_tenant(actor=actor, slug=slug, name=name, host=host_for(slug))
    _wait_until_open(tenant)
    people = {role: _join(tenant, role, person) for role, person in PEOPLE.items()}
    with tenant_scope(tenant.schema_name):
        admin = people["admin"].actor
        _, key = create_api_key(actor=admin, name="Demo", scopes=sorted(SCOPES), days=365)
        stories = {row[0]: _project(people, *row) for row in PROJECTS}
    return Demo(tenant.schema_name, host_for(slug), people, key, stories)


def _wait_until_open(tenant: Tenant) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    with platform_scope():
        while tenant.status != TenantStatus.ACTIVE:
            if time.monotonic() > deadline:
                raise Unavailable(f"No worker set {tenant.slug} up within {WAIT_SECONDS:g} s. Is the stack running?")
            time.sleep(0.1)
            tenant.refresh_from_db()


def _join(tenant: Tenant, role: str, name: str) -> Person:
    """Invite a person and accept in their name, as a person does who follows the link."""
    email, password = f"{role.replace('_', '-')}@{tenant.slug}.example", new_password()
    platform = system_actor("demo", tenant.schema_name)
    client = CLIENT if role == "client" else ""
    with tenant_scope(tenant.schema_name):
        invitation, _ = invite(actor=platform, email=email, roles=[role], client=client)
    with identity_scope(), transaction.atomic():
        user = User.objects.create_user(email, name, password)
    with tenant_scope(tenant.schema_name):
        actor = Actor(
            kind=ActorKind.PERSON,
            id=user.public_id,
            name=name,
            tenant=tenant.schema_name,
            roles=frozenset({role}),
            client=client or None,
            via="portal",
        )
        accept_invitation(actor=actor, invitation=invitation, user_id=user.pk)
    return Person(actor, email, password)


def _project(people: dict[str, Person], key: str, name: str, repository: str, ci: str, content: Content) -> str:
    admin = people["admin"].actor
    files = {
        str(path.relative_to(FOLDER / repository)): path.read_bytes()
        for path in sorted((FOLDER / repository).rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }
    signature = Signature("Fernhill Goods", "shop@fernhill.example")
    sha = create_repository(repository_folder(repository), files, signature, datetime(2026, 1, 5, 9, tzinfo=UTC))
    if not Repository.objects.filter(name=repository).exists():
        register_repository(actor=admin, name=repository, ci_command=ci, head_sha=sha)
    try:
        project = create_project(actor=admin, key=key, name=name, repository=repository, ci_command=ci)
    except Conflict:
        project = Project.objects.get(key=key)
    epic = plan_project(people["product_owner"].actor, project) if key == PLANNED else None
    story = create_story(actor=people["developer"].actor, project=project, content=content, epic=epic)
    return story.reference


def public_url() -> str:
    """Where the owner console is."""
    return f"http://{settings.PUBLIC_HOST}:{settings.PORT}"


def tenant_url(host: str) -> str:
    """Where a tenant's portal is."""
    return f"http://{host}:{settings.PORT}"
