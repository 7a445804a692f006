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
EMBEDDED_MODEL = "smollm2-135m-instruct"


class Command(BaseCommand):
    help = "Add shipped prices that are missing, and the deployment that LLM_BASE_URL and LLM_MODEL name. Safe to repeat."

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

    def _deployment(self) -> None:
        model = settings.LLM_MODEL or EMBEDDED_MODEL
        capable = model != EMBEDDED_MODEL
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
