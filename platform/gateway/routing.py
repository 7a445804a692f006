"""Which deployment serves a route, and at which price."""

import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import takewhile

from gateway.configured import ROUTES
from gateway.cooling import Failures, kept_failures
from gateway.credentials import key_of
from gateway.engines import FRESH_SECONDS, Load, in_order_of_load, kept_loads
from gateway.models import Deployment, Price, Route
from gateway.wire import Endpoint
from governance.pricing import UnitPrices
from guildhall.kernel.errors import Unavailable


@dataclass(frozen=True, slots=True)
class Needs:
    """What a deployment has to be able to do for a call to go there: another one of the route does not stand in for it."""

    tools: bool = False
    schema: bool = False
    judging: bool = False


@dataclass(frozen=True, slots=True)
class Target:
    """A deployment with its price, as one call uses it."""

    deployment: str
    endpoint: Endpoint
    context_tokens: int
    slots: int
    supports_tools: bool
    supports_schema: bool
    may_judge: bool
    salts_cache: bool
    price_version: str
    prices: UnitPrices
    well: bool = True
    """Whether it answered when it was last looked at, and does not rest after a failure."""
    failed: bool = False
    """Whether the last call there failed."""

    def lacks(self, needs: Needs) -> str:
        """What it cannot do of what a call needs, in words; "" where it has it all."""
        able = {
            "it makes no tool calls": self.supports_tools or not needs.tools,
            "it obeys no schema": self.supports_schema or not needs.schema,
            "its verdicts do not count": self.may_judge or not needs.judging,
        }
        return ", ".join(lack for lack, has_it in able.items() if not has_it)


def route_names() -> list[str]:
    """The names that work can ask for: those that every installation has, and what owners have added."""
    added = set(Route.objects.values_list("name", flat=True))
    return [*ROUTES, *sorted(added - set(ROUTES))]


def first_of(route: str) -> Target:
    """The deployment that owners rank first on `route`, whether it rests now or not: what the route's work may count on.

    Who is asked first changes from one moment to the next, with every failure anywhere; what a model is trusted with does
    not. Raises as `targets_for` does.
    """
    return _ranked(route)[0]


def targets_for(route: str) -> list[Target]:
    """The active, priced deployments of `route`, best first: by rank, and by load where several serve one model.

    Raises `Unavailable` when the route has none, or when none of its models has a price: unpriced calls are refused.
    """
    found, failures = _ranked(route), kept_failures()
    if len(found) == 1:
        return [replace(found[0], failed=found[0].deployment in failures)]
    return _least_loaded_first(found, failures)


def _ranked(route: str) -> list[Target]:
    rows = Route.objects.filter(name=route, deployment__active=True).select_related("deployment").order_by("rank")
    deployments = [row.deployment for row in rows]
    if not deployments:
        raise Unavailable(f"No model serves the route {route!r}. An owner can add one under Deployments.", route=route)
    found = [target for deployment in deployments if (target := _target(deployment))]
    if not found:
        names = ", ".join(deployment.model for deployment in deployments)
        raise Unavailable(f"No price is known for {names}; a model without a price is not called.", route=route)
    return found


class _Begun:
    """What this process has sent where since the engines were last asked: calls of one moment do not all go to one."""

    def __init__(self) -> None:
        self._calls: deque[tuple[float, str]] = deque()
        self._lock = threading.Lock()

    def note(self, deployment: str) -> None:
        with self._lock:
            self._calls.append((time.time(), deployment))
            self._forget()

    def since(self, loads: Mapping[str, Load]) -> dict[str, int]:
        """Calls by deployment that its last figures cannot know of."""
        counts: dict[str, int] = {}
        with self._lock:
            self._forget()
            for at, deployment in self._calls:
                known = loads.get(deployment)
                if known is None or at > known.at:
                    counts[deployment] = counts.get(deployment, 0) + 1
        return counts

    def _forget(self) -> None:
        oldest = time.time() - FRESH_SECONDS
        while self._calls and self._calls[0][0] < oldest:
            self._calls.popleft()


_begun = _Begun()


def note_begun(deployment: str) -> None:
    """Say that a call goes to `deployment` now. Looking up where one would go, and asking another one instead, is none."""
    _begun.note(deployment)


def _least_loaded_first(found: list[Target], failures: Mapping[str, Failures]) -> list[Target]:
    loads = kept_loads()
    by_name = {target.deployment: target for target in found}
    ranked = [(target.deployment, target.endpoint.model) for target in found]
    away = {name for name, load in loads.items() if not load.healthy}
    unwell = away | {name for name, one in failures.items() if one.resting}
    order = in_order_of_load(ranked, loads, _begun.since(loads), unwell)
    return [replace(by_name[name], well=name not in unwell, failed=name in failures) for name in order]


def alike(targets: Sequence[Target]) -> int:
    """How many at the head of `targets` are the same to a call: of one model, and all well or none. At least 1."""
    first = targets[0]
    same = takewhile(lambda one: (one.endpoint.model, one.well) == (first.endpoint.model, first.well), targets)
    return sum(1 for _ in same)


def _target(deployment: Deployment) -> Target | None:
    today = datetime.now(UTC).date()
    price = Price.objects.filter(model=deployment.model, valid_from__lte=today).order_by("-valid_from", "-id").first()
    if price is None:
        return None
    key = key_of(deployment, "calls to models")
    return Target(
        deployment=deployment.name,
        endpoint=Endpoint(
            deployment.base_url, deployment.model, key, deployment.timeout_s, logprobs=deployment.supports_logprobs
        ),
        context_tokens=deployment.context_tokens,
        slots=deployment.slots,
        supports_tools=deployment.supports_tools,
        supports_schema=deployment.supports_schema,
        may_judge=deployment.may_judge,
        salts_cache=deployment.salts_cache,
        price_version=price.version,
        prices=UnitPrices(price.tokens_in, price.tokens_out, price.tokens_cached),
    )
