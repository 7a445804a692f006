"""What every page's shell needs."""

from typing import Any

from django.http import HttpRequest


def shell(request: HttpRequest) -> dict[str, Any]:
    """Template context of the layout: who is signed in and where."""
    return {"actor": getattr(request, "actor", None), "tenant": getattr(request, "tenant", None)}
