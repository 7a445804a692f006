"""Keys for one purpose each, all from the one secret."""

import hashlib
import hmac

from django.conf import settings


def derived_key(purpose: str) -> bytes:
    """32 bytes for `purpose`; knowing one tells nothing about another."""
    return hmac.new(settings.SECRET_KEY.encode(), f"guildhall.{purpose}".encode(), hashlib.sha256).digest()
