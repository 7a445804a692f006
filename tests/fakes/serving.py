"""What the fakes are made of: a server in a thread of this process, and a handler that reads and answers whole messages."""

from __future__ import annotations

import json
import ssl
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self


class Answering(BaseHTTPRequestHandler):
    """Quiet, as fakes keep journals. `fake` is whose handler it is."""

    fake: Any
    protocol_version = "HTTP/1.1"
    wbufsize = 64 * 1024
    """An answer goes out in one piece: in two, each waits for the caller to acknowledge the first."""

    def take(self) -> None:
        """Answer a request, whatever its method is (`command`)."""
        self.send_error(501)

    def do_GET(self) -> None:
        self.take()

    do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815 - names that the library asks for

    def log_message(self, *_: object) -> None:
        """Nothing is written to stderr."""

    def body(self) -> bytes:
        """What was sent along; to be read once."""
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def send(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        """An answer with its length."""
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        with suppress(OSError):  # who asked may be gone
            self.end_headers()
            self.wfile.write(b"" if self.command == "HEAD" else body)
            self.wfile.flush()

    def tell(self, status: int, data: object, headers: dict[str, str] | None = None) -> None:
        """An answer in JSON."""
        self.send(status, json.dumps(data).encode(), {"Content-Type": "application/json", **(headers or {})})


class Serving:
    """A server whose requests `handler` answers; a context manager. `at` is its address, without a path.

    With a `certificate` (its file and its key's) it speaks TLS.
    """

    def __init__(
        self,
        handler: type[Answering],
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        certificate: tuple[Path, Path] | None = None,
    ) -> None:
        self.http = ThreadingHTTPServer((host, port), type("Own", (handler,), {"fake": self}))
        self.http.daemon_threads = True
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            self.http.socket = context.wrap_socket(self.http.socket, server_side=True, do_handshake_on_connect=False)
        self.port = self.http.server_port
        self.at = f"{'https' if certificate else 'http'}://{host}:{self.port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.http.shutdown()
        self.http.server_close()
