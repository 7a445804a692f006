"""The packaged model behind the OpenAI protocol, as `make up` serves it."""

import os
import subprocess
import sys
from collections.abc import Iterator

import httpx
import pytest
from django.test import override_settings

from guildhall.embedded.model_server import CONTEXT_TOKENS, PARALLEL, model_file, model_name
from guildhall.embedded.process import free_port
from tests.support.processes import until

KEY = "only-for-tests"


@pytest.fixture(scope="session")
def local_model() -> Iterator[tuple[str, str]]:
    """Base URL and model name of a server of this run's own."""
    port = free_port()
    env = {**os.environ, "LLM_API_KEY": KEY, "GUILDHALL_MODEL_PORT": str(port)}
    process = subprocess.Popen([sys.executable, "-m", "guildhall.embedded.model_server"], env=env)
    url = f"http://127.0.0.1:{port}/v1"
    try:
        until(lambda: _answers(url), seconds=60, what="the model server")
        yield url, model_name(model_file())
    finally:
        process.kill()
        process.wait()


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
