"""Generated requests against every operation: no 500, and every answer is one that the description names."""

from typing import Any

import pytest
import schemathesis
from django.core.wsgi import get_wsgi_application
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import CHECKS, load_all_checks

from guildhall.kernel.tenancy import tenant_scope
from tenants.actions.keys import create_api_key
from tests.support.tenants import TestTenant
from tests.test_permissions import make_work

pytestmark = pytest.mark.integration
EXAMPLES = 12
NAMES = ["not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance"]
LEFT_OUT = ("/api/v1/sessions/", "/api/v1/members/", "/api/v1/api-keys/")
"""Deleting there ends what the test itself signs in with."""


def known(path: str) -> dict[str, Any]:
    """Half of what is generated leads to things that exist."""
    reference = "SHOP-1.1" if path.startswith("/api/v1/tasks/") else "SHOP-1"
    return {"reference": reference, "key": "SHOP", "number": 1, "pk": 1, "name": "mason"}


@pytest.fixture
def described(tenant: TestTenant) -> Any:
    """The described API of a tenant with some work in it, and the header of an admin's key."""
    with tenant_scope(tenant.schema):
        make_work(tenant)
        _, key = create_api_key(actor=tenant.actor("admin"), name="tests", scopes=["api:read", "api:write"], days=1)
    application = get_wsgi_application()

    def on_host(environ: dict[str, Any], start_response: Any) -> Any:
        return application({**environ, "HTTP_HOST": tenant.host}, start_response)

    return schemathesis.openapi.from_wsgi("/api/schema/?format=json", on_host), {"Authorization": f"Bearer {key}"}


def test_no_request_breaks_the_api_or_its_description(described: Any) -> None:
    schema, headers = described
    load_all_checks()
    checks = CHECKS.get_by_names(NAMES)
    broken: list[str] = []
    for found in schema.get_all_operations():
        operation = found.ok()
        if operation.method == "delete" and operation.path.startswith(LEFT_OUT):
            continue
        problem = _first_problem(operation, headers, checks)
        if problem:
            broken.append(f"{operation.label}: {problem}")
    assert not broken, "\n\n".join(broken)


def _first_problem(operation: Any, headers: dict[str, str], checks: list[Any]) -> str:
    @settings(
        max_examples=EXAMPLES, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck)
    )
    @given(case=operation.as_strategy())
    def answer(case: Any) -> None:
        if len(str(case.query)) % 2 == 0:
            case.path_parameters = {
                name: known(operation.path).get(name, value) for name, value in (case.path_parameters or {}).items()
            }
        case.validate_response(case.call(headers=headers), checks=checks)

    try:
        answer()
    except (Exception, BaseExceptionGroup) as error:
        return f"{type(error).__name__}: {error}"[:1500]
    return ""
