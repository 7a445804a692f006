"""Which commands work on the stack that runs."""

import os
from pathlib import Path

import pytest

from guildhall.embedded.running import Running, adopt_environment

pytestmark = pytest.mark.unit

STACK = {"DATABASE_URL": "postgresql:///stack", "DATABASE_ADMIN_URL": "postgresql:///owner", "PORT": "8123"}


@pytest.mark.parametrize(
    ("own", "adopts"),
    [
        ({}, True),
        ({"DATABASE_URL": STACK["DATABASE_URL"]}, True),  # one's own server, which the stack was started with
        ({"DATABASE_URL": "postgresql:///another"}, False),
        ({"DATABASE_URL": STACK["DATABASE_URL"], "GUILDHALL_WORK": "there"}, False),  # run by the stack itself
    ],
)
def test_a_command_adopts_the_stacks_environment_unless_it_names_another_or_was_told_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own: dict[str, str], adopts: bool
) -> None:
    for name in (*STACK, "GUILDHALL_WORK"):
        monkeypatch.delenv(name, raising=False)
    for name, value in own.items():
        monkeypatch.setenv(name, value)
    running = Running(tmp_path)
    assert running.acquire()
    try:
        running.write("environment", STACK)
        adopt_environment(tmp_path)
        assert ("DATABASE_ADMIN_URL" in os.environ, os.environ.get("PORT") == "8123") == (adopts, adopts)
    finally:
        for name in STACK:
            os.environ.pop(name, None)
        running.release()
