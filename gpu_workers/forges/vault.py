"""Tokens at rest: sealed with a key of this installation, and bound to the tenant and the thing that they are for."""

from __future__ import annotations

import base64
import hashlib
import os
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gpu_workers.actions.secrets import note_secret_read
from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import Unavailable
from guildhall.kernel.redaction import keep_secret
from guildhall.kernel.tenancy import current_tenant
from tenants.auth.derive import derived_key

PURPOSE = "forges.vault"
NONCE = 12


@dataclass(frozen=True, slots=True)
class Opening:
    """Who opens a secret, and what for, in words. `noted` is the `mark_of` one whose opening for that is in the trail already:
    what looks for the same answer again and again uses it once.
    """

    actor: Actor
    purpose: str
    noted: str = ""


def mark_of(sealed: str) -> str:
    """What tells one sealed secret from the next, and says nothing of it."""
    return hashlib.sha256(sealed.encode()).hexdigest()[:32]


def seal(secret: str, about: str) -> str:
    """`secret` as text that only this installation can open, in the current tenant and for `about` alone."""
    nonce = os.urandom(NONCE)
    sealed = AESGCM(derived_key(PURPOSE)).encrypt(nonce, secret.encode(), _bound(about))
    return base64.urlsafe_b64encode(nonce + sealed).decode()


def unseal(sealed: str, about: str) -> str:
    """The secret; from now on it is redacted in everything this process writes of the tenant. Raises `Unavailable`."""
    try:
        secret = unsealed_text(sealed, about)
    except InvalidTag as wrong:
        problem = (
            "A kept token cannot be read: it was sealed for something else, or the installation's key has changed."
        )
        raise Unavailable(f"{problem} Connect the repository with a new one.") from wrong
    keep_secret(secret, tenant=current_tenant())
    return secret


def unsealed_text(sealed: str, about: str) -> str:
    """A text that may hold secrets and is none as a whole: nothing is redacted for it. Raises InvalidTag."""
    raw = base64.urlsafe_b64decode(sealed)
    return AESGCM(derived_key(PURPOSE)).decrypt(raw[:NONCE], raw[NONCE:], _bound(about)).decode()


def opened(sealed: str, about: str, *, subject: str, what: str, opening: Opening) -> str:
    """What is sealed, for use; that it was read is in the trail by then. Raises `Unavailable`, and `Denied` as it may be."""
    value = unseal(sealed, about)
    if opening.noted != mark_of(sealed):
        note_secret_read(actor=opening.actor, subject=subject, what=what, purpose=opening.purpose)
    return value


def _bound(about: str) -> bytes:
    return f"{current_tenant()}\0{about}".encode()
