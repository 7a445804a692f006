"""The engines as a page of the owner console, and the same as JSON: what each says of its load, and the routes it serves."""

import time
from dataclasses import asdict, dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from gateway.cooling import Failures, kept_failures
from gateway.engines import Load, kept_loads
from gateway.gpus import kept_gpus
from gateway.models import Deployment

COLUMNS = ["Deployment", "Model", "Routes", "State", "Running", "Waiting", "Cache", "Tokens a second", "Looked at"]
GPU_COLUMNS = ["Machine", "GPU", "In use", "Memory", "Temperature", "Power"]
UNSEEN = "not looked at"


@dataclass(frozen=True, slots=True)
class Row:
    """One deployment as the page shows it; `load` is None when nothing fresh is known of it, `failures` where none is."""

    name: str
    model: str
    routes: list[str]
    active: bool
    load: Load | None
    failures: Failures | None

    @property
    def state(self) -> str:
        if not self.active:
            return "inactive"
        if self.failures is not None and self.failures.resting:
            return "resting"
        if self.load is None:
            return UNSEEN
        return "healthy" if self.load.healthy else "away"

    @property
    def tone(self) -> str:
        return {"healthy": "success", "away": "danger", "resting": "warning"}.get(self.state, "default")

    @property
    def cache_percent(self) -> float | None:
        return None if self.load is None or self.load.cache_use is None else self.load.cache_use * 100

    @property
    def seconds_ago(self) -> int | None:
        return None if self.load is None else max(0, round(time.time() - self.load.at))


def _rows() -> list[Row]:
    loads, failures = kept_loads(), kept_failures()
    return [
        Row(
            name=one.name,
            model=one.model,
            routes=[f"{route.name} ({route.rank})" for route in one.routes.all()],
            active=one.active,
            load=loads.get(one.name),
            failures=failures.get(one.name),
        )
        for one in Deployment.objects.order_by("name").prefetch_related("routes")
    ]


def _gpus() -> dict[str, Any]:
    return {"gpu_columns": GPU_COLUMNS, "gpus": kept_gpus()}


@require_safe
def engines_page(request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
    """All deployments by name."""
    return render(
        request, "owner/engines.html", {**context, "title": "Engines", "columns": COLUMNS, "rows": _rows(), **_gpus()}
    )


@never_cache
@require_safe
def engines_json(request: HttpRequest) -> HttpResponse:
    """The same for programs: `{"engines": [{name, model, routes, active, state, load, failures}], "gpus": [{…}]}`."""
    gpus = [asdict(gpu) for gpu in kept_gpus()]
    return JsonResponse({"engines": [{**asdict(row), "state": row.state} for row in _rows()], "gpus": gpus})
