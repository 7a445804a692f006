"""What a provider says it was asked: its own usage by request, and the comparison of the ledger with it."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx2

from gateway.credentials import key_of
from gateway.models import Deployment, Price
from governance.actions.reconciliation import Period, reconcile
from governance.pricing import UnitPrices, Usage
from guildhall.kernel.actor import Actor
from guildhall.kernel.tenancy import release_connection

PAGE = 1000
MOST_PAGES = 200
TIMEOUT_SECONDS = 30.0
SETTLED = timedelta(minutes=10)
"""A call that is younger may not be counted by its provider yet."""


class NoUsage(Exception):
    """The provider did not tell; the message says why."""


def reconcile_providers(*, actor: Actor, hours: int = 25) -> list[int]:
    """Compare the current tenant's ledger with every provider that tells its usage; ids of the comparisons."""
    until = datetime.now(UTC) - SETTLED
    found = []
    for deployment in Deployment.objects.exclude(usage_url="").order_by("name"):
        period = Period(deployment.name, until - timedelta(hours=hours), until)
        found.append(reconcile_provider(actor=actor, deployment=deployment, period=period))
    return found


def reconcile_provider(*, actor: Actor, deployment: Deployment, period: Period) -> int:
    """Compare with one provider; a provider that does not answer is a comparison with a problem."""
    try:
        counted, problem = usage_of(deployment, period), ""
    except NoUsage as trouble:
        counted, problem = {}, str(trouble)
    return reconcile(actor=actor, period=period, counted=counted, price_of=_price_of, problem=problem)


def usage_of(deployment: Deployment, period: Period) -> dict[UUID, Usage]:
    """Tokens by the id that each request was sent with (`X-Request-Id`); requests of the same id are added up.

    Raises `NoUsage`.
    """
    sums: dict[UUID, list[int]] = defaultdict(lambda: [0, 0, 0])
    for line in _lines(deployment, period):
        try:
            call = UUID(str(line["request_id"]))
            counts = [int(line.get(name) or 0) for name in ("prompt_tokens", "completion_tokens", "cached_tokens")]
            if min(counts) < 0:
                raise ValueError("a count below nothing")
            sums[call] = [known + more for known, more in zip(sums[call], counts, strict=True)]
        except (KeyError, ValueError, TypeError, OverflowError):
            # Somebody else's request, by another program with the same account.
            continue
    return {call: Usage(read, written, min(cached, read)) for call, (read, written, cached) in sums.items()}


def _lines(deployment: Deployment, period: Period) -> Iterator[dict[str, Any]]:
    key = key_of(deployment, "its count of what was used")
    release_connection()
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    # The provider counts a call when it ends, which may be later than it was reserved.
    span = {"start_time": int(period.since.timestamp()) - 60, "end_time": int(period.until.timestamp()) + 3600}
    after = ""
    with httpx2.Client(headers=headers, timeout=TIMEOUT_SECONDS) as client:
        for _ in range(MOST_PAGES):
            query: dict[str, int | str] = {**span, "limit": PAGE, **({"after": after} if after else {})}
            try:
                answer = client.get(deployment.usage_url, params=query)
                answer.raise_for_status()
                body = answer.json()
                lines = list(body["data"])
            except (httpx2.HTTPError, ValueError, KeyError, TypeError) as error:
                raise NoUsage(f"{deployment.name} did not tell its usage: {type(error).__name__} {error}") from error
            yield from lines
            after = str(body.get("last_id") or "")
            if not body.get("has_more") or not after:
                return
    raise NoUsage(f"{deployment.name} has more than {MOST_PAGES * PAGE} requests in this time")


def _price_of(model: str) -> UnitPrices | None:
    price = Price.objects.filter(model=model).order_by("-valid_from", "-id").first()
    return UnitPrices(price.tokens_in, price.tokens_out, price.tokens_cached) if price else None
