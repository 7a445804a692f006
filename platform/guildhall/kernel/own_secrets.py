"""This installation's own secrets, as its settings hold them."""

from urllib.parse import unquote, urlsplit

from django.conf import settings

from guildhall.kernel.redaction import keep_secret

ADDRESSES = ("DATABASE_URL", "DATABASE_ADMIN_URL", "RELAY_DATABASE_URL", "SEALER_DATABASE_URL", "REDIS_URL")
VALUES = ("SECRET_KEY", "LLM_API_KEY", "EMAIL_HOST_PASSWORD")


def keep_settings() -> None:
    """Have them redacted wherever they appear in this process: the key of signatures, the model provider's, passwords."""
    keep_secret(*(str(getattr(settings, name, "") or "") for name in VALUES))
    keep_secret(*(unquote(urlsplit(getattr(settings, name)).password or "") for name in ADDRESSES))
