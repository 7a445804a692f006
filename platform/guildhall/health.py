"""Whether this process lives and whether it can serve, for supervisors and load balancers. Nobody signs in for these."""

from typing import Any

import psycopg
import redis
from django.conf import settings
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

PATIENCE = 2
"""Seconds for each part to answer."""


@never_cache
@require_safe
def live(request: HttpRequest) -> JsonResponse:
    """200 while the process answers at all."""
    return JsonResponse({"status": "ok"})


@never_cache
@require_safe
def ready(request: HttpRequest) -> JsonResponse:
    """200 when database and Redis answer, else 503; says which one does not, and nothing else of them."""
    parts = {"database": _database_answers(), "redis": _redis_answers()}
    good = all(parts.values())
    return JsonResponse({"status": "ready" if good else "not ready", **parts}, status=200 if good else 503)


def _database_answers() -> bool:
    # A connection of its own: the pool's would wait longer for a server that is away than a probe does.
    login: dict[str, Any] = settings.DATABASES["default"]
    try:
        with psycopg.connect(
            host=login["HOST"],
            port=login["PORT"] or None,
            user=login["USER"],
            password=login["PASSWORD"] or None,
            dbname=login["NAME"],
            connect_timeout=PATIENCE,
            options=f"-c statement_timeout={PATIENCE * 1000}",
        ) as db:
            db.execute("SELECT 1")
    except psycopg.Error:
        return False
    return True


def _redis_answers() -> bool:
    client = redis.Redis.from_url(settings.REDIS_URL, socket_timeout=PATIENCE, socket_connect_timeout=PATIENCE)
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False
    finally:
        client.close()
