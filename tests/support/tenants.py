"""Fixtures: the migrated database, and committed tenants in it, used as the application's own login."""

import itertools
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import pytest
from pytest_django.plugin import DjangoDbBlocker

from guildhall.kernel.actor import PLATFORM, Actor, ActorKind, system_actor
from guildhall.kernel.tenancy import identity_scope, platform_scope, tenant_scope
from tests.support.passwords import stretch_little

PASSWORD = "correct horse battery staple"
_numbers = itertools.count(1)


def pytest_configure() -> None:
    stretch_little()


@cache
def _encoded() -> str:
    """The password as it is stored: once is enough for all test members."""
    from django.contrib.auth.hashers import make_password

    return make_password(PASSWORD)


@dataclass
class Member:
    """A person of a test tenant, with what they sign in with."""

    actor: Actor
    email: str
    password: str = PASSWORD


@dataclass
class TestTenant:
    """A committed tenant with a schema and role of its own."""

    __test__ = False

    schema: str
    slug: str
    host: str
    members: dict[str, Member] = field(default_factory=dict)

    def scope(self) -> AbstractContextManager[None]:
        return tenant_scope(self.schema)

    def member(self, role: str, *, name: str | None = None) -> Member:
        """A real member (user and membership rows) with `role`; the same one for the same role and name."""
        key = f"{role}:{name or ''}"
        if key not in self.members:
            self.members[key] = self._join(role, name or role.replace("_", " ").title())
        return self.members[key]

    def actor(self, role: str, *, name: str | None = None) -> Actor:
        return self.member(role, name=name).actor

    def agent(self, role: str, name: str) -> Actor:
        """An acting agent; no row of an agent is made."""
        return Actor(kind=ActorKind.AGENT, id=name, name=name.title(), tenant=self.schema, roles=frozenset({role}))

    def system(self, name: str = "system") -> Actor:
        return system_actor(name, self.schema)

    def _join(self, role: str, name: str) -> Member:
        from tenants.models import Membership, User

        email = f"{role}-{next(_numbers)}@{self.host}"
        with identity_scope():
            user = User.objects.create(email=email.lower(), name=name, password=_encoded())
        with tenant_scope(self.schema):
            Membership.objects.create(tenant_id=self.schema, user_id=user.pk, roles=[role])
        actor = Actor(
            kind=ActorKind.PERSON,
            id=user.public_id,
            name=name,
            tenant=self.schema,
            roles=frozenset({role}),
            via="test",
        )
        return Member(actor, email)


@pytest.fixture(scope="session")
def database(services: object, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """The shared tables and the template; the servers come with them."""
    with django_db_blocker.unblock():
        yield
        from guildhall.kernel.postgres.base import close_pools

        close_pools()


@pytest.fixture(scope="session")
def make_tenant(database: None) -> Callable[..., TestTenant]:
    """A factory of fresh committed tenants."""

    def make(slug: str | None = None) -> TestTenant:
        from tenants.actions.tenants import create_tenant
        from tenants.provisioning.provision import host_for, provision

        slug = slug or f"t{os.getpid()}-{next(_numbers)}"
        with platform_scope():
            row = create_tenant(
                actor=system_actor("tests", PLATFORM), slug=slug, name=slug.title(), host=host_for(slug)
            )
        provision(row)
        return TestTenant(schema=row.schema_name, slug=slug, host=host_for(slug))

    return make


@pytest.fixture(scope="session")
def residents(make_tenant: Callable[..., TestTenant]) -> tuple[TestTenant, TestTenant]:
    """Two committed tenants of the whole run, for tests that leave no rows that another test could stumble over."""
    return make_tenant(), make_tenant()


@pytest.fixture
def resident(residents: tuple[TestTenant, TestTenant]) -> TestTenant:
    """One of the two, for tests of what is refused whatever else is there."""
    return residents[0]


@pytest.fixture
def tenant(make_tenant: Callable[..., TestTenant]) -> TestTenant:
    """One fresh committed tenant."""
    return make_tenant()


@pytest.fixture
def other_tenant(make_tenant: Callable[..., TestTenant]) -> TestTenant:
    """A second fresh committed tenant, the attacker or the victim."""
    return make_tenant()


@pytest.fixture(autouse=True)
def _no_connection_left(request: pytest.FixtureRequest) -> Iterator[None]:
    """Every test ends with its connection back in the pool and in no scope."""
    yield
    if "database" in request.fixturenames:
        from django.db import connection

        wrapper: Any = connection
        assert wrapper.scope.role is None, "a test left a scope entered"
        connection.close()
