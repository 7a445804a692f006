"""What an autoscaler reads: how long queues are, how busy workers and GPUs, as Prometheus' text, for whoever has the token."""

import hmac
from collections.abc import Callable, Mapping

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from gateway.gpus import Gpu, kept_gpus
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
    return HttpResponse(text + _of_gpus(kept_gpus()), content_type=CONTENT_TYPE)


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
