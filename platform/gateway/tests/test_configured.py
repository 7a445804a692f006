"""The model that the environment names: audited, repeated without effect, and never against an owner."""

from collections.abc import Iterator
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from gateway.actions.deployments import change_deployment
from gateway.configured import NAME, ROUTES, bring_in
from gateway.models import Deployment, Price, Route
from gateway.tests.test_abilities import ACTS, HELLO, JUDGES, REFUSES_TOOLS
from guildhall.evidence.selectors import trail
from guildhall.kernel.actor import PLATFORM, Actor, ActorKind
from guildhall.kernel.tenancy import platform_scope
from tests.fakes.openai_server import OpenAIServer

pytestmark = pytest.mark.integration
OWNER = Actor(kind=ActorKind.OWNER, id="1", name="Owner", tenant=PLATFORM)


@pytest.fixture
def nothing_yet(database: None) -> Iterator[None]:
    """No deployment of the environment's, before and after."""
    with platform_scope():
        Deployment.objects.filter(name=NAME).delete()
        yield
        Deployment.objects.filter(name=NAME).delete()


def configured() -> tuple[Deployment, list[dict[str, Any]]]:
    deployment = Deployment.objects.get(name=NAME)
    return deployment, trail([f"deployment:{deployment.pk}"])


def test_the_environments_model_is_followed_except_where_an_owner_has_chosen(
    nothing_yet: None, settings: Settings
) -> None:
    settings.LLM_BASE_URL, settings.LLM_MODEL, settings.LLM_LOCAL = "http://127.0.0.1:4001/v1", "small", True
    settings.LLM_ABILITIES, settings.LLM_CONTEXT_TOKENS = "small", 2048
    assert "default is small" in list(bring_in())
    deployment, entries = configured()
    assert (deployment.base_url, deployment.may_judge) == ("http://127.0.0.1:4001/v1", False)
    assert [entry["actor"]["ref"] for entry in entries] == ["system:configuration"]
    assert set(ROUTES) <= set(Route.objects.values_list("name", flat=True))
    assert Price.objects.filter(model="small").exists()

    assert list(bring_in()) == []  # as at every later start
    assert configured()[1] == entries

    settings.LLM_BASE_URL = "http://127.0.0.1:4002/v1"
    assert list(bring_in()) == ["default has another base_url"]
    deployment, entries = configured()
    assert (deployment.base_url, entries[0]["actor"]["ref"]) == ("http://127.0.0.1:4002/v1", "system:configuration")

    own = {"base_url": "https://models.example/v1", "may_judge": True}
    change_deployment(actor=OWNER, deployment=deployment, values=own)
    settings.LLM_BASE_URL, settings.LLM_MODEL = "http://127.0.0.1:4003/v1", "other"
    assert list(bring_in())[-2:] == [
        "default has another model",
        "default keeps the base_url, may_judge that an owner has set",
    ]
    deployment, _ = configured()
    assert (deployment.base_url, deployment.may_judge, deployment.model) == (*own.values(), "other")


def test_a_model_is_asked_what_it_can_do_until_it_has_shown_it(nothing_yet: None, settings: Settings) -> None:
    settings.LLM_ABILITIES, settings.LLM_CONTEXT_TOKENS, settings.LLM_MODEL = "auto", None, "scripted"
    with OpenAIServer([{"when": {"contains": ["Say hello."]}, "status": 400}]) as server:
        settings.LLM_BASE_URL = server.url
        assert any(said.startswith("default could not be asked what it can do") for said in list(bring_in()))
        deployment, _ = configured()
        assert (deployment.supports_tools, deployment.may_judge, deployment.context_tokens) == (False, False, 32_768)

        server.script = [HELLO, REFUSES_TOOLS, *JUDGES]
        (told,) = list(bring_in())
        assert told.endswith(
            "since requests that offer any fail: the model server answered 400: Error code: 400 - scripted failure"
        )

        server.script = [HELLO, *ACTS, *JUDGES]
        server.models = [{"id": "scripted", "max_model_len": 4096, "owned_by": "vllm"}]
        assert list(bring_in()) == ["default has another context_tokens, salts_cache, supports_tools, may_judge"]
        deployment, _ = configured()
        assert (deployment.supports_tools, deployment.may_judge, deployment.context_tokens) == (True, True, 4096)
        assert deployment.salts_cache, "an engine that tells callers' caches apart is asked to"

        server.models = []
        server.script = []  # away, or changed: what was shown once is not asked again
        asked = len(server.journal)
        assert list(bring_in()) == []
        assert len(server.journal) == asked

        settings.LLM_ABILITIES = "small"
        assert list(bring_in()) == ["default has another supports_tools, may_judge"]
