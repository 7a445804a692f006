"""vLLM's CPU build with the packaged model, served by `manage.py serve_model`, and every route leading to it."""

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from django.test import override_settings

from gateway.abilities import takes_salt
from gateway.models import Deployment, Price
from gateway.wire import Endpoint
from guildhall.embedded.engines import model_folder
from guildhall.embedded.model_server import model_file
from guildhall.kernel.tenancy import platform_scope
from tests.support.engine import KEY
from tests.support.processes import ROOT, running, until
from tests.support.world import point_routes_at

START_SECONDS = 600.0
NAME = "packaged-on-vllm"


@dataclass(frozen=True, slots=True)
class Served:
    """What `serve_model` announced, its own process and its log."""

    url: str
    model: str
    process: subprocess.Popen[bytes]
    log: Path


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The converted model is kept in the checkout's `var`: the next stage need not make it anew."""
    folder = tmp_path_factory.mktemp("vllm")
    model = model_folder(model_file(), ROOT / "var" / "models")
    out, log = folder / "out.log", folder / "vllm.log"
    command = ["manage.py", "serve_model", "--engine", "vllm", "--model", str(model), "--name", NAME, "--log", str(log)]
    command += ["--tool-call-parser", "hermes"]
    with running(*command, log=out, env={**os.environ, "LLM_API_KEY": KEY}) as process:

        def announced() -> list[str]:
            assert process.poll() is None, f"{out.read_text()}\n{log.read_text()[-4000:] if log.exists() else ''}"
            return [line for line in out.read_text().splitlines() if line.startswith("{") and line.endswith("}")]

        said = json.loads(until(announced, seconds=START_SECONDS, what="the start of vLLM")[0])
        yield Served(said["base_url"], said["model"], process, log)


@pytest.fixture
def vllm(database: None, served: Served) -> Iterator[Served]:
    """Every route leads to it; the packaged model neither calls tools nor judges."""
    with override_settings(LLM_API_KEY=KEY):
        point_routes_at(served.url, served.model, tools=False, judge=False, credential="LLM_API_KEY")
        with platform_scope():
            price = {"tokens_in": Decimal("0.01"), "tokens_out": Decimal("0.04"), "tokens_cached": Decimal("0.005")}
            since = {"valid_from": date(2026, 1, 1)}
            Price.objects.get_or_create(model=served.model, version="tests", defaults={**since, **price})
            Deployment.objects.filter(name="tests").update(
                salts_cache=takes_salt(Endpoint(served.url, served.model, KEY, 20))
            )
        yield served
