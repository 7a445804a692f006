"""One question to a language server, asked from inside the sandbox: run as a program there, with the question in its arguments.

It uses the standard library alone and is given to the interpreter as text, so that no file of the workspace is imported.
Positions are zero-based, columns in UTF-16 units, as the protocol counts by default.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path("/workspace")
METHODS = {
    "definition": "textDocument/definition",
    "references": "textDocument/references",
    "rename": "textDocument/rename",
    "diagnostics": "textDocument/diagnostic",
}


class Server:
    """A running language server that is spoken with over its standard streams."""

    def __init__(self, words: list[str]) -> None:
        self._process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=ROOT
        )
        self._last = 0

    def tell(self, method: str, params: Any) -> None:
        self._send({"method": method, "params": params})

    def ask(self, method: str, params: Any) -> Any:
        """The answer's result. What the server asks meanwhile is answered with nothing to say."""
        self._last += 1
        self._send({"id": self._last, "method": method, "params": params})
        while True:
            heard = self._receive()
            if "method" in heard:
                if "id" in heard:
                    items = heard.get("params", {}).get("items", [])
                    asked = heard["method"] == "workspace/configuration"
                    self._send({"id": heard["id"], "result": [None] * len(items) if asked else None})
            elif heard.get("id") == self._last:
                if "error" in heard:
                    raise ValueError(str(heard["error"].get("message", "The language server gave no answer.")))
                return heard.get("result")

    def end(self) -> None:
        self._process.kill()

    def _send(self, message: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self._process.stdin.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        self._process.stdin.flush()

    def _receive(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        length = 0
        while line := self._process.stdout.readline():
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
            elif not line.strip():
                heard: dict[str, Any] = json.loads(self._process.stdout.read(length))
                return heard
        if self._process.wait() == -signal.SIGXCPU:
            # As a shell ends then: outside it is told by this which limit that was.
            sys.exit(128 + signal.SIGXCPU)
        raise ValueError("The language server ended before it answered.")


def answer(question: dict[str, Any]) -> Any:
    """What the server says to `question`: server, what, path, line, column, new_name."""
    server = Server(question["server"])
    try:
        server.ask("initialize", {"processId": None, "rootUri": ROOT.as_uri(), **_told()})
        server.tell("initialized", {})
        place = ROOT / question["path"]
        document = {"uri": place.as_uri(), "languageId": question["language"], "version": 1}
        text = place.read_bytes().decode("utf-8", "replace")
        server.tell("textDocument/didOpen", {"textDocument": {**document, "text": text}})
        return server.ask(METHODS[question["what"]], _params(question, place.as_uri()))
    finally:
        server.end()


def _told() -> dict[str, Any]:
    """What this client can do, and the one folder that is worked on."""
    capabilities = {
        "general": {"positionEncodings": ["utf-16"]},
        "workspace": {"workspaceFolders": True, "configuration": True, "workspaceEdit": {"documentChanges": True}},
        "textDocument": {"diagnostic": {}, "rename": {}, "references": {}, "definition": {}},
    }
    return {"capabilities": capabilities, "workspaceFolders": [{"uri": ROOT.as_uri(), "name": "workspace"}]}


def _params(question: dict[str, Any], uri: str) -> dict[str, Any]:
    params: dict[str, Any] = {"textDocument": {"uri": uri}}
    if question["what"] != "diagnostics":
        params["position"] = {"line": question["line"], "character": question["column"]}
    if question["what"] == "references":
        params["context"] = {"includeDeclaration": True}
    if question["what"] == "rename":
        params["newName"] = question["new_name"]
    return params


if __name__ == "__main__":
    try:
        said = {"result": answer(json.loads(sys.argv[1]))}
    except (ValueError, OSError) as problem:
        said = {"error": str(problem)[:500]}
    json.dump(said, sys.stdout)
