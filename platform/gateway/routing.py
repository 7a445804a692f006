"""Which deployment serves a route, and at which price."""

from dataclasses import dataclass
from datetime import UTC, datetime

from django.conf import settings

from gateway.models import Deployment, Price, Route
from gateway.wire import Endpoint
from governance.pricing import UnitPrices
from guildhall.kernel.errors import Unavailable


@dataclass(frozen=True, slots=True)
class Target:
    """A deployment with its price, as one call uses it."""

    deployment: str
    endpoint: Endpoint
    context_tokens: int
    supports_tools: bool
    supports_schema: bool
    may_judge: bool
    price_version: str
    prices: UnitPrices


def targets_for(route: str) -> list[Target]:
    """The active, priced deployments of `route`, best first.

    Raises `Unavailable` when the route has none, or when none of its models has a price: unpriced calls are refused.
    """
    rows = Route.objects.filter(name=route, deployment__active=True).select_related("deployment").order_by("rank")
    deployments = [row.deployment for row in rows]
    if not deployments:
        raise Unavailable(f"No model serves the route {route!r}. An owner can add one under Deployments.")
    found = [target for deployment in deployments if (target := _target(deployment))]
    if not found:
        names = ", ".join(deployment.model for deployment in deployments)
        raise Unavailable(f"No price is known for {names}; a model without a price is not called.")
    return found


def _target(deployment: Deployment) -> Target | None:
    today = datetime.now(UTC).date()
    price = Price.objects.filter(model=deployment.model, valid_from__lte=today).order_by("-valid_from", "-id").first()
    if price is None:
        return None
    key = settings.LLM_API_KEY if deployment.credential == "LLM_API_KEY" else ""
    return Target(
        deployment=deployment.name,
        endpoint=Endpoint(
            deployment.base_url, deployment.model, key, deployment.timeout_s, logprobs=deployment.supports_logprobs
        ),
        context_tokens=deployment.context_tokens,
        supports_tools=deployment.supports_tools,
        supports_schema=deployment.supports_schema,
        may_judge=deployment.may_judge,
        price_version=price.version,
        prices=UnitPrices(price.tokens_in, price.tokens_out, price.tokens_cached),
    )
