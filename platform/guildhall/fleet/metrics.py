"""What autoscalers and alarms read, as Prometheus' text, for whoever has the token: queues, workers, engines, rests and GPUs."""

import hmac
import time
from collections.abc import Callable, Mapping

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from gateway.cooling import Failures, kept_failures
from gateway.engines import Load, kept_loads
from gateway.gpus import Gpu, kept_gpus
from gpu_workers.rests import kept_rests
from guildhall.fleet.presence import BrokerAway, Presence, Queue, queues, workers

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@never_cache
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Gauges; 404 unless a token is set, 401 without it, 503 where the broker gives no answer. Asks no worker."""
    if not settings.METRICS_TOKEN:
        raise Http404
    shown = request.headers.get("Authorization", "").removeprefix("Bearer ")
    if not hmac.compare_digest(shown.encode(), settings.METRICS_TOKEN.encode()):
        return HttpResponse("Show the token as a bearer token.\n", status=401, headers={"WWW-Authenticate": "Bearer"})
    try:
        text = _text(queues(), [worker for worker in workers() if not worker.lost])
    except BrokerAway:
        return HttpResponse("The broker does not answer.\n", status=503, content_type="text/plain")
    text += _of_engines(kept_loads(), kept_failures()) + _of_rests(kept_rests()) + _of_gpus(kept_gpus())
    return HttpResponse(text, content_type=CONTENT_TYPE)


def _text(lines: list[Queue], there: list[Presence]) -> str:
    names = [line.name for line in lines]
    in_hand = {name: sum(len(worker.doing) for worker in there if name in worker.queues) for name in names}
    slots = {name: sum(worker.slots for worker in there if name in worker.taking) for name in names}
    gauges: list[tuple[str, str, Mapping[str, float]]] = [
        ("messages", "Messages that wait.", {line.name: line.depth for line in lines}),
        ("oldest_seconds", "How long the first of them has waited.", {line.name: line.age or 0 for line in lines}),
        ("jobs", "Jobs in hand at the workers that serve the queue, maybe of another one that they serve.", in_hand),
        ("slots", "Jobs that the workers which take from it now can have in hand at once.", slots),
    ]
    return "".join(
        _gauge(f"guildhall_queue_{name}", meaning, {f'queue="{queue}"': value for queue, value in values.items()})
        for name, meaning, values in gauges
    )


def _of_engines(loads: Mapping[str, Load], failures: Mapping[str, Failures]) -> str:
    """What was found at the last look, and what calls found since; nothing of figures that an engine does not tell."""
    now = time.time()
    gauges: list[tuple[str, str, Mapping[str, float | None]]] = [
        ("up", "Whether it answered when it was last looked at.", {name: load.healthy for name, load in loads.items()}),
        ("running", "Calls that it works at.", {name: load.running for name, load in loads.items()}),
        ("waiting", "Calls that wait for it.", {name: load.waiting for name, load in loads.items()}),
        ("cache_use", "Share of its attention cache in use.", {name: load.cache_use for name, load in loads.items()}),
        (
            "tokens_per_second",
            "What it wrote between the last two looks.",
            {name: load.tokens_per_s for name, load in loads.items()},
        ),
        ("failures", "Calls in a row that failed there.", {name: one.count for name, one in failures.items()}),
        (
            "cooling_seconds",
            "For how long it is asked last, after calls that failed.",
            {name: max(0.0, round(one.until - now, 1)) for name, one in failures.items()},
        ),
    ]
    told = []
    for name, meaning, values in gauges:
        labels = {f'deployment="{engine}"': float(value) for engine, value in values.items() if value is not None}
        told.append(_gauge(f"guildhall_engine_{name}", meaning, labels) if labels else "")
    return "".join(told)


def _of_rests(rests: Mapping[str, int]) -> str:
    labels = {f'route="{route}"': float(count) for route, count in rests.items()}
    return _gauge("guildhall_runs_resting", "Runs that rest for want of what they need.", labels) if labels else ""


def _of_gpus(gpus: list[Gpu]) -> str:
    """Nothing at all where no machine told of any."""
    figures: list[tuple[str, str, Callable[[Gpu], float | None]]] = [
        ("use", "Share of the time in which it was at work.", lambda gpu: gpu.use),
        ("memory_used_bytes", "Memory in use.", lambda gpu: gpu.memory_used),
        ("memory_bytes", "All its memory.", lambda gpu: gpu.memory_total),
        ("celsius", "Its temperature.", lambda gpu: gpu.celsius),
        ("watts", "What it draws.", lambda gpu: gpu.watts),
    ]
    told = []
    for name, meaning, figure in figures:
        labels = {f'host="{gpu.host}",gpu="{gpu.index}"': value for gpu in gpus if (value := figure(gpu)) is not None}
        told.append(_gauge(f"guildhall_gpu_{name}", meaning, labels) if labels else "")
    return "".join(told)


def _gauge(name: str, meaning: str, values: Mapping[str, float]) -> str:
    """One figure's lines; `values` by their labels."""
    rows = [f"{name}{{{labels}}} {value}" for labels, value in values.items()]
    return "\n".join([f"# HELP {name} {meaning}", f"# TYPE {name} gauge", *rows, ""])
