"""The packaged model behind the OpenAI protocol, as `make up` serves it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack

import httpx
import pytest
from django.test import override_settings

from guildhall.embedded.model_server import CONTEXT_TOKENS, PARALLEL, model_file, model_name
from guildhall.embedded.process import free_port
from tests.support.processes import until

KEY = "only-for-tests"
PORTS = 3


@pytest.fixture(scope="session")
def local_model() -> Iterator[tuple[str, str]]:
    """Base URL and model name of a server of this run's own."""
    with ExitStack() as stack:
        url = next(filter(None, (_served(stack, free_port()) for _ in range(PORTS))), None)
        assert url is not None, f"the model server found no port in {PORTS} tries"
        yield url, model_name(model_file())


def _served(stack: ExitStack, port: int) -> str | None:
    """The URL of a server that is ended with `stack`; None when it ended itself, the port being somebody else's by then."""
    env = {**os.environ, "LLM_API_KEY": KEY, "GUILDHALL_MODEL_PORT": str(port)}
    process = stack.enter_context(subprocess.Popen([sys.executable, "-m", "guildhall.embedded.model_server"], env=env))
    stack.callback(process.kill)
    url = f"http://127.0.0.1:{port}/v1"
    until(lambda: process.poll() is not None or _answers(url), seconds=60, what="the model server")
    return url if process.poll() is None else None


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
