"""Run inside of the sandbox: passes a browser's connections on to the door, and tells what the page shows once it has loaded.

It uses the standard library alone and is given to the interpreter as text. `argv[1]` is JSON: `browser`, `url`, `seconds`.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

DOOR = "/workspace/door"
PROFILE = "/tmp/profile"  # noqa: S108 - the sandbox's own
SHOWN = Path("/tmp/page.html")  # noqa: S108
MAX_PAGE = 2 * 1024 * 1024
MAX_TEXT = 200_000
MAX_LINKS = 200
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-zygote", "--no-first-run",
    "--disable-extensions", "--disable-sync", "--disable-background-networking", "--disable-component-update",
    "--disable-default-apps", "--disable-domain-reliability", "--disable-breakpad", "--disable-crash-reporter", "--no-pings",
    "--disable-features=OptimizationHints,MediaRouter,Translate,AutofillServerCommunication,NetworkTimeServiceQuerying",
    "--mute-audio",
    "--proxy-bypass-list=<-loopback>", "--force-webrtc-ip-handling-policy=disable_non_proxied_udp",
)  # fmt: skip
SILENT = ("script", "style", "noscript", "template", "svg", "head")
BREAKS = (
    "p",
    "div",
    "li",
    "tr",
    "br",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "section",
    "article",
    "table",
    "ul",
    "ol",
    "form",
    "td",
)


class Reading(HTMLParser):
    """What of a page is text, where its links lead, and what its forms ask for."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.title, self.words, self.links = "", list[str](), list[str]()
        self._silent, self._in_title = 0, False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag in SILENT:
            self._silent += 1
        self._in_title = self._in_title or tag == "title"
        if tag in BREAKS:
            self.words.append("\n")
        if tag == "a" and given.get("href") and len(self.links) < MAX_LINKS:
            self.links.append(given["href"][:300])
        if tag in ("input", "select", "textarea", "button") and given.get("type") != "hidden":
            self.words.append(f"[{given.get('type') or tag} {given.get('name') or given.get('aria-label') or ''}] ")
        if tag == "img" and given.get("alt"):
            self.words.append(f"[{given['alt'][:200]}] ")

    def handle_endtag(self, tag: str) -> None:
        if tag in SILENT and self._silent:
            self._silent -= 1
        if tag == "title":
            self._in_title = False
        if tag in BREAKS:
            self.words.append("\n")

    def handle_data(self, data: str) -> None:
        if self._in_title:
            self.title += data
        elif not self._silent:
            self.words.append(data)

    def text(self) -> str:
        lines = [" ".join(line.split()) for line in "".join(self.words).split("\n")]
        return "\n".join(line for line in lines if line)[:MAX_TEXT]


def passing() -> int:
    """Listen on the loopback of this sandbox, and pass each connection on to the door; the port."""
    listening = socket.create_server(("127.0.0.1", 0), backlog=64)

    def serve() -> None:
        while True:
            here, _ = listening.accept()
            there = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                there.connect(DOOR)
            except OSError:
                here.close()
                continue
            for source, target in ((here, there), (there, here)):
                threading.Thread(target=pump, args=(source, target), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    return int(listening.getsockname()[1])


def pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while piece := source.recv(65536):
            target.sendall(piece)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


def look(told: dict[str, Any]) -> dict[str, object]:
    words = [
        told["browser"],
        *FLAGS,
        f"--proxy-server=http://127.0.0.1:{passing()}",
        f"--user-data-dir={PROFILE}",
        f"--timeout={told['seconds'] * 500}",
        "--virtual-time-budget=5000",
        "--dump-dom",
        told["url"],
    ]
    with SHOWN.open("wb") as page:
        browser = subprocess.Popen(words, stdout=page, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
        try:
            status = browser.wait(told["seconds"])
        except subprocess.TimeoutExpired:
            # Whatever it started ends with this sandbox.
            return {"error": f"the page did not come to rest within {told['seconds']} seconds"}
    if status == -signal.SIGXCPU:
        # As a shell ends then: outside it is told by this which limit that was.
        os._exit(128 + signal.SIGXCPU)
    with SHOWN.open("rb") as page:
        content = page.read(MAX_PAGE)
    if status or not content.strip():
        return {"error": f"the browser ended with status {status}"}
    reading = Reading()
    reading.feed(content.decode("utf-8", "replace"))
    return {
        "title": " ".join(reading.title.split())[:300],
        "text": reading.text(),
        "links": list(dict.fromkeys(reading.links)),
        "cut": SHOWN.stat().st_size > MAX_PAGE,
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(look(json.loads(sys.argv[1]))))
    sys.stdout.flush()
    os._exit(0)
