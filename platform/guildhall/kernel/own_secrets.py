"""This installation's own secrets, as its settings hold them."""

from contextlib import suppress
from urllib.parse import unquote, urlsplit

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from guildhall.kernel.redaction import keep_secret

ADDRESSES = ("DATABASE_URL", "DATABASE_ADMIN_URL", "RELAY_DATABASE_URL", "SEALER_DATABASE_URL", "REDIS_URL")
VALUES = ("SECRET_KEY", "LLM_API_KEY", "EMAIL_HOST_PASSWORD")


def keep_settings() -> None:
    """Have them redacted wherever they appear in this process: the key of signatures, the model provider's, passwords."""
    for name in VALUES:
        with suppress(ImproperlyConfigured):  # no key: nothing is signed with it
            keep_secret(str(getattr(settings, name, "") or ""))
    keep_secret(*(unquote(urlsplit(getattr(settings, name)).password or "") for name in ADDRESSES))
