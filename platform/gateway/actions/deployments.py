"""Where model calls go and what they cost: changed by owners, in the platform's scope. Prices are added and that is all."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError
from django.db import models

from gateway.events import (
    DeploymentAdded,
    DeploymentChanged,
    KeyRead,
    PriceAdded,
    RouteAdded,
    RouteChanged,
    RouteRemoved,
)
from gateway.models import Deployment, Price, Route
from guildhall.kernel.actions import governed, record
from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import Conflict, Invalid, NotFound

FIELDS = (
    "name",
    "base_url",
    "model",
    "credential",
    "context_tokens",
    "slots",
    "supports_tools",
    "supports_schema",
    "supports_logprobs",
    "salts_cache",
    "may_judge",
    "timeout_s",
    "usage_url",
    "active",
)
"""What of a deployment can be set."""


@governed("deployment.add", lock=None)
def add_deployment(*, actor: Actor, values: Mapping[str, Any]) -> Deployment:
    """A new deployment with `values` of `FIELDS`. Raises `Invalid`."""
    deployment = Deployment(**_known(values))
    _check_address(deployment)
    _save(deployment)
    record(
        DeploymentAdded(subject=_ref(deployment), name=deployment.name, model=deployment.model),
        actor=actor,
        after=_shown(deployment),
    )
    return deployment


@governed("deployment.change", lock="deployment")
def change_deployment(*, actor: Actor, deployment: Deployment, values: Mapping[str, Any]) -> Deployment:
    """Set `values` of `FIELDS`; the next call uses them. Raises `Invalid`, and `Conflict` when nothing would change."""
    before = _shown(deployment)
    for name, value in _known(values).items():
        setattr(deployment, name, value)
    _check_address(deployment)
    after = _shown(deployment)
    changed = [name for name in FIELDS if before[name] != after[name]]
    if not changed:
        raise Conflict("Nothing was changed.")
    _save(deployment)
    record(
        DeploymentChanged(subject=_ref(deployment), name=deployment.name, changed=changed),
        actor=actor,
        before={name: before[name] for name in changed},
        after={name: after[name] for name in changed},
    )
    return deployment


@governed("deployment.read_key", lock=None)
def note_key_read(*, actor: Actor, deployment: Deployment, purpose: str) -> None:
    """Write down that the key for `deployment` was read, and what for, in words; never the value."""
    record(
        KeyRead(subject=_ref(deployment), name=deployment.name, credential=deployment.credential, purpose=purpose),
        actor=actor,
    )


@governed("route.add", lock=None)
def add_route(*, actor: Actor, name: str, rank: int, deployment: Deployment) -> Route:
    """Let `deployment` serve the route `name` at `rank`; lower ranks are asked first. Raises `Invalid`."""
    route = Route(name=name, rank=rank, deployment=deployment)
    _save(route)
    record(RouteAdded(subject=f"route:{name}", name=name, rank=rank, deployment=deployment.name), actor=actor)
    return route


@governed("route.change", lock="route")
def change_route(*, actor: Actor, route: Route, rank: int, deployment: Deployment) -> Route:
    """Give a place of a route another rank or deployment. Raises `Invalid`, `Conflict` when nothing would change."""
    before = {"rank": route.rank, "deployment": route.deployment.name}
    route.rank, route.deployment = rank, deployment
    after = {"rank": rank, "deployment": deployment.name}
    if before == after:
        raise Conflict("Nothing was changed.")
    _save(route)
    event = RouteChanged(subject=f"route:{route.name}", name=route.name, rank=rank, deployment=deployment.name)
    record(event, actor=actor, before=before, after=after)
    return route


@governed("route.remove", lock=None)
def remove_route(*, actor: Actor, route: Route) -> None:
    """Take a place of a route away. Raises `Conflict` for the last one: work that asks for the route would fail."""
    # All places are held, in one order: two that are removed at once take turns.
    places = {place.pk: place for place in Route.objects.select_for_update().filter(name=route.name).order_by("pk")}
    if route.pk not in places:
        raise NotFound("This place of the route is gone already.")
    route = places[route.pk]
    if len(places) == 1:
        raise Conflict(f"Nothing else serves the route {route.name}; add another deployment to it first.")
    event = RouteRemoved(
        subject=f"route:{route.name}", name=route.name, rank=route.rank, deployment=route.deployment.name
    )
    route.delete()
    record(event, actor=actor)


@governed("price.add", lock=None)
def add_price(
    *,
    actor: Actor,
    model: str,
    version: str,
    valid_from: date,
    tokens_in: Decimal,
    tokens_out: Decimal,
    tokens_cached: Decimal,
) -> Price:
    """What `model` costs from `valid_from` on, in US dollars per million tokens. Raises `Invalid`."""
    price = Price(
        model=model,
        version=version,
        valid_from=valid_from,
        tokens_in=tokens_in,
        tokens_out=tokens_out,
        tokens_cached=tokens_cached,
    )
    _save(price)
    record(
        PriceAdded(
            subject=f"price:{price.pk}",
            model=model,
            price_version=version,
            valid_from=valid_from.isoformat(),
            tokens_in=f"{tokens_in:f}",
            tokens_out=f"{tokens_out:f}",
            tokens_cached=f"{tokens_cached:f}",
        ),
        actor=actor,
    )
    return price


def _known(values: Mapping[str, Any]) -> dict[str, Any]:
    unknown = sorted(set(values) - set(FIELDS))
    if unknown:
        raise Invalid("A deployment has no such parts.", fields={name: ["Not known."] for name in unknown})
    return dict(values)


def _check_address(deployment: Deployment) -> None:
    """Tenants' roles can read the address, so it may hold no secret; calls are made over HTTP alone."""
    address = urlsplit(deployment.base_url)
    if address.scheme not in ("http", "https"):
        raise Invalid("The address was not accepted.", fields={"base_url": ["Give an http or https address."]})
    if address.username is not None or address.password is not None or address.query:
        problem = "No user, password or query in it: keep secrets in the environment and name them under credential."
        raise Invalid("The address was not accepted.", fields={"base_url": [problem]})


def _save(row: models.Model) -> None:
    try:
        row.full_clean()
    except ValidationError as error:
        fields = {("" if name == "__all__" else name): list(said) for name, said in error.message_dict.items()}
        raise Invalid("The values were not accepted.", fields=fields) from error
    row.save()


def _ref(deployment: Deployment) -> str:
    return f"deployment:{deployment.pk}"


def _shown(deployment: Deployment) -> dict[str, Any]:
    return {name: getattr(deployment, name) for name in FIELDS}
