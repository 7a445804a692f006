"""Games with the Host header, and what a request carries in and out."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from guildhall.kernel.errors import GuildhallError
from tenants.auth.hosts import parse_host
from tests.support.tenants import TestTenant

pytestmark = pytest.mark.integration


@pytest.mark.parametrize(
    ("raw", "host"),
    [("Acme.localhost:8000", "acme.localhost"), ("localhost", "localhost"), ("a-b.example", "a-b.example")],
)
def test_a_host_is_read_without_port_in_lower_case(raw: str, host: str) -> None:
    assert parse_host(raw) == host


@pytest.mark.parametrize(
    "raw",
    [
        None,
        "",
        "a.localhost,b.localhost",
        "a.localhost b.localhost",
        "user@a.localhost",
        "a.localhost:80:80",
        "a.localhost:http",
        "a.localhost/x",
        "a..localhost",
        "-a.localhost",
        "a.localhost.",
        "a.localhost\n",
        "ä.localhost",
        "x" * 254,
    ],
)
def test_anything_else_is_no_host(raw: str | None) -> None:
    with pytest.raises(GuildhallError):
        parse_host(raw)


def test_a_doubled_host_is_refused_and_an_unknown_one_leads_nowhere(tenant: TestTenant) -> None:
    assert Client().get("/sign-in/", HTTP_HOST=f"{tenant.host},{tenant.host}").status_code == 400
    assert Client().get("/sign-in/", SERVER_NAME=tenant.host).status_code == 400
    unknown = Client().get("/sign-in/", HTTP_HOST="nobody.localhost")
    assert (unknown.status_code, "No organisation lives at this address." in unknown.content.decode()) == (404, True)
    assert Client().get("/api/v1/me/", HTTP_HOST="nobody.localhost").json()["status"] == 404


@pytest.mark.parametrize("header", ["HTTP_X_FORWARDED_HOST", "HTTP_X_HOST", "HTTP_FORWARDED", "HTTP_X_ORIGINAL_HOST"])
def test_forwarded_hosts_have_no_say(residents: tuple[TestTenant, TestTenant], header: str) -> None:
    here, there = residents
    value = f"host={there.host}" if header == "HTTP_FORWARDED" else there.host
    forged: dict[str, Any] = {header: value}
    page = Client().get("/sign-in/", HTTP_HOST=here.host, **forged).content.decode()
    assert here.host in page
    assert there.host not in page


def test_a_new_tenant_is_found_though_its_host_led_nowhere_a_moment_ago(
    make_tenant: Callable[..., TestTenant],
) -> None:
    assert Client().get("/sign-in/", HTTP_HOST="latecomer.localhost").status_code == 404
    make_tenant("latecomer")
    assert Client().get("/sign-in/", HTTP_HOST="latecomer.localhost").status_code == 200


def test_request_and_trace_ids_come_back(residents: tuple[TestTenant, TestTenant]) -> None:
    own = "6f1c8a4e-2f0c-4a34-9b7e-0a6f5f0c9d11"
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    answer = Client().get(
        "/sign-in/",
        HTTP_HOST=residents[0].host,
        HTTP_X_REQUEST_ID=own,
        HTTP_TRACEPARENT=f"00-{trace}-00f067aa0ba902b7-01",
    )
    assert answer["X-Request-Id"] == own
    assert answer["traceparent"].split("-")[1] == trace
    garbage = Client().get(
        "/sign-in/", HTTP_HOST=residents[0].host, HTTP_X_REQUEST_ID="'; drop", HTTP_TRACEPARENT="00-zz-1-01"
    )
    assert len(garbage["X-Request-Id"]) == 36
    assert "zz" not in garbage["traceparent"]


def test_pages_allow_no_foreign_code(residents: tuple[TestTenant, TestTenant]) -> None:
    answer = Client().get("/sign-in/", HTTP_HOST=residents[0].host)
    assert "default-src 'none'" in answer["Content-Security-Policy"]
    page = answer.content.decode()
    for forbidden in (" style=", "<style", "onclick", "<script>", "http://", "https://"):
        assert forbidden not in page
