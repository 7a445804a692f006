"""Bytes that nobody knows of: stored before a row that was never written, or left when their removal was lost."""

from datetime import timedelta

from django.core.files.storage import default_storage
from django.utils import timezone

from workflows.actions.attachments import FOLDER
from workflows.models import Attachment

PIECE = 500
AGE = timedelta(days=1)
"""Whoever stores a file writes its row within seconds; what is younger may still get one."""


def sweep_files() -> int:
    """Remove the current tenant's files without a row that are older than a day; how many."""
    try:
        names = default_storage.listdir(FOLDER)[1]
    except FileNotFoundError:
        return 0
    swept, before = 0, timezone.now() - AGE
    every = [f"{FOLDER}/{name}" for name in sorted(names)]
    for piece in (every[at : at + PIECE] for at in range(0, len(every), PIECE)):
        known = set(Attachment.objects.filter(stored__in=piece).values_list("stored", flat=True))
        for stored in piece:
            if stored not in known and default_storage.get_modified_time(stored) < before:
                default_storage.delete(stored)
                swept += 1
    return swept
