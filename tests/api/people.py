"""People of a test tenant as they use the API: with keys of their own."""

import json
from dataclasses import dataclass, field
from typing import Any

from django.test import Client

from guildhall.kernel.tenancy import tenant_scope
from tenants.actions.keys import create_api_key
from tests.support.clients import program
from tests.support.tenants import TestTenant


@dataclass
class Caller:
    """One person with a key; answers are checked for the status that is expected."""

    client: Client

    def get(self, path: str, status: int = 200, **query: Any) -> Any:
        return _body(self.client.get(f"/api/v1/{path}", query), status)

    def send(self, method: str, path: str, body: Any, status: int = 200, **headers: str) -> Any:
        return _body(self.answer(method, path, body, **headers), status)

    def post(self, path: str, body: Any, status: int = 200, **headers: str) -> Any:
        return self.send("POST", path, body, status, **headers)

    def answer(self, method: str, path: str, body: Any, **headers: str) -> Any:
        """The whole answer; a header such as `If-Match` is written `if_match`."""
        named: dict[str, Any] = {f"HTTP_{name.upper()}": value for name, value in headers.items()}
        text = body if isinstance(body, str) else json.dumps(body)
        return self.client.generic(method, f"/api/v1/{path}", text, content_type="application/json", **named)


def _body(answer: Any, status: int) -> Any:
    assert answer.status_code == status, f"{answer.status_code}: {answer.content.decode()[:2000]}"
    return json.loads(answer.content) if answer.content else None


@dataclass
class People:
    """Callers by role."""

    tenant: TestTenant
    callers: dict[str, Caller] = field(default_factory=dict)

    def __getattr__(self, role: str) -> Caller:
        if role.startswith("_"):
            raise AttributeError(role)
        if role not in self.callers:
            self.callers[role] = self.join(role)
        return self.callers[role]

    def join(self, role: str, name: str | None = None) -> Caller:
        """Another person of `role`."""
        actor = self.tenant.actor(role, name=name)
        with tenant_scope(self.tenant.schema):
            _, key = create_api_key(actor=actor, name="tests", scopes=["api:read", "api:write"], days=1)
        return Caller(program(self.tenant, key))
