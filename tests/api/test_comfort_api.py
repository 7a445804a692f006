"""The API of comments, labels, files, search and bulk acts: versions, keys, sizes, and what is nobody else's."""

from collections.abc import Callable

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from guildhall.kernel.tenancy import tenant_scope
from tests.api.people import People
from tests.api.test_bad_input import with_story
from tests.support.tenants import TestTenant
from workflows.models import Attachment, Comment
from workflows.models.attachment import MAX_BYTES

pytestmark = pytest.mark.integration
LONG = "x" * 20_001


@pytest.fixture(scope="module")
def people(make_tenant: Callable[..., TestTenant]) -> People:
    return with_story(make_tenant(), brief="Shoppers carry no cash.")


def test_comments_are_edited_at_the_version_that_was_seen_and_written_once(people: People) -> None:
    author = people.developer
    first = author.post("stories/SHOP-1/comments/", {"text": "Frist"}, 201, idempotency_key="c1")
    again = author.post("stories/SHOP-1/comments/", {"text": "Frist"}, 201, idempotency_key="c1")
    assert (again["id"], first["allowed_actions"]) == (first["id"], ["edit", "delete"])
    path = f"comments/{first['id']}/"
    author.send("PATCH", path, {"text": "First"}, 428)
    edited = author.send("PATCH", path, {"text": "First"}, if_match='"v1"')
    assert (edited["text"], edited["version"]) == ("First", 2)
    author.send("PATCH", path, {"text": "Worst"}, 412, if_match='"v1"')
    people.qa.send("PATCH", path, {"text": "Mine"}, 403, if_match='"v2"')
    people.qa.send("DELETE", path, {}, 403)
    people.client.get(path, 404)
    listed = author.get("stories/SHOP-1/comments/")["results"]
    assert [row["id"] for row in listed] == [first["id"]]
    author.send("DELETE", path, {}, 204)
    with tenant_scope(people.tenant.schema):
        assert not Comment.objects.exists()


def test_files_are_uploaded_read_and_refused_by_size(people: People) -> None:
    client = people.developer.client
    sent = client.post("/api/v1/stories/SHOP-1/attachments/", {"file": SimpleUploadedFile("a.pdf", b"%PDF-1.7 ...")})
    assert (sent.status_code, sent.json()["media_type"]) == (201, "application/pdf")
    path = f"/api/v1/attachments/{sent.json()['id']}/"
    content = client.get(f"{path}content/")
    assert (content.getvalue(), content["X-Content-Type-Options"]) == (b"%PDF-1.7 ...", "nosniff")
    assert content["Content-Disposition"] == 'attachment; filename="a.pdf"'
    big = SimpleUploadedFile("big", b"x" * (MAX_BYTES + 1))
    assert client.post("/api/v1/stories/SHOP-1/attachments/", {"file": big}).status_code == 413
    assert client.post("/api/v1/stories/SHOP-1/attachments/", {}).status_code == 422
    empty = {"file": SimpleUploadedFile("none", b"")}
    assert client.post("/api/v1/stories/SHOP-1/attachments/", empty).status_code == 422
    assert people.client.client.get(f"{path}content/").status_code == 404
    assert people.viewer.client.delete(path).status_code == 403
    assert client.delete(path).status_code == 204
    with tenant_scope(people.tenant.schema):
        assert not Attachment.objects.exists()


def test_labels_people_and_watching_are_set_and_found_again(people: People) -> None:
    author = people.developer
    label = author.post("labels/", {"name": "Money", "colour": "d2"}, 201)
    author.post("labels/", {"name": "MONEY"}, 422)
    author.send("PATCH", f"labels/{label['id']}/", {"name": "Cash"}, 428)
    author.send("PATCH", f"labels/{label['id']}/", {"name": "Cash"}, if_match='"v1"')
    author.send("DELETE", f"labels/{label['id']}/", {}, 403)
    author.send("PUT", "stories/SHOP-1/labels/", {"labels": [label["id"]]})
    author.send("PUT", "stories/SHOP-1/labels/", {"labels": [9999]}, 404)
    me = author.get("me/")
    story = author.send("PUT", "stories/SHOP-1/assignee/", {"assignee": f"person:{me['id']}"})
    assert (story["assignee_name"], story["labels"]) == ("Developer", ["Cash"])
    author.send("PUT", "stories/SHOP-1/assignee/", {"assignee": "person:nobody"}, 422)
    author.send("PUT", "stories/SHOP-1/assignee/", {"assignee": ""}, 412, if_match='"v1"')
    assert author.send("PUT", "stories/SHOP-1/watch/", {"watching": False}) == {"watching": False}
    for query in (
        {"search": "cash"},
        {"label": label["id"]},
        {"assignee": "me"},
        {"search": "SHOP-1", "ordering": "-rank"},
    ):
        assert [row["reference"] for row in author.get("stories/", **query)["results"]] == ["SHOP-1"], query
    assert author.get("stories/", search="zebra")["results"] == []
    for query in ({"search": "x" * 201}, {"label": "x"}, {"assignee": "'"}, {"show": "evil"}, {"state": "flying"}):
        author.get("stories/", 422, **query)


BAD = [
    ("POST", "stories/SHOP-1/comments/", {"text": LONG}, 422),
    ("POST", "stories/SHOP-1/comments/", {"text": "a\0b"}, 422),
    ("POST", "stories/SHOP-9/comments/", {"text": "Lost"}, 404),
    ("POST", "stories/bulk/", {"stories": ["SHOP-1"] * 101, "do": "assign", "value": "none"}, 422),
    ("POST", "stories/bulk/", {"stories": ["'"], "do": "assign", "value": "none"}, 422),
    ("POST", "stories/bulk/", {"stories": ["SHOP-1"], "do": "label", "value": "9" * 20}, 422),
    ("POST", "filters/", {"name": "All", "query": "evil=1"}, 422),
    ("POST", "filters/", {"name": "x" * 61, "query": "state=draft"}, 422),
    ("POST", "labels/", {"name": "Fine", "colour": "puce"}, 422),
    ("POST", "labels/99/merge/", {"into": 98}, 404),
    ("POST", "inbox/read/", {"id": "all"}, 422),
    ("GET", "attachments/99999999999999999999/", {}, 404),
]


@pytest.mark.parametrize(("method", "path", "body", "status"), BAD)
def test_bad_input_is_refused_at_each_door(
    people: People, method: str, path: str, body: dict[str, object], status: int
) -> None:
    people.developer.send(method, path, body, status)


def test_many_at_once_answer_one_by_one(people: People) -> None:
    sent = {"stories": ["SHOP-1", "SHOP-2"], "do": "priority", "value": "high"}
    told = people.developer.post("stories/bulk/", sent)["results"]
    assert [(row["reference"], row["done"], row["status"]) for row in told] == [
        ("SHOP-1", True, 200),
        ("SHOP-2", False, 404),
    ]
    assert all(
        row["status"] == 403 for row in people.viewer.post("stories/bulk/", {**sent, "stories": ["SHOP-1"]})["results"]
    )
