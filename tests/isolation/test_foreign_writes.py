"""Writing at somebody else's ids: the same answer as for what there is not, and nothing is written.

Every route that takes POST, PUT, PATCH or DELETE with an id in its address is tried, of the API and of the portal, by people
of another organisation and by people of another client in the same one; and every body that can name something.
"""

from collections.abc import Callable, Sequence

import pytest
from django.test import Client

from guildhall.kernel.tenancy import tenant_scope
from tenants.models import Membership
from tests.api.people import People
from tests.isolation.rooms import furnish
from tests.isolation.writes import NO_THINGS, Aim, aims, answered, body_of, fingerprint, in_bodies, things, without
from tests.support.api_permissions import API_ROWS
from tests.support.clients import signed_in
from tests.support.page_permissions import PAGE_ROWS
from tests.support.permissions import TENANT_ROWS, Row
from tests.support.tenants import TestTenant
from workflows.actions import create_story
from workflows.models import Project, Story

pytestmark = pytest.mark.integration
ROWS = [*API_ROWS, *PAGE_ROWS, *TENANT_ROWS]
Answers = list[tuple[Aim, tuple[int, str], tuple[int, str]]]


@pytest.fixture(scope="module")
def victim(make_tenant: Callable[..., TestTenant]) -> TestTenant:
    made = make_tenant()
    furnish(made, "THEIRS-7f", ["SHOP", "ONE"])
    people = People(made)
    assert people.viewer
    people.admin.post("invitations/", {"email": "new@example.org", "roles": ["viewer"]}, 201)
    return made


@pytest.fixture(scope="module")
def attacker(make_tenant: Callable[..., TestTenant]) -> TestTenant:
    """With one thing of each kind, where the victim has more: every newest id is somebody else's."""
    made = make_tenant()
    furnish(made, "MINE-7f", ["OWN"])
    return made


def tried(program: Client, browser: Client, found: Sequence[Aim]) -> Answers:
    """What is said to each request with a body that an owner could send and with none: there, and where nothing is."""
    return [
        (aim, answered(client, aim.row, aim.there, body), answered(client, aim.row, aim.nowhere, body))
        for aim in found
        for client in (program if aim.row.route.startswith("api/") else browser,)
        for body in ({}, *filter(None, [body_of(aim.row.route)]))
    ]


def told_apart(answers: Answers) -> list[str]:
    """Where somebody hears of another's thing what is not said of nothing at all."""
    return [
        f"{aim.row.method} {aim.there}: {there}, {aim.nowhere}: {nowhere}"
        for aim, there, nowhere in answers
        if (there[0], aim.strip(there[1])) != (nowhere[0], aim.strip(nowhere[1]))
    ]


@pytest.mark.parametrize("role", ["admin", "product_owner"])
def test_another_organisations_things_are_as_good_as_missing(
    attacker: TestTenant, victim: TestTenant, role: str
) -> None:
    found = list(aims(ROWS, victim))
    before = fingerprint(victim)
    caller, browser = People(attacker).join(role), signed_in(attacker, attacker.member(role))
    answers = tried(caller.client, browser, found)
    assert told_apart(answers) == []
    fitting = {(aim.row.method, aim.there): there for aim, there, _ in answers}  # the last body is the fitting one
    assert {name: there for name, there in fitting.items() if there[0] not in (403, 404)} == {}
    assert sum(there[0] == 404 for _, there, _ in answers) > len(answers) * 0.8, "found missing, not refused before"
    assert fingerprint(victim) == before


def test_ids_in_bodies_reach_nothing_of_another_organisation(attacker: TestTenant, victim: TestTenant) -> None:
    theirs, before = things(victim), fingerprint(victim)
    client = People(attacker).product_owner.client
    names = [*theirs.values(), *NO_THINGS.values()]
    wrong = []
    for (method, path, body), (_, _, nothing) in zip(in_bodies(theirs), in_bodies(NO_THINGS), strict=True):
        row = Row(method, f"api/v1/{path}", 401, 200)
        told = [answered(client, row, row.route, each) for each in (body, nothing)]
        there, nowhere = ((status, without(words, names)) for status, words in told)
        taken = there[0] < 400 and "'done': False" not in there[1] and path != "inbox/read/"
        if there != nowhere or taken:
            wrong.append(f"{method} {path} {body}: {there}, {nowhere}")
    assert wrong == []
    assert fingerprint(victim) == before


@pytest.fixture(scope="module")
def shared(make_tenant: Callable[..., TestTenant]) -> TestTenant:
    """SHOP is shown to the client brightside, nothing of ONE to its client acme but one story."""
    tenant = make_tenant()
    furnish(tenant, "FOREIGN-7f", ["SHOP", "ONE"])
    people = People(tenant)
    assert people.viewer is not people.client
    people.admin.post("invitations/", {"email": "new@example.org", "roles": ["viewer"]}, 201)
    with tenant_scope(tenant.schema):
        Membership.objects.filter(roles=["client"]).update(client="acme")
        Project.objects.filter(key="SHOP").update(client="brightside")
        Project.objects.filter(key="ONE").update(client="acme")
        Story.objects.filter(project__key="SHOP").update(client_visible=True)
        project = Project.objects.get(key="ONE")
        content = {"title": "Seen by acme", "client_visible": True}
        create_story(actor=tenant.actor("product_owner"), project=project, content=content)  # type: ignore[arg-type]
    return tenant


def test_another_clients_things_are_as_good_as_missing(shared: TestTenant) -> None:
    found = list(aims(ROWS, shared, first=True, but=["ONE", "ONE-2"]))
    before = {name: rows for name, rows in fingerprint(shared).items() if not name.startswith("guildhall_")}
    answers = tried(People(shared).client.client, signed_in(shared, shared.member("client")), found)
    assert told_apart(answers) == []
    assert [aim.there for aim, there, _ in answers if not 400 <= there[0] < 500] == []
    assert {name: rows for name, rows in fingerprint(shared).items() if not name.startswith("guildhall_")} == before
