"""What the environment and the shipped price list say, brought into the tables: audited, and only where they differ."""

import tomllib
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from django.conf import settings

from gateway.actions.deployments import FIELDS, add_deployment, add_price, add_route, change_deployment
from gateway.models import Deployment, Price, Route
from guildhall.evidence.selectors import trail
from guildhall.kernel.actor import PLATFORM, Actor, ActorKind, system_actor

PRICES = Path(__file__).parent / "prices.toml"
ROUTES = ("fast", "smart", "code")
NAME = "default"
LOCAL_PRICE = "local-model"
"""The shipped price of whatever model runs on this machine."""
PARTS = ("tokens_in", "tokens_out", "tokens_cached")


def bring_in() -> Iterator[str]:
    """Do what is missing, in the platform's scope; a sentence for each thing done, nothing when all is as it should be.

    What an owner has set in the console stays as it is, whatever the environment says later.
    """
    actor = system_actor("configuration", PLATFORM)
    yield from _prices(actor)
    if settings.LLM_BASE_URL:
        yield from _model(actor)


def _prices(actor: Actor) -> Iterator[str]:
    shipped = tomllib.loads(PRICES.read_text())
    version = shipped["version"]
    for model, price in shipped["models"].items():
        parts = {part: Decimal(price[part]) for part in PARTS}
        yield from _price(actor, model, version, date.fromisoformat(version), parts)


def _price(actor: Actor, model: str, version: str, since: date, parts: dict[str, Decimal]) -> Iterator[str]:
    if not Price.objects.filter(model=model, version=version).exists():
        add_price(actor=actor, model=model, version=version, valid_from=since, **parts)
        yield f"{model} has its price of {version}"


def _model(actor: Actor) -> Iterator[str]:
    values = _wanted()
    if settings.LLM_LOCAL:
        known = Price.objects.filter(model=LOCAL_PRICE).order_by("-valid_from").first()
        if known is not None:
            parts = {part: getattr(known, part) for part in PARTS}
            yield from _price(actor, values["model"], known.version, known.valid_from, parts)
    deployment = Deployment.objects.filter(name=NAME).first()
    if deployment is None:
        deployment = add_deployment(actor=actor, values={"name": NAME, **values})
        yield f"{NAME} is {deployment.model}"
    else:
        yield from _follow(actor, deployment, values)
    for name in ROUTES:
        if not Route.objects.filter(name=name).exists():
            add_route(actor=actor, name=name, rank=1, deployment=deployment)
            yield f"the route {name} is served by {deployment.model}"


def _wanted() -> dict[str, Any]:
    capable = settings.LLM_LOCAL != "packaged"
    return {
        "base_url": settings.LLM_BASE_URL,
        "model": settings.LLM_MODEL or "default",
        "credential": "LLM_API_KEY" if settings.LLM_API_KEY else "",
        "context_tokens": settings.LLM_CONTEXT_TOKENS,
        "supports_tools": capable,
        "may_judge": capable,
    }


def _follow(actor: Actor, deployment: Deployment, values: dict[str, Any]) -> Iterator[str]:
    chosen = _chosen_by_owners(deployment)
    differing = {name: value for name, value in values.items() if getattr(deployment, name) != value}
    open_to_us = {name: value for name, value in differing.items() if name not in chosen}
    if open_to_us:
        change_deployment(actor=actor, deployment=deployment, values=open_to_us)
        yield f"{NAME} has another {', '.join(open_to_us)}"
    if kept := [name for name in differing if name in chosen]:
        yield f"{NAME} keeps the {', '.join(kept)} that an owner has set"


def _chosen_by_owners(deployment: Deployment) -> set[str]:
    """The fields whose value an owner has set: all of them when an owner has added the deployment."""
    chosen: set[str] = set()
    for entry in trail([f"deployment:{deployment.pk}"], limit=1000):
        if entry["actor"]["kind"] == ActorKind.OWNER and entry["outcome"] == "done":
            chosen.update(entry["event"].get("changed", FIELDS))
    return chosen
