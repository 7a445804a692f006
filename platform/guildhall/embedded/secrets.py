"""Passwords that the embedded default made up for itself, in one file that only its user may read."""

import json
import os
import secrets as randomness
from pathlib import Path


class Secrets:
    """A mode-600 JSON file of named secrets; a name that is asked for the first time gets a random value."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._values: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}

    def __getitem__(self, name: str) -> str:
        """The secret called `name`: 43 URL-safe characters, the same on every later start."""
        if name not in self._values:
            self._values[name] = randomness.token_urlsafe(32)
            self._write()
        return self._values[name]

    def _write(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self._path.with_suffix(".new")
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(self._values, file, indent=1)
        fresh.replace(self._path)
