"""Many runs at once, and what they run on dies: workers at random moments; the broker with all it had; the database."""

import json
import random
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from tests.fakes.openai_server import OpenAIServer
from tests.faults.script import script
from tests.faults.servers import Hall, hall, moments
from tests.support.processes import until

pytestmark = pytest.mark.integration
RUNS = 20
KILLS = 5
FEWER = 8
SEED = 20261121
PER_RUN = 4
"""Answers that a run needs: its plan, and three of its loop."""


@pytest.fixture(scope="module")
def model() -> Iterator[OpenAIServer]:
    with OpenAIServer() as server:
        yield server


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hall]:
    with hall(tmp_path_factory.mktemp("hall")) as made:
        yield made


def whole(here: Hall, runs: int) -> dict[str, Any]:
    """Every one of `runs` has ended well, has one commit and one change request, and every answer was charged once."""
    told: dict[str, Any] = json.loads(here.scene("tell", here.schema))
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


def begun(here: Hall, model: OpenAIServer, slug: str, runs: int) -> None:
    """All of `runs` new runs are under way at once: each waits for its first answer, which is given then."""
    model.script = script(runs, 0.1, slug)
    asked = len(model.asked)
    here.schema = here.scene("make", slug, model.url, str(runs))
    until(lambda: len(model.asked) == asked + runs, seconds=90, what="all of them at work")
    model.gate(slug).set()


def test_workers_are_killed_five_times_at_random_while_twenty_runs_are_under_way(
    here: Hall, model: OpenAIServer
) -> None:
    chance = random.Random(SEED)  # noqa: S311  no secret
    begun(here, model, "load", RUNS)
    for steps in moments(SEED, KILLS, 12, 30):
        assert here.until_steps(steps), "in the middle of it"
        here.kill_worker(chance.choice(["one", "two"]))
    here.until_all_ended()
    told = whole(here, RUNS)
    assert sum(run["taken"] for run in told["runs"]) > RUNS, "others went on with what they had held"


def test_the_broker_loses_everything_and_the_database_is_stopped_at_once(here: Hall, model: OpenAIServer) -> None:
    begun(here, model, "lost", FEWER)
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
