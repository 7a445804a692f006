"""Many runs at once, and what they run on dies: workers at random moments; the broker with all it had; the database."""

import json
import random
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.openai_server import OpenAIServer
from tests.faults.script import script
from tests.faults.servers import Hall, hall, moments
from tests.support.processes import until

pytestmark = pytest.mark.integration
RUNS = 20
FEWER = 8
SEED = 20261121
PER_RUN = 4
"""Answers that a run needs: its plan, and three of its loop."""


def whole(hall: Hall, runs: int) -> dict[str, Any]:
    """Every one of `runs` has ended well, has one commit and one change request, and every answer was charged once."""
    told: dict[str, Any] = json.loads(hall.scene("tell", hall.schema))
    odd = [run for run in told["runs"] if (run["state"], run["commits"], run["proposed"]) != ("succeeded", 1, True)]
    assert odd == []
    assert told["changes"] == len(told["runs"]) == runs
    assert [run["number"] for run in told["runs"] if run["leased"]] == []
    assert told["locks"] == []
    assert told["charged_twice"] == []
    assert told["charged"] == told["answered"] == runs * PER_RUN
    assert told["open"] == 0
    assert Decimal(told["reserved"]) == 0
    assert told["unfinished"] == 0
    return told


def test_workers_are_killed_at_random_while_twenty_runs_are_under_way(tmp_path: Path) -> None:
    chance = random.Random(SEED)  # noqa: S311  no secret
    with OpenAIServer(script(RUNS, 0.1)) as model, hall(tmp_path, model.url, RUNS, ["one", "two"]) as here:
        killed = 0
        for steps in moments(SEED, 5, 12, 30):
            if here.until_steps(steps):
                here.kill_worker(chance.choice(["one", "two"]))
                killed += 1
        here.until_all_ended()
        told = whole(here, RUNS)
    assert killed >= 4, "so many died in the middle of it"
    assert sum(run["taken"] for run in told["runs"]) > RUNS, "others went on with what they had held"


def test_the_broker_loses_everything_and_the_database_is_stopped_at_once(tmp_path: Path) -> None:
    with OpenAIServer(script(FEWER, 0.1)) as model, hall(tmp_path, model.url, FEWER, ["one", "two"]) as here:
        assert here.until_steps(10)
        here.servers.lose_redis()
        assert here.until_steps(40)
        here.servers.stop_postgres_at_once()
        asked = len(model.asked)
        until(lambda: here.ask("SELECT 1") is None, what="no database")
        here.servers.postgres.start()
        here.until_all_ended()
        whole(here, FEWER)
    assert len(model.asked) > asked, "it went on after that"
