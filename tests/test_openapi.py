"""The committed description of the API is the API's."""

import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from drf_spectacular import validation
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import OpenApiJsonRenderer, OpenApiYamlRenderer

pytestmark = pytest.mark.unit
COMMITTED = Path(__file__).parents[1] / "docs" / "reference" / "openapi.yaml"
OPENAPI = Path(validation.__file__).parent / "openapi_3_1_schema.json"
"""OpenAPI's own schema. `make drift` has drf-spectacular look with it, which takes twenty times as long in Python."""
HANDING_OUT_OR_ADMITTING = {"/api/v1/api-keys/", "/api/v1/invitations/accept/"}
MAKE = "make it anew: `python manage.py spectacular --validate --fail-on-warn --file docs/reference/openapi.yaml`"


@pytest.fixture(scope="module")
def described() -> dict[str, Any]:
    """Made once: that takes longer than all that is asked about it."""
    with GENERATOR_STATS.silence():
        schema: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    return schema


def test_the_description_is_whole_and_committed(described: dict[str, Any]) -> None:
    assert not GENERATOR_STATS, "warnings while describing the API"
    plain = json.loads(OpenApiJsonRenderer().render(described))
    jsonschema_rs.validator_for(json.loads(OPENAPI.read_text())).validate(plain)
    assert described["openapi"].startswith("3.1")
    text = OpenApiYamlRenderer().render(described, renderer_context={})  # type: ignore[no-untyped-call]
    assert text.decode() == COMMITTED.read_text(), MAKE


def test_every_change_can_be_repeated_safely_or_hands_out_a_secret(described: dict[str, Any]) -> None:
    unkeyed = {
        path
        for path, methods in described["paths"].items()
        for method, operation in methods.items()
        if method in ("post", "put", "patch")
        and "Idempotency-Key" not in {parameter["name"] for parameter in operation.get("parameters", [])}
    }
    assert {path for path in unkeyed if not path.startswith("/api/v1/auth/")} == HANDING_OUT_OR_ADMITTING
