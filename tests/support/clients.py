"""Clients of the real stack: a browser that keeps its cookies on one host, and programs with a credential."""

import base64
import time
from typing import Any

from django.test import Client
from django_otp.oath import TOTP

from tests.support.tenants import Member, TestTenant


class Browser(Client):
    """Sends its host with every request and its CSRF token with every form, as a page does."""

    def __init__(self, host: str, **defaults: Any) -> None:
        super().__init__(enforce_csrf_checks=True, HTTP_HOST=host, **defaults)
        self.host = host

    def submit(self, path: str, data: dict[str, Any] | None = None, *, form_at: str | None = None) -> Any:
        """Open the page that holds the form, then send the form."""
        self.get(form_at or path)
        return self.post(path, {**(data or {}), "csrfmiddlewaretoken": self.csrf_token})

    @property
    def csrf_token(self) -> str:
        return self.cookies["gh_csrf"].value

    def sign_in(self, member: Member, **more: str) -> Any:
        """Send the sign-in form as `member`."""
        return self.submit("/sign-in/", {"email": member.email, "password": member.password, **more})


def signed_in(tenant: TestTenant, member: Member) -> Browser:
    """A browser with a session of `member`."""
    browser = Browser(tenant.host)
    answer = browser.sign_in(member)
    assert answer.status_code == 302, answer.content
    return browser


def program(tenant: TestTenant, credential: str = "") -> Client:
    """A client of the API with a bearer credential, or with none."""
    headers: dict[str, Any] = {"HTTP_AUTHORIZATION": f"Bearer {credential}"} if credential else {}
    return Client(HTTP_HOST=tenant.host, **headers)


def tokens_of(tenant: TestTenant, member: Member, **more: str) -> dict[str, Any]:
    """A fresh token pair of `member`."""
    answer = program(tenant).post(
        "/api/v1/auth/token/",
        {"email": member.email, "password": member.password, **more},
        content_type="application/json",
    )
    assert answer.status_code == 200, answer.content
    body: dict[str, Any] = answer.json()
    return body


def time_code(secret: str, *, steps: int = 0) -> str:
    """The six digits that an authenticator app shows for a base32 secret, `steps` half minutes from now."""
    text = secret.replace(" ", "")
    key = base64.b32decode(text + "=" * (-len(text) % 8))
    totp = TOTP(key)
    totp.time = time.time() + 30 * steps
    return f"{totp.token():06d}"
