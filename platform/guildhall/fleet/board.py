"""The fleet as a page of the owner console, and the same as JSON: workers, what each is at, queues, and orders to them."""

from dataclasses import asdict, dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from guildhall.fleet.models import Part, Stop
from guildhall.fleet.presence import BrokerAway, Doing, Presence, Queue, queues, workers
from guildhall.kernel.actor import PLATFORM
from tenants.models import Tenant

WORKER_COLUMNS = ["Worker", "State", "Queues", "Heard of", "What it is at", ""]
QUEUE_COLUMNS = ["Queue", "State", "Messages", "First waits for", "Workers", ""]
TONES = {
    "at work": "success",
    "idle": "default",
    "draining": "warning",
    "drained": "info",
    "lost": "danger",
    "asleep": "default",
    "open": "success",
    "paused": "warning",
    "nobody": "danger",
}


@dataclass(frozen=True, slots=True)
class Work:
    """One job of a worker: for which organisation, and for how many seconds already."""

    job: str
    organisation: str
    run: int | None
    phase: str
    seconds: int


@dataclass(frozen=True, slots=True)
class WorkerRow:
    """A worker as it is shown; `stop` is the order that keeps it from new work."""

    about: Presence
    work: list[Work]
    stop: Stop | None

    @property
    def state(self) -> str:
        if self.about.lost:
            return "lost"
        if self.stop:
            return "draining" if self.work or self.about.taking else "drained"
        if self.about.asleep:
            return "asleep"
        return "at work" if self.work else "idle"

    @property
    def tone(self) -> str:
        return TONES[self.state]


@dataclass(frozen=True, slots=True)
class QueueRow:
    """A queue as it is shown, with the names of the workers that take from it now; `sleepers` would if anything came."""

    about: Queue
    takers: list[str]
    sleepers: list[str]
    stop: Stop | None

    @property
    def state(self) -> str:
        if self.stop:
            return "paused"
        if self.takers:
            return "open"
        return "asleep" if self.sleepers else "nobody"

    @property
    def tone(self) -> str:
        return TONES[self.state]


@dataclass(frozen=True, slots=True)
class Board:
    """Everything at one moment; without the broker there are no rows, and `away` says so."""

    workers: list[WorkerRow]
    queues: list[QueueRow]
    away: bool = False


def board() -> Board:
    """How the fleet is now. In the platform's scope; waits for no worker."""
    stops = {(stop.part, stop.name): stop for stop in Stop.objects.filter(ended_at=None)}
    try:
        heard, lines = workers(), queues()
    except BrokerAway:
        return Board([], [], away=True)
    called = _called({doing.tenant for worker in heard for doing in worker.doing})
    rows = [
        WorkerRow(one, [_work(doing, one.at, called) for doing in one.doing], stops.get((Part.WORKER, one.name)))
        for one in heard
    ]
    return Board(rows, [_queue(line, rows, stops.get((Part.QUEUE, line.name))) for line in lines])


def _queue(line: Queue, rows: list[WorkerRow], stop: Stop | None) -> QueueRow:
    takers = [row.about.name for row in rows if not row.about.lost and line.name in row.about.taking]
    sleepers = [row.about.name for row in rows if row.state == "asleep" and line.name in row.about.queues]
    return QueueRow(line, takers, sleepers, stop)


def _called(schemas: set[str]) -> dict[str, str]:
    names = Tenant.objects.filter(schema_name__in=schemas).values_list("schema_name", "name")
    return {PLATFORM: "The platform itself", "": "", **dict(names)}


def _work(doing: Doing, at: float, called: dict[str, str]) -> Work:
    seconds = round(max(0.0, at - doing.since)) if doing.since else 0
    job = doing.job.rpartition(".")[2].replace("_", " ")
    return Work(job, called.get(doing.tenant, doing.tenant), doing.run, doing.phase, seconds)


@require_safe
def board_page(request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
    """All workers and all queues, by name."""
    more = {"title": "Workers and queues", "columns": (WORKER_COLUMNS, QUEUE_COLUMNS), "board": board()}
    return render(request, "owner/fleet.html", {**context, **more})


@never_cache
@require_safe
def board_json(request: HttpRequest) -> HttpResponse:
    """The same for programs of the owner's: `{"away": …, "workers": […], "queues": […]}`, times in seconds."""
    found = board()
    told = [
        {
            **{name: value for name, value in asdict(row.about).items() if name not in ("doing", "at")},
            "state": row.state,
            "doing": [asdict(work) for work in row.work],
            "order": row.stop.pk if row.stop else None,
        }
        for row in found.workers
    ]
    lines = [
        {**asdict(row.about), "state": row.state, "workers": row.takers, "order": row.stop.pk if row.stop else None}
        for row in found.queues
    ]
    return JsonResponse({"away": found.away, "workers": told, "queues": lines})
