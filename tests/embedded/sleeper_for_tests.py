"""Workers of `make up` at runs and at merges that sleep early: `python -m tests.embedded.sleeper_for_tests VAR` runs them.

With what it is forked from, under a supervisor of its own, at the PostgreSQL and Redis that the environment names.
"""

import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from guildhall.embedded.service import Service
from guildhall.embedded.stack import build
from tests.embedded.stack_for_tests import main

SLEEPERS = ("agents", "merges")
NAMES = ("preload", *SLEEPERS)
JOBS = "guildhall.fleet.tests.waiting_jobs"
NO_MODEL = "http://127.0.0.1:1/v1"
TEST = ("GUILDHALL_VAR", "GUILDHALL_WORK")
"""Where the test's repositories lie, and not the stack's own."""


def table(var: Path) -> Iterator[Service]:
    given = {**os.environ, "LLM_BASE_URL": NO_MODEL, "GUILDHALL_AGENT_IDLE_SECONDS": "1"}
    for service in build(var, 1, given).services:
        if service.name in NAMES:
            more = ["--include", JOBS] if service.name in SLEEPERS else []
            kept = tuple(name for name in service.depends if name in NAMES)
            known = {name: value for name, value in service.env.items() if name not in TEST}
            env = {**known, **{name: os.environ[name] for name in TEST if name in os.environ}}
            yield replace(service, command=[*service.command, *more], depends=kept, env=env)


if __name__ == "__main__":
    place = Path(sys.argv[1])
    sys.exit(main(place, list(table(place))))
