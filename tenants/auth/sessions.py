"""Sessions in a table of their own, under the role of the host that they belong to.

Row-level security makes a session of tenant A not exist on B's host. The table holds a digest of the cookie's value, so
whoever reads the table cannot become anybody; the digest also serves as the sign-in's id on pages and in the API.
"""

import hashlib
import ipaddress
from contextvars import ContextVar
from typing import Any

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.base import CreateError, UpdateError
from django.contrib.sessions.backends.db import SessionStore as DatabaseStore
from django.db import IntegrityError, transaction
from django.utils import timezone

from guildhall.kernel.operation import current_operation
from tenants.models import Session

AGENT_LENGTH = 200
client_agent: ContextVar[str] = ContextVar("client_agent", default="")
"""The User-Agent of the request in progress."""


def stored_key(session_key: str) -> str:
    """What the table keeps instead of the cookie's value: 160 bits of its SHA-256, hex."""
    return hashlib.sha256(session_key.encode()).hexdigest()[:40]


def stored_address(address: str) -> str | None:
    """`address` as an inet column takes it, None when it is not an IP address (a unix socket's peer has none)."""
    try:
        return str(ipaddress.ip_address(address))
    except ValueError:
        return None


class SessionStore(DatabaseStore):
    """Django's database store over `tenants.models.Session`. Synchronous: sockets call it through a thread."""

    @classmethod
    def get_model_class(cls) -> type[Session]:
        return Session

    def load(self) -> dict[str, Any]:
        key = self.session_key
        row = None
        if key:
            row = Session.objects.filter(session_key=stored_key(key), expire_date__gt=timezone.now()).first()
        if row is None:
            self._session_key = None
            return {}
        return self.decode(row.session_data)

    def exists(self, session_key: str) -> bool:
        return Session.objects.filter(session_key=stored_key(session_key)).exists()

    def save(self, must_create: bool = False) -> None:
        """Write the session. Raises UpdateError when it was ended meanwhile: a request never brings one back."""
        if self.session_key is None:
            return self.create()
        data: dict[str, Any] = self._get_session(no_load=must_create)  # type: ignore[attr-defined]
        key = stored_key(self.session_key)
        values = {
            "session_data": self.encode(data),
            "expire_date": self.get_expiry_date(),
            "user_id": data.get(SESSION_KEY),
        }
        if not must_create:
            if not Session.objects.filter(session_key=key).update(**values):
                raise UpdateError
            return None
        try:
            with transaction.atomic():
                Session.objects.create(
                    session_key=key,
                    address=stored_address(current_operation().address),
                    agent=client_agent.get()[:AGENT_LENGTH],
                    **values,
                )
        except IntegrityError as error:
            raise CreateError from error
        return None

    def delete(self, session_key: str | None = None) -> None:
        key = session_key or self.session_key
        if key:
            Session.objects.filter(session_key=stored_key(key)).delete()
