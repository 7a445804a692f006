"""The model server that a benchmark asks: the packaged one, vLLM where it is installed, or one that runs already."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from importlib.util import find_spec

import httpx

from gateway.models import Deployment, Price, Route
from guildhall.embedded.model_server import model_file, model_name
from guildhall.embedded.process import free_port
from guildhall.kernel.tenancy import platform_scope

KEY = "only-for-benchmarks"
START_SECONDS = {"embedded": 60.0, "vllm": 300.0}


class NotInstalled(RuntimeError):
    """The engine that was asked for is not here; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Engine:
    """A model server that answers: its name for the report, its base URL and the model's name there."""

    name: str
    url: str
    model: str


@contextmanager
def engine(kind: str) -> Iterator[Engine]:
    """`embedded`, or `vllm`: the one that LLM_BASE_URL names, or one started here. Every route leads to it.

    Raises `NotInstalled`.
    """
    url = os.environ.get("LLM_BASE_URL", "")
    if kind == "vllm" and url:
        found = Engine("vLLM at LLM_BASE_URL", url, os.environ.get("LLM_MODEL", "default"))
        _point_routes(found, os.environ.get("LLM_API_KEY", ""))
        yield found
        return
    port = free_port()
    command, model = _vllm(port) if kind == "vllm" else _embedded()
    env = {**os.environ, "LLM_API_KEY": KEY, "GUILDHALL_MODEL_PORT": str(port), "VLLM_CPU_KVCACHE_SPACE": "1"}
    found = Engine(kind, f"http://127.0.0.1:{port}/v1", model)
    quiet = subprocess.DEVNULL
    with subprocess.Popen(command, env={**env, "HF_HUB_OFFLINE": "1"}, stdout=quiet, stderr=quiet) as process:
        try:
            _wait(found, process, START_SECONDS[kind])
            _point_routes(found, KEY)
            yield found
        finally:
            process.kill()


def _embedded() -> tuple[list[str], str]:
    return [sys.executable, "-m", "guildhall.embedded.model_server"], model_name(model_file())


def _vllm(port: int) -> tuple[list[str], str]:
    folder = os.environ.get("VLLM_MODEL", "")
    if find_spec("vllm") is None or not folder:
        raise NotInstalled(
            "vLLM is not measured: it is not installed in this environment, or VLLM_MODEL names no model folder."
            " Install it, or start it elsewhere and set LLM_BASE_URL, LLM_MODEL and LLM_API_KEY."
        )
    options = ["--host", "127.0.0.1", "--port", str(port), "--api-key", KEY, "--served-model-name", "bench"]
    server = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", folder]
    return [*server, *options, "--dtype", "bfloat16", "--max-model-len", "4096", "--enforce-eager"], "bench"


def _wait(found: Engine, process: subprocess.Popen[bytes], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise NotInstalled(f"The {found.name} engine ended with {process.returncode} before it answered.")
        try:
            answer = httpx.get(f"{found.url}/models", headers={"Authorization": f"Bearer {KEY}"}, timeout=2)
            if answer.status_code == 200:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.2)
    raise NotInstalled(f"The {found.name} engine did not answer within {seconds:g} s.")


def _point_routes(found: Engine, key: str) -> None:
    from django.conf import settings

    settings.LLM_API_KEY = key
    with platform_scope():
        prices = {"tokens_in": Decimal("0.01"), "tokens_out": Decimal("0.04"), "tokens_cached": Decimal("0.005")}
        Price.objects.get_or_create(
            model=found.model, version="bench", defaults={"valid_from": date(2026, 1, 1), **prices}
        )
        deployment, _ = Deployment.objects.update_or_create(
            name="bench",
            defaults={
                "base_url": found.url,
                "model": found.model,
                "credential": "LLM_API_KEY" if key else "",
                "supports_tools": False,
                "may_judge": False,
                "context_tokens": 2048,
            },
        )
        Route.objects.all().delete()
        for name in ("fast", "smart", "code"):
            Route.objects.create(name=name, rank=1, deployment=deployment)
