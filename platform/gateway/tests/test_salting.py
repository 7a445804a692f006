"""Organisations share engines, and no cache of prompts in them: what one has asked makes no answer to another faster."""

import json

import pytest

from gateway.models import Deployment
from gateway.tests.test_completion import provider, say
from guildhall.kernel.tenancy import platform_scope
from tests.fakes.openai_server import OpenAIServer
from tests.support.tenants import TestTenant

pytestmark = pytest.mark.integration
__all__ = ["provider"]


def test_a_prompt_is_found_in_the_cache_by_who_asked_it_alone(
    tenant: TestTenant, other_tenant: TestTenant, provider: OpenAIServer
) -> None:
    say(tenant, "unsalted")
    with platform_scope():
        Deployment.objects.filter(name="scripted").update(salts_cache=True)
    for who, key in ((tenant, "first"), (other_tenant, "first"), (tenant, "second")):
        say(who, key)
    unsalted, mine, theirs, again = map(json.loads, provider.asked)
    assert "cache_salt" not in unsalted, "an engine that knows no such word may refuse it"
    assert mine["cache_salt"] == again["cache_salt"] != theirs["cache_salt"]
    assert mine["messages"] == theirs["messages"]
    assert len(mine["cache_salt"]) == 64
    assert tenant.schema not in mine["cache_salt"], "nobody can tell whose it is"
