"""The packaged model behind the OpenAI protocol, as `make up` serves it."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack

import httpx
import pytest
from django.test import override_settings

from guildhall.embedded.model_server import CONTEXT_TOKENS, PARALLEL, model_file, model_name
from tests.support.ports import listening
from tests.support.processes import running, until

KEY = "only-for-tests"


@pytest.fixture(scope="session")
def local_model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """Base URL and model name of a server of this run's own."""
    log = tmp_path_factory.mktemp("engine") / "engine.log"
    with ExitStack() as stack:

        def start(port: int) -> subprocess.Popen[bytes]:
            env = {**os.environ, "LLM_API_KEY": KEY, "GUILDHALL_MODEL_PORT": str(port)}
            return stack.enter_context(running("-m", "guildhall.embedded.model_server", log=log, env=env))

        url = f"http://127.0.0.1:{listening(start, log=log)}/v1"
        until(lambda: _answers(url), what="the model server")
        yield url, model_name(model_file())


@pytest.fixture
def small_model(database: None, local_model: tuple[str, str]) -> Iterator[None]:
    """Every route leads to the packaged model, which neither calls tools nor judges."""
    from gateway.models import Deployment, Price
    from guildhall.kernel.tenancy import platform_scope
    from tests.support.world import point_routes_at

    url, name = local_model
    with override_settings(LLM_API_KEY=KEY):
        point_routes_at(url, name, tools=False, judge=False, credential="LLM_API_KEY")
        with platform_scope():
            Deployment.objects.filter(base_url=url).update(context_tokens=CONTEXT_TOKENS, slots=PARALLEL)
            local = Price.objects.filter(model="local-model").latest("valid_from")
            Price.objects.get_or_create(
                model=name,
                version=local.version,
                defaults={
                    "valid_from": local.valid_from,
                    "tokens_in": local.tokens_in,
                    "tokens_out": local.tokens_out,
                    "tokens_cached": local.tokens_cached,
                },
            )
        yield


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/models", headers={"Authorization": f"Bearer {KEY}"}, timeout=2).status_code == 200
    except httpx.HTTPError:
        return False
