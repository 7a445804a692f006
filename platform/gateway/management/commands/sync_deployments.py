"""Bring shipped prices and the configured deployment into the tables."""

import tomllib
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from gateway.models import Deployment, Price, Route
from guildhall.kernel.tenancy import platform_scope

PRICES = Path(__file__).parents[2] / "prices.toml"
ROUTES = ("fast", "smart", "code")
LOCAL_PRICE = "local-model"
"""The shipped price of whatever model runs on this machine."""


class Command(BaseCommand):
    help = (
        "Add shipped prices that are missing, and the deployment that LLM_BASE_URL and LLM_MODEL name. Safe to repeat."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        with platform_scope():
            self._prices()
            if settings.LLM_BASE_URL:
                self._deployment()

    def _prices(self) -> None:
        shipped = tomllib.loads(PRICES.read_text())
        version = shipped["version"]
        for model, price in shipped["models"].items():
            Price.objects.get_or_create(
                model=model,
                version=version,
                defaults={
                    "valid_from": date.fromisoformat(version),
                    **{part: Decimal(price[part]) for part in ("tokens_in", "tokens_out", "tokens_cached")},
                },
            )

    def _local_price(self, model: str) -> None:
        known = Price.objects.filter(model=LOCAL_PRICE).order_by("-valid_from").first()
        if known is not None:
            parts = {part: getattr(known, part) for part in ("tokens_in", "tokens_out", "tokens_cached")}
            Price.objects.get_or_create(
                model=model, version=known.version, defaults={"valid_from": known.valid_from, **parts}
            )

    def _deployment(self) -> None:
        model = settings.LLM_MODEL or "default"
        capable = settings.LLM_LOCAL != "packaged"
        if settings.LLM_LOCAL:
            self._local_price(model)
        deployment, _ = Deployment.objects.update_or_create(
            name="default",
            defaults={
                "base_url": settings.LLM_BASE_URL,
                "model": model,
                "credential": "LLM_API_KEY" if settings.LLM_API_KEY else "",
                "context_tokens": settings.LLM_CONTEXT_TOKENS,
                "supports_tools": capable,
                "may_judge": capable,
            },
        )
        for name in ROUTES:
            if not Route.objects.filter(name=name).exists():
                Route.objects.create(name=name, rank=1, deployment=deployment)
        self.stdout.write(f"routes {', '.join(ROUTES)} are served by {model}")
