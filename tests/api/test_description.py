"""The API's description as it is served."""

from pathlib import Path

import pytest
from django.test import Client
from drf_spectacular.generators import SchemaGenerator

from tests.support.tenants import TestTenant

pytestmark = pytest.mark.integration
COMMITTED = Path(__file__).parents[2] / "docs" / "reference" / "openapi.yaml"


def test_the_description_is_the_committed_one_and_is_made_once_whoever_asks(
    resident: TestTenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = Client(HTTP_HOST=resident.host)
    assert client.get("/api/schema/").content.decode() == COMMITTED.read_text()
    monkeypatch.delattr(SchemaGenerator, "parse")
    again = client.get("/api/schema/?format=json&version=9")
    assert (again.status_code, again.json()["info"]["version"]) == (200, "1")
