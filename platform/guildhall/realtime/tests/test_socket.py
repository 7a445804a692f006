"""Pages' sockets over real HTTP: the live process, a real websocket client, Redis and the relay."""

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis
from django.conf import settings
from psycopg.rows import dict_row
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin

from governance.actions.approvals import request_approval
from guildhall.embedded.service import answers_on_socket
from guildhall.evidence.relay import Relay, announce
from guildhall.evidence.selectors import head_position
from guildhall.kernel.rates import limiter
from guildhall.kernel.tenancy import tenant_scope
from tenants.actions.members import change_roles, remove_member
from tenants.models import Comember, Membership
from tenants.web.rates import rates_of
from tests.support.clients import signed_in
from tests.support.processes import running, until
from tests.support.tenants import TestTenant
from workflows.actions import Content, create_project, create_story
from workflows.models import Project

pytestmark = pytest.mark.integration
SECONDS = 120
Page = Callable[..., AbstractContextManager[ClientConnection]]


@pytest.fixture(scope="module")
def live(database: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The live process; its socket, as behind nginx: nobody can take its place, as they can a port's."""
    folder = tmp_path_factory.mktemp("live")
    path = folder / "live.sock"
    arguments = ("-m", "uvicorn", "guildhall.asgi:application", "--uds", str(path), "--lifespan", "off")
    with running(*arguments, log=folder / "live.log"):
        until(answers_on_socket(path), seconds=60, what="the live process")
        yield path


def there(path: Path) -> socket.socket:
    """A connection to the live process."""
    found = socket.socket(socket.AF_UNIX)
    found.connect(str(path))
    return found


@pytest.fixture
def page(live: Path) -> Page:
    @contextmanager
    def open_page(tenant: TestTenant, role: str, name: str | None = None) -> Iterator[ClientConnection]:
        cookie = signed_in(tenant, tenant.member(role, name=name)).cookies["gh_session"].value
        with connect(
            f"ws://{tenant.host}/ws/portal/",
            sock=there(live),
            origin=Origin(f"http://{tenant.host}"),
            additional_headers={"Cookie": f"gh_session={cookie}"},
        ) as connection:
            yield connection

    return open_page


def told(connection: ClientConnection) -> dict[str, Any]:
    message: dict[str, Any] = json.loads(connection.recv(timeout=SECONDS))
    return message


def happen(tenant: TestTenant, *keys: str) -> None:
    """Something happens in a tenant, and the relay announces it."""
    with tenant_scope(tenant.schema):
        for key in keys:
            create_project(actor=tenant.actor("admin"), key=key, name=key, repository=key.lower(), ci_command="true")
    pass_on()


def pass_on() -> None:
    sink = announce(redis.Redis.from_url(settings.REDIS_URL))
    relay = Relay(settings.RELAY_DATABASE_URL, [sink])
    with psycopg.connect(settings.RELAY_DATABASE_URL, autocommit=True, row_factory=dict_row) as db:
        while relay.step(db):
            pass


def test_whoever_asks_too_often_gets_no_socket_and_hears_when_to_come_back(tenant: TestTenant, page: Page) -> None:
    for rate in rates_of(tenant.actor("qa"))[:1]:
        assert limiter().take([rate], rate.limit).refused is None
    with page(tenant, "qa") as connection, pytest.raises(ConnectionClosed) as closed:
        told(connection)
    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, "Retry-After: " in closed.value.rcvd.reason) == (4429, True)
    with page(tenant, "developer") as connection:
        connection.send(json.dumps({"after": None}))
        assert "position" in told(connection), "a colleague is not touched"


def test_a_page_hears_what_happens_after_it_was_loaded(tenant: TestTenant, page: Page) -> None:
    with page(tenant, "qa") as connection:
        connection.send(json.dumps({"after": None}))
        start = told(connection)["position"]
        happen(tenant, "AA")
        heard = told(connection)
        while heard.get("subject") != "project:AA":
            heard = told(connection)
        assert heard["position"] > start
        assert heard["kind"] == "planning.project.created"


def test_a_page_that_was_away_catches_up_in_order(tenant: TestTenant, page: Page) -> None:
    happen(tenant, "AA", "BB", "CC")
    with page(tenant, "qa") as connection:
        connection.send(json.dumps({"after": 0}))
        heard = [told(connection)]
        while "kind" in heard[-1]:
            heard.append(told(connection))
    positions = [message["position"] for message in heard[:-1]]
    assert positions == list(range(1, len(positions) + 1)), "no gap"
    assert heard[-1] == {"position": positions[-1]}
    created = [m["subject"] for m in heard[:-1] if m["kind"] == "planning.project.created"]
    assert created == ["project:AA", "project:BB", "project:CC"]


def test_no_page_hears_of_another_tenant(tenant: TestTenant, other_tenant: TestTenant, page: Page) -> None:
    with page(tenant, "qa") as connection:
        pass_on()
        connection.send(json.dumps({"after": None}))
        position = told(connection)["position"]
        # Both streams stand at the same position, so the other's next event looks like the one that is waited for.
        with tenant_scope(other_tenant.schema):
            behind = position - head_position()
        assert behind >= 0
        happen(other_tenant, *[f"K{number}" for number in range(behind)])
        happen(other_tenant, "SECRET")
        happen(tenant, "OWN")
        heard = [told(connection)]
        while heard[-1].get("subject") != "project:OWN":
            heard.append(told(connection))
    assert "SECRET" not in json.dumps(heard)


def test_who_leaves_hears_nothing_more(tenant: TestTenant, page: Page) -> None:
    leaver = tenant.actor("qa")
    with page(tenant, "qa") as connection:
        connection.send(json.dumps({"after": None}))
        told(connection)
        with tenant_scope(tenant.schema):
            remove_member(actor=tenant.actor("admin"), person=leaver.id)
        happen(tenant, "LATER")
        heard: list[dict[str, Any]] = []
        with pytest.raises(ConnectionClosed) as closed:
            while True:
                heard.append(told(connection))
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4403
    assert not any(message.get("subject") == "project:LATER" for message in heard)


def clients_of(tenant: TestTenant) -> None:
    """Two clients, each with a project, and people of each."""
    team = tenant.actor("product_owner")
    with tenant_scope(tenant.schema):
        for client in ("acme", "bolt"):
            person = tenant.actor("client", name=client)
            pk = Comember.objects.get(public_id=person.id).pk
            Membership.objects.filter(user_id=pk).update(client=client)
            create_project(
                actor=team, key=client.upper(), name=client, repository=client, ci_command="true", client=client
            )


def write(tenant: TestTenant, client: str, *, visible: bool) -> None:
    """A story of the client's project; the tenant's scope is entered."""
    project = Project.objects.get(key=client.upper())
    content = Content(title=f"For {client}", client_visible=visible)
    create_story(actor=tenant.actor("developer"), project=project, content=content)


def ask(tenant: TestTenant, client: str, subject: str) -> None:
    """An approval addressed to a client, or to nobody outside; the tenant's scope is entered."""
    asked = {"kind": "scope", "subject": subject, "title": "May it?", "risk": "low", "binding": {"it": subject}}
    request_approval(actor=tenant.system(), client=client, **asked)  # type: ignore[arg-type]


def test_a_client_hears_of_its_own_and_of_nothing_else(tenant: TestTenant, page: Page) -> None:
    clients_of(tenant)
    with page(tenant, "client", "acme") as acme, page(tenant, "client", "bolt") as bolt:
        for connection in (acme, bolt):
            connection.send(json.dumps({"after": 0}))
            assert told(connection) == {"refetch": True, "position": 0}, "what was is fetched, not told"
        with tenant_scope(tenant.schema):
            write(tenant, "acme", visible=True)
            write(tenant, "acme", visible=False)
            write(tenant, "bolt", visible=True)
            ask(tenant, "", "story:ACME-1")
            ask(tenant, "acme", "story:ACME-2")
            ask(tenant, "bolt", "story:BOLT-1")
            create_project(actor=tenant.actor("admin"), key="END", name="x", repository="x", ci_command="true")
            for client in ("acme", "bolt"):
                write(tenant, client, visible=True)
        pass_on()
        heard = {}
        for connection, last in ((acme, "story:ACME-3"), (bolt, "story:BOLT-2")):
            subjects = [told(connection)]
            while subjects[-1].get("subject") != last:
                subjects.append(told(connection))
            heard[last] = subjects
    expected = {
        "story:ACME-3": ["story:ACME-1", "approval:2", "story:ACME-3"],
        "story:BOLT-2": ["story:BOLT-1", "approval:3", "story:BOLT-2"],
    }
    # No kind and no position: gaps would count what others do.
    assert heard == {
        last: [{"subject": subject, "position": 0} for subject in subjects] for last, subjects in expected.items()
    }


def test_a_client_that_changes_hands_hears_of_the_old_one_no_more(tenant: TestTenant, page: Page) -> None:
    clients_of(tenant)
    person = tenant.actor("client", name="acme")
    with page(tenant, "client", "acme") as connection:
        connection.send(json.dumps({"after": None}))
        assert told(connection)["refetch"] is True
        with tenant_scope(tenant.schema):
            change_roles(actor=tenant.actor("admin"), person=person.id, roles=["client"], client="bolt")
            write(tenant, "acme", visible=True)
            write(tenant, "bolt", visible=True)
        pass_on()
        assert told(connection) == {"subject": "story:BOLT-1", "position": 0}


@pytest.mark.parametrize(
    "sent",
    ["not json", "[]", '{"after": -1}', '{"after": "1"}', '{"after": 1, "more": 2}', '{"after": true}', "x" * 2000],
)
def test_bad_messages_end_the_socket_with_a_reason(resident: TestTenant, page: Page, sent: str) -> None:
    with page(resident, "qa") as connection:
        connection.send(sent)
        with pytest.raises(ConnectionClosed) as closed:
            told(connection)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4400


def test_a_stranger_gets_no_socket(resident: TestTenant, live: Path) -> None:
    with (
        connect(
            f"ws://{resident.host}/ws/portal/",
            sock=there(live),
            origin=Origin(f"http://{resident.host}"),
        ) as connection,
        pytest.raises(ConnectionClosed) as closed,
    ):
        told(connection)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4403
