"""Consumers and their dead letters through every door: pages, API and owner console act alike, and all of it is recorded."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import psycopg
import pytest
from django.conf import settings
from django.db import connection
from django.test import Client
from psycopg.rows import dict_row

from guildhall.evidence.actions import dismiss_letters, keep_letter, retry_letters
from guildhall.evidence.delivery import deliver
from guildhall.evidence.relay import Relay
from guildhall.evidence.selectors import head_position, recent
from guildhall.evidence.streams import platform_streams
from guildhall.kernel import consumers
from guildhall.kernel.actions import governed, record
from guildhall.kernel.actor import Actor
from guildhall.kernel.consumers import TRIES, Consumer, Delivered, consumer, registered_consumers
from guildhall.kernel.errors import Denied
from guildhall.kernel.events import Event
from guildhall.kernel.tenancy import platform_scope, tenant_scope
from tenants.actions.keys import create_api_key
from tests.support.clients import Browser, signed_in
from tests.support.console import console, new_owner, recorded
from tests.support.evidence import ConsumerCursor
from tests.support.tenants import TestTenant

pytestmark = pytest.mark.integration
_numbers = itertools.count(1)
REASON = "The other side was away all morning."
SECRET = "order 4711 of Mrs Doe"


class Dropped(Event):
    kind: ClassVar[str] = "test.cup.dropped"
    number: int

    def sentence(self) -> str:
        return f"dropped cup {self.number}"


@governed("test.drop", lock=None)
def drop(*, actor: Actor, number: int) -> None:
    record(Dropped(subject=f"cup:{number}", number=number), actor=actor)


class Fragile:
    """Handles cups; those in `broken` it cannot."""

    def __init__(self) -> None:
        self.handled: list[int] = []
        self.broken: set[int] = set()

    def __call__(self, event: Delivered) -> None:
        assert isinstance(event.data, Dropped)
        if event.data.number in self.broken:
            raise ValueError(f"cannot glue {SECRET}")
        self.handled.append(event.data.number)


@dataclass
class Cupboard:
    """A tenant with a fragile consumer, an admin's browser and an admin's key."""

    tenant: TestTenant
    browser: Browser
    key: str
    handler: Fragile
    consumer: Consumer

    @property
    def name(self) -> str:
        return self.consumer.name

    def cups(self, *numbers: int) -> None:
        with tenant_scope(self.tenant.schema):
            for number in numbers:
                drop(actor=self.tenant.system(), number=number)
        self.deliver()

    def deliver(self) -> None:
        """Place what is there and let this test's consumer and the room's own read on."""
        for _ in range(2):
            place()
            with tenant_scope(self.tenant.schema):
                for reader in (self.consumer, registered_consumers()["evidence.letters"]):
                    deliver(reader)

    def break_down(self, *numbers: int) -> None:
        """These cups become dead letters."""
        self.handler.broken |= set(numbers)
        self.cups(*numbers)
        for _ in numbers:
            with tenant_scope(self.tenant.schema):
                waiting = ConsumerCursor.objects.filter(consumer=self.name)
                waiting.update(attempts=TRIES - 1, retry_at=None)
            self.deliver()

    def api(self, method: str, path: str, body: Any = None) -> Any:
        client = Client(HTTP_HOST=self.tenant.host, HTTP_AUTHORIZATION=f"Bearer {self.key}")
        return client.generic(method, f"/api/v1/{path}", body or "{}", content_type="application/json")

    def letters(self) -> list[int]:
        answer = self.api("GET", f"dead-letters/?consumer={self.name}").json()
        return [letter["position"] for letter in answer]

    def said(self, kind: str) -> list[str]:
        """What was recorded about this test's consumer, newest first."""
        with tenant_scope(self.tenant.schema):
            return [entry["sentence"] for entry in recent(kinds=[kind], subject=f"consumer:{self.name}")]


def place() -> None:
    with psycopg.connect(settings.RELAY_DATABASE_URL, autocommit=True, row_factory=dict_row) as db:
        while Relay(settings.RELAY_DATABASE_URL, []).step(db):
            pass


@pytest.fixture(scope="module")
def house(make_tenant: Callable[..., TestTenant]) -> tuple[TestTenant, Browser, str]:
    """A tenant with an admin's browser and an admin's key, shared by all tests here."""
    tenant = make_tenant()
    admin = tenant.member("admin")
    with tenant_scope(tenant.schema):
        _, key = create_api_key(actor=admin.actor, name="streams", scopes=["api:read", "api:write"], days=1)
    return tenant, signed_in(tenant, admin), key


@pytest.fixture
def cupboard(house: tuple[TestTenant, Browser, str]) -> Iterator[Cupboard]:
    """With a consumer of this test's own, which has read everything that was there."""
    known, handler, name = dict(consumers._consumers), Fragile(), f"test.fragile{next(_numbers)}"
    consumer(name, kinds=[Dropped])(_named(handler))
    place()
    with tenant_scope(house[0].schema):
        ConsumerCursor.objects.create(tenant=house[0].schema, consumer=name, position=head_position())
    yield Cupboard(*house, handler, registered_consumers()[name])
    consumers._consumers.clear()
    consumers._consumers.update(known)


def _named(handler: Fragile) -> Callable[[Delivered], None]:
    def glue(event: Delivered) -> None:
        """Glue cups together.

        At most once each.
        """
        handler(event)

    return glue


def test_what_a_consumer_gave_up_is_seen_retried_and_set_aside_on_pages(cupboard: Cupboard) -> None:
    browser, page = cupboard.browser, f"/events/{cupboard.name}/"
    cupboard.cups(1)
    cupboard.break_down(2, 3, 4)
    first, second, third = sorted(cupboard.letters())
    text = browser.get("/events/").content.decode()
    assert "Glue cups together." in text
    assert "dropped cup 3" in text
    assert "dead letters" in browser.get("/").content.decode(), "the menu counts what waits for a person"
    letter = f"{page}{first}/"
    assert "cannot glue" in browser.get(letter).content.decode()
    short = browser.submit(letter, {"act": "dismiss", "reason": "no"})
    assert (short.status_code, 'value="no"' in short.content.decode()) == (422, True)
    assert "Say why in 10 to 300 characters" in short.content.decode()
    assert browser.submit(letter, {"act": "dismiss", "reason": REASON}).status_code == 302
    assert browser.get(letter).status_code == 404
    assert sorted(cupboard.letters()) == [second, third]
    cupboard.handler.broken = {3}
    assert browser.submit(page, {"act": "retry"}).status_code == 302
    cupboard.deliver()
    assert cupboard.handler.handled == [1, 4]
    assert cupboard.letters() == [second], "what failed again waits on"
    assert cupboard.said("stream.letter.retried") == [
        f"handed event {third} to {cupboard.name} after all",
        f"could not hand event {second} to {cupboard.name}, again: ValueError",
    ]
    assert SECRET not in str(cupboard.said("stream.letter.kept")), "an event says no more than the kind of error"


def test_the_api_lists_retries_dismisses_and_replays(cupboard: Cupboard) -> None:
    cupboard.cups(1, 2)
    cupboard.break_down(3, 4)
    (state,) = [one for one in cupboard.api("GET", "consumers/").json() if one["name"] == cupboard.name]
    assert (state["dead_letters"], state["kinds"], state["about"]) == (2, [Dropped.kind], "Glue cups together.")
    fourth, third = cupboard.letters()
    cupboard.handler.broken = set()
    body = f'{{"consumer": "{cupboard.name}", "positions": [{third}]}}'
    answer = cupboard.api("POST", "dead-letters/retry/", body)
    assert (answer.status_code, answer.json()["positions"]) == (202, [third])
    cupboard.deliver()
    assert cupboard.handler.handled == [1, 2, 3]
    assert cupboard.api("POST", "dead-letters/retry/", body).status_code == 404
    told = f'{{"consumer": "{cupboard.name}", "reason": "{REASON}"}}'
    assert cupboard.api("POST", "dead-letters/dismiss/", told).json()["positions"] == [fourth]
    beyond = f'{{"position": {10**6}, "reason": "{REASON}"}}'
    refused = cupboard.api("POST", f"consumers/{cupboard.name}/replay/", beyond)
    assert (refused.status_code, list(refused.json()["fields"])) == (422, ["position"])
    again = cupboard.api("POST", f"consumers/{cupboard.name}/replay/", f'{{"position": {third}, "reason": "{REASON}"}}')
    assert (again.status_code, again.json()["position"]) == (200, third - 1)
    cupboard.deliver()
    assert cupboard.handler.handled == [1, 2, 3, 3, 4], "from there on, once more, in order"
    assert cupboard.api("POST", f"consumers/{cupboard.name}/wake/").status_code == 409


def test_reading_again_says_what_it_will_do_before_it_does_it(cupboard: Cupboard) -> None:
    cupboard.cups(1, 2, 3)
    page = f"/events/{cupboard.name}/replay/"
    (state,) = [one for one in cupboard.api("GET", "consumers/").json() if one["name"] == cupboard.name]
    last, first = state["position"], state["position"] - 2
    asked = cupboard.browser.get(f"{page}?position={first}").content.decode()
    assert f"It goes back over {last - first + 1} positions" in asked
    assert "once more, in order" in asked
    assert "It cannot read again from there" in cupboard.browser.get(f"{page}?position=none").content.decode()
    kept = cupboard.browser.submit(page, {"position": first, "reason": "short"}, form_at=f"{page}?position={first}")
    assert (kept.status_code, 'value="short"' in kept.content.decode()) == (422, True)
    assert cupboard.handler.handled == [1, 2, 3]
    done = cupboard.browser.submit(page, {"position": first, "reason": REASON}, form_at=f"{page}?position={first}")
    assert (done.status_code, done["Location"]) == (302, f"/events/{cupboard.name}/")
    cupboard.deliver()
    assert cupboard.handler.handled == [1, 2, 3, 1, 2, 3]
    (sentence,) = cupboard.said("stream.consumer.rewound")
    assert sentence == f"had {cupboard.name} read events {first} to {last} again: {REASON}"


def test_only_admins_look_after_consumers_and_a_refusal_is_recorded(cupboard: Cupboard) -> None:
    cupboard.break_down(1)
    outsiders = [cupboard.tenant.actor("devops"), cupboard.tenant.agent("developer", "mason")]
    with tenant_scope(cupboard.tenant.schema):
        for actor in outsiders:
            with pytest.raises(Denied, match="looked after by admins"):
                retry_letters(actor=actor, consumer=cupboard.name)
            with pytest.raises(Denied):
                dismiss_letters(actor=actor, consumer=cupboard.name, reason=REASON)
        with pytest.raises(Denied, match="platform's own"):
            keep_letter(actor=cupboard.tenant.actor("admin"), consumer=cupboard.name, token="", position=1, error="x")
        assert len(recent(outcome="denied")) == 5
    assert len(cupboard.letters()) == 1


def test_owners_see_how_streams_stand_but_nothing_that_events_say(cupboard: Cupboard) -> None:
    cupboard.break_down(1)
    schema, browser = cupboard.tenant.schema, console(new_owner())
    with platform_scope():
        assert platform_streams()[0].dead_letters >= 1, "trouble comes first"
        (stream,) = [one for one in platform_streams() if one.schema_name == schema]
    assert stream.letters == {cupboard.name: 1}
    page = f"/admin/streams/{schema}/{cupboard.name}/retry/"
    text = browser.get("/admin/streams/").content.decode()
    assert page in text
    assert f">{cupboard.tenant.slug.title()}</td>" in text, "organisations by their names"
    assert SECRET not in text
    short = browser.submit(page, {"reason": "no"})
    assert (short.status_code, "Say why in 10 to 300 characters" in short.content.decode()) == (422, True)
    cupboard.handler.broken = set()
    assert browser.submit(page, {"reason": REASON}).status_code == 302
    assert REASON in recorded(f"tenant:{schema}", kind="stream.tenant.retry_asked")[0]["sentence"]
    place()
    with platform_scope():
        deliver(registered_consumers()["evidence.tenant_letters"])
    cupboard.deliver()
    assert cupboard.handler.handled == [1]
    with tenant_scope(schema):
        assert recent(kinds=["stream.letter.retry_asked"])[0]["actor"]["ref"] == "system:owner console"
    assert browser.get(page).status_code == 404


def test_an_event_of_a_later_release_waits_for_a_release_that_knows_it(cupboard: Cupboard) -> None:
    with tenant_scope(cupboard.tenant.schema), connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO outbox_event (kind, version, subject, payload, actor, operation_id, trace_id)"
            ' VALUES (%s, 2, \'cup:9\', \'{"subject": "cup:9", "number": 9, "colour": "blue"}\','
            " '{\"ref\": \"system:x\"}', gen_random_uuid(), '')",
            [Dropped.kind],
        )
    cupboard.break_down(1)
    text = cupboard.browser.get(f"/events/{cupboard.name}/").content.decode()
    assert "this release knows v1" in text
    assert "which this release cannot read" in text


def test_the_catalogue_is_served(cupboard: Cupboard) -> None:
    client = Client(HTTP_HOST=cupboard.tenant.host)
    assert client.get("/api/events.yaml").content.startswith(b"asyncapi: 3.0.0")
    assert client.get("/api/events.json").json()["asyncapi"] == "3.0.0"
