"""The packaged model behind the OpenAI protocol, as `make up` serves it."""

import os
import subprocess
import sys
from collections.abc import Iterator

import httpx
import pytest

from guildhall.embedded.model_server import model_file, model_name
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


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/models", headers={"Authorization": f"Bearer {KEY}"}, timeout=2).status_code == 200
    except httpx.HTTPError:
        return False
