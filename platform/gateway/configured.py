"""What the environment and the shipped price list say, brought into the tables: audited, and only where they differ."""

import tomllib
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from django.conf import settings

from gateway.abilities import find_out, slots_of, takes_salt, window_of
from gateway.actions.deployments import FIELDS, add_deployment, add_price, add_route, change_deployment
from gateway.models import Deployment, Price, Route
from gateway.wire import CallFailed, Endpoint
from guildhall.evidence.selectors import trail
from guildhall.kernel.actor import PLATFORM, Actor, ActorKind, system_actor
from guildhall.kernel.tenancy import release_connection

PRICES = Path(__file__).parent / "prices.toml"
ROUTES = ("fast", "smart", "code")
NAME = "default"
LOCAL_PRICE = "local-model"
"""The shipped price of whatever model runs on this machine."""
USUAL_WINDOW = 32_768
"""Tokens that a model is taken to read at once when neither the environment nor its server says how many."""
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
    model = settings.LLM_MODEL or "default"
    if settings.LLM_LOCAL:
        known = Price.objects.filter(model=LOCAL_PRICE).order_by("-valid_from").first()
        if known is not None:
            parts = {part: getattr(known, part) for part in PARTS}
            yield from _price(actor, model, known.version, known.valid_from, parts)
    deployment = Deployment.objects.filter(name=NAME).first()
    values: dict[str, Any] = {
        "base_url": settings.LLM_BASE_URL,
        "model": model,
        "credential": "LLM_API_KEY" if settings.LLM_API_KEY else "",
    }
    yield from _add_abilities(values, deployment)
    if deployment is None:
        deployment = add_deployment(actor=actor, values={"name": NAME, **values})
        yield f"{NAME} is {deployment.model}"
    else:
        yield from _follow(actor, deployment, values)
    for name in ROUTES:
        if not Route.objects.filter(name=name).exists():
            add_route(actor=actor, name=name, rank=1, deployment=deployment)
            yield f"the route {name} is served by {deployment.model}"


def _add_abilities(values: dict[str, Any], known: Deployment | None) -> Iterator[str]:
    """Put into `values` what the model can do: as the environment says, else as it shows when it is asked.

    What is known of the same model stays: one that was found able is not asked again, and one that is away keeps what
    it has. Any other that cannot be asked is taken for a small one with a small window.
    """
    endpoint = Endpoint(values["base_url"], values["model"], settings.LLM_API_KEY, timeout_s=30)
    # A server on this machine is given another port at each start.
    same = known is not None and known.model == values["model"]
    same = same and (settings.LLM_LOCAL or (known is not None and known.base_url == values["base_url"]))
    release_connection()
    window = settings.LLM_CONTEXT_TOKENS or window_of(endpoint)
    if window or not same:
        values["context_tokens"] = window or USUAL_WINDOW
    if (slots := slots_of(endpoint)) or not same:
        values["slots"] = slots or 0
    salts = takes_salt(endpoint)
    if salts is not None or not same:
        values["salts_cache"] = bool(salts)
    if settings.LLM_ABILITIES != "auto":
        capable = settings.LLM_ABILITIES == "full"
        values.update(supports_tools=capable, may_judge=capable)
    elif not (same and known is not None and known.supports_tools and known.may_judge):
        try:
            found = find_out(endpoint)
        except CallFailed as trouble:
            if not same:
                values.update(supports_tools=False, may_judge=False)
            yield f"{NAME} could not be asked what it can do, and will be at the next start: {trouble}"
        else:
            values.update(supports_tools=found.tools, supports_schema=found.schema, may_judge=found.judges)
            if found.refusal:
                yield f"{NAME} is led without tools and judges nothing, since requests that offer any fail: {found.refusal}"


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
