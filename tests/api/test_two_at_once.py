"""Two people at the same item at the same moment: one of them wins, the other is told, and nothing is done twice."""

import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import pytest
from django.db import connection

from governance.tests.test_late_counters import held
from guildhall.kernel.tenancy import tenant_scope
from tests.api.people import Caller, People
from tests.support.clients import signed_in
from tests.support.processes import until
from tests.support.tenants import TestTenant
from workflows.actions import create_project, create_story
from workflows.models import Task
from workflows.tests.world import World

pytestmark = pytest.mark.integration
ROUNDS = 4


def at_once(*acts: Callable[[], Any]) -> list[Any]:
    """The answers of `acts`, begun together in threads with connections of their own, by status."""
    start, answers = threading.Barrier(len(acts)), []

    def run(act: Callable[[], Any]) -> None:
        start.wait()
        answers.append(act())
        connection.close()

    threads = [threading.Thread(target=run, args=[act]) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(answers, key=lambda answer: int(answer.status_code))


def told(answer: Any) -> str:
    return str(json.loads(answer.content)["detail"])


@pytest.fixture
def world(tenant: TestTenant) -> World:
    return World(tenant)


def race(path: str, *tries: tuple[Caller, str, Any, dict[str, str]]) -> list[Any]:
    return at_once(
        *(
            lambda c=caller, m=method, b=body, h=headers: c.answer(m, path, b, **h)
            for caller, method, body, headers in tries
        )
    )


def test_one_of_two_wins_and_the_other_is_told(world: World) -> None:
    people = People(world.tenant)
    one, other = people.developer, people.join("developer", "Another")
    owner, second = people.product_owner, people.join("product_owner", "Second")
    _, (task,) = world.committed()
    claim = {"name": "claim_task"}
    won, lost = race(f"tasks/{task.reference}/transitions/", (one, "POST", claim, {}), (other, "POST", claim, {}))
    assert (won.status_code, lost.status_code) == (200, 409)
    assert "This task is in “Implementing”" in told(lost)
    with tenant_scope(world.tenant.schema):
        assert Task.objects.get(pk=task.pk).claim_token == 1, "one claim was ever given"
    for number in range(2, 2 + ROUNDS):
        story = world.write()
        assert story.reference == f"SHOP-{number}"
        page = f"stories/{story.reference}/"
        edits = [
            (caller, "PATCH", {"title": title}, {"if_match": '"v1"'}) for caller, title in ((one, "A"), (other, "B"))
        ]
        won, lost = race(page, *edits)
        assert (won.status_code, lost.status_code) == (200, 412)
        assert "you saw version 1, it is at 2" in told(lost)
        world.move(story, "submit", world.developer)
        yes, no = {"name": "approve_scope"}, {"name": "reject_scope", "feedback": "Not like this, please."}
        won, lost = race(f"{page}transitions/", (owner, "POST", yes, {}), (second, "POST", no, {}))
        assert (won.status_code, lost.status_code) == (200, 409)
        assert "Possible now: " in told(lost), "the loser hears where it stands and what can be done"
        assert world.state(story) == json.loads(won.content)["state"]


def test_one_of_two_writes_the_proposal_and_one_of_two_the_order(world: World) -> None:
    people = People(world.tenant)
    one, other = people.architect, people.product_owner
    story = world.write()
    world.move(story, "submit", world.developer)
    world.move(story, "approve_scope", world.po)
    page = f"stories/{story.reference}/"

    def raced(path: str, *bodies: Any) -> Any:
        """Both write over the same look at the story; the winner's answer, which names the version that came of it."""
        seen = one.client.get(f"/api/v1/{page}")["ETag"]
        tries = [(caller, "PUT", body, {"if_match": seen}) for caller, body in zip((one, other), bodies, strict=True)]
        won, lost = race(path, *tries)
        assert (won.status_code, lost.status_code) == (200, 412)
        assert "It was changed meanwhile" in told(lost)
        assert won["ETag"] == one.client.get(f"/api/v1/{page}")["ETag"] != seen
        return won

    first, second = ([{"title": f"{word} it", "role": "developer"}] for word in ("Write", "Draw"))
    won = raced(f"{page}proposal/", {"tasks": first}, {"tasks": second})
    stored = other.client.get(f"/api/v1/{page}proposal/")
    assert (stored.json()["tasks"], stored["ETag"]) == (won.json()["tasks"], won["ETag"])
    one.send("PUT", f"{page}proposal/", {"tasks": first + second, "version": 1}, 412)
    one.send("PUT", f"{page}proposal/", {"tasks": first + second}, 200, if_match=won["ETag"])
    one.send("POST", f"{page}transitions/", {"name": "derive_tasks"}, 412, if_match=won["ETag"])
    one.post(f"{page}transitions/", {"name": "derive_tasks"})
    names = [f"{story.reference}.1", f"{story.reference}.2"]
    won = raced(f"{page}tasks/order/", {"order": names}, {"order": names[::-1]})
    assert [task["reference"] for task in won.json()] in (names, names[::-1])
    one.send("PUT", f"{page}tasks/order/", {"order": names, "version": 1}, 412)


def test_of_two_labels_of_one_name_one_is_made_and_the_other_can_be_sent_again(world: World) -> None:
    """Both have looked whether there is such a label, and found none, before either is written."""
    people = People(world.tenant)
    label = {"name": "Urgent", "colour": "bad"}
    senders = {"one": people.developer, "two": people.architect}
    answers: dict[str, Any] = {}

    def send(key: str) -> None:
        with closing(connection):
            answers[key] = senders[key].answer("POST", "labels/", label, idempotency_key=key)

    with (
        ThreadPoolExecutor(2) as pool,
        held(f'LOCK TABLE "{world.tenant.schema}".workflows_label IN SHARE MODE') as waiting,
    ):
        sent = [pool.submit(send, key) for key in senders]
        until(lambda: waiting(2) or all(one.done() for one in sent))
    won, lost = sorted(answers, key=lambda key: int(answers[key].status_code))
    assert (answers[won].status_code, answers[lost].status_code) == (201, 409)
    assert answers[lost]["Content-Type"] == "application/problem+json"
    assert told(answers[lost]) == (
        "Such a label was made at this moment by somebody else. Nothing of this was done; look again and repeat it."
    )
    again = senders[lost].answer("POST", "labels/", label, idempotency_key=lost)
    assert (again.status_code, json.loads(again.content)["fields"]) == (
        422,
        {"name": ["There is a label “Urgent” already."]},
    )


def test_a_form_over_an_older_version_says_so_and_keeps_what_was_typed(tenant: TestTenant) -> None:
    author = tenant.member("developer")
    with tenant_scope(tenant.schema):
        project = create_project(
            actor=tenant.actor("product_owner"), key="SHOP", name="Shop", repository="shop", ci_command="true"
        )
        create_story(actor=author.actor, project=project, content={"title": "Answer returns", "size": "S"})
    browser, page = signed_in(tenant, author), "/stories/SHOP-1/edit/"
    mine = {"title": "Answer returns at once", "brief": "Typed for ten minutes.", "size": "M", "version": "1"}
    assert browser.submit(page, {**mine, "title": "Somebody was faster"}).status_code == 302
    late = browser.submit(page, mine)
    text = late.content.decode()
    assert late.status_code == 412
    assert "It was changed meanwhile" in text
    assert "Typed for ten minutes." in text
    assert "Answer returns at once" in text
    with tenant_scope(tenant.schema):
        assert project.stories.get().title == "Somebody was faster"
