"""The model server that a benchmark asks: the packaged one, vLLM where it is installed, or one that runs already."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path

from gateway.models import Deployment, Price, Route
from guildhall.embedded import engines
from guildhall.embedded.model_server import CONTEXT_TOKENS, PARALLEL, model_file, model_name
from guildhall.embedded.process import EmbeddedError, end, free_port, spawn, wait_until
from guildhall.kernel.tenancy import platform_scope

KEY = "only-for-benchmarks"
MODELS = Path(__file__).parents[1] / "var" / "models"


class NotInstalled(RuntimeError):
    """The engine that was asked for is not here; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Engine:
    """A model server that answers: its name for the report, its base URL, the model's name there, and how many calls it
    works at at once (0: as many as come)."""

    name: str
    url: str
    model: str
    slots: int = 0


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
    with tempfile.TemporaryDirectory(prefix="guildhall-bench-engine-") as folder:
        log = Path(folder) / "engine.log"
        try:
            served = _served(kind)
            started = engines.service(served, log)
            process = spawn(started.command, log=log, env=started.env)
            try:
                wait_until(started.ready, process=process, what=kind, log=log, timeout=started.start_seconds)
                found = Engine(kind, served.base_url, served.name, PARALLEL if kind == "embedded" else 0)
                _point_routes(found, KEY)
                yield found
            finally:
                end(process)
        except EmbeddedError as problem:
            raise NotInstalled(f"{kind} is not measured. {problem}") from problem


def _served(kind: str) -> engines.Engine:
    """What is served: the packaged model, converted for vLLM, or what VLLM_MODEL names."""
    file = model_file()
    if kind == "vllm":
        given = Path(os.environ.get("VLLM_MODEL") or file)
        return engines.Engine(
            engines.VLLM, engines.model_folder(given, MODELS), "bench", free_port(), KEY, engines.VLLM_CONTEXT_TOKENS
        )
    return engines.Engine(engines.LLAMA, file, model_name(file), free_port(), KEY, CONTEXT_TOKENS)


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
                "slots": found.slots,
            },
        )
        Route.objects.all().delete()
        for name in ("fast", "smart", "code"):
            Route.objects.create(name=name, rank=1, deployment=deployment)
