"""Keys of model servers, and that they were read.

A key is in the environment of every process that calls models, and each call has its own rows in the trail, which name the
deployment. A row for each time the key goes along would say nothing more. So a process writes one for each deployment and
purpose, and a day: since when it has had the key in use, and what for.
"""

import os
import threading
from datetime import UTC, date, datetime

from django.conf import settings
from django.db import connection

from gateway.actions.deployments import note_key_read
from gateway.models import Deployment
from guildhall.kernel.actor import PLATFORM, system_actor
from guildhall.kernel.tenancy import platform_scope

_noted: dict[tuple[int, str, str], date] = {}
"""When a process last wrote a deployment and purpose down; by process, as services are forked."""
_lock = threading.Lock()


def key_of(deployment: Deployment, purpose: str) -> str:
    """The key that requests to `deployment` carry, "" where it takes none. That it is read `purpose` says in words."""
    if deployment.credential != "LLM_API_KEY" or not settings.LLM_API_KEY:
        return ""
    _note(deployment, purpose)
    key: str = settings.LLM_API_KEY
    return key


def _note(deployment: Deployment, purpose: str) -> None:
    """In the platform's trail, as it is the platform's key; inside a transaction it is left to the next time."""
    today, place = datetime.now(UTC).date(), (os.getpid(), deployment.name, purpose)
    with _lock:
        if _noted.get(place) == today or connection.in_atomic_block:
            return
        _noted[place] = today
    try:
        with platform_scope():
            note_key_read(actor=system_actor("gateway", PLATFORM), deployment=deployment, purpose=purpose)
    except BaseException:
        with _lock:
            del _noted[place]
        raise
