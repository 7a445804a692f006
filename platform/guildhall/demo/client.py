"""The demo's people at work: the same REST API that anybody's program would use, through the front."""

import json
import time
import urllib.error
import urllib.request
from typing import Any

TIMEOUT_SECONDS = 30.0
PATIENCE = 5
"""How often in a row a client waits because the API asks it to slow down."""
TOO_MANY = 429


class Refused(RuntimeError):
    """The API answered with a problem."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(f"{status}: {detail}")
        self.status = status


class ApiClient:
    """One person signed in at one tenant's host; `port` is the front's, on loopback."""

    def __init__(self, port: int, host: str, email: str, password: str) -> None:
        self._base = f"http://127.0.0.1:{port}/api/v1/"
        self._host = f"{host}:{port}"
        self._token = ""
        answer = self.post("auth/token/", {"email": email, "password": password})
        self._token = str(answer["access"])

    def get(self, path: str) -> Any:
        """The JSON at `path`. Raises `Refused`."""
        return self._send("GET", path, None)

    def post(self, path: str, body: dict[str, Any]) -> Any:
        """The JSON answer to `body`. Raises `Refused`."""
        return self._send("POST", path, body)

    def _send(self, method: str, path: str, body: dict[str, Any] | None) -> Any:
        headers = {"Host": self._host, "Content-Type": "application/json", "Accept": "application/json"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._base + path, data=data, headers=headers, method=method)  # noqa: S310
        waits = 0
        while True:
            try:
                with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as response:  # noqa: S310
                    return json.loads(response.read() or b"null")
            except urllib.error.HTTPError as error:
                if error.code != TOO_MANY or waits >= PATIENCE:
                    raise Refused(error.code, error.read().decode("utf-8", "replace")[:500]) from error
                waits += 1
                time.sleep(min(float(error.headers.get("Retry-After") or 1), TIMEOUT_SECONDS))
