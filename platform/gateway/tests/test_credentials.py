"""That a process has the key of a model server in use is in the platform's trail: once a day for each place and purpose."""

from typing import Any

import pytest
from django.db import transaction

from gateway import credentials
from gateway.engines import look_at_engines
from gateway.models import Deployment
from gateway.routing import targets_for
from guildhall.evidence.selectors import recent
from guildhall.kernel.tenancy import platform_scope, tenant_scope
from tests.support.evidence import trail
from tests.support.tenants import TestTenant
from tests.support.world import scripted_model

pytestmark = pytest.mark.integration
KEY = "mk-0000-4711-not-to-be-seen"


def reads() -> list[dict[str, Any]]:
    with platform_scope():
        told = [entry["event"] for entry in recent(kinds=["gateway.key.read"])]
    return [event for event in told if event["name"] == "tests"]


def test_a_key_that_is_read_is_written_down_without_a_row_for_each_call(
    tenant: TestTenant, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.LLM_API_KEY = KEY
    monkeypatch.setattr(credentials, "_noted", {})
    with scripted_model([]):
        with tenant_scope(tenant.schema):
            assert targets_for("code")[0].endpoint.api_key == ""
        before = len(reads())
        with platform_scope():
            Deployment.objects.filter(name="tests").update(credential="LLM_API_KEY")
        with tenant_scope(tenant.schema):
            with transaction.atomic():
                assert targets_for("code")[0].endpoint.api_key == KEY, "it is written down the next time"
            assert len(reads()) == before
            for route in ("code", "smart", "code"):
                assert targets_for(route)[0].endpoint.api_key == KEY
            assert trail().count("gateway.key.read") == 0, "it is the platform's key, and its trail"
        assert len(reads()) == before + 1
        with platform_scope():
            look_at_engines()
            look_at_engines()
        latest, first = reads()[: len(reads()) - before]
        assert (first["credential"], first["purpose"]) == ("LLM_API_KEY", "calls to models")
        assert latest["purpose"] == "looks at how it is"
        with platform_scope():
            assert KEY not in trail()
            Deployment.objects.filter(name="tests").update(credential="")
