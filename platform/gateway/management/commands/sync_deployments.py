"""Bring shipped prices and the configured deployment into the tables."""

from typing import Any

from django.core.management.base import BaseCommand

from gateway.configured import bring_in
from guildhall.kernel.tenancy import platform_scope


class Command(BaseCommand):
    help = (
        "Add shipped prices that are missing, and the deployment that LLM_BASE_URL and LLM_MODEL name. Safe to repeat:"
        " what is there already, and what an owner has set, stays as it is."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        with platform_scope():
            for done in bring_in():
                self.stdout.write(done)
