"""The table of services: what each is told, and what is not started when one's own server is named."""

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from guildhall.embedded.process import EmbeddedError
from guildhall.embedded.roles import PRIVILEGED
from guildhall.embedded.service import Service
from guildhall.embedded.stack import build
from guildhall.embedded.users import service_root
from guildhall.kernel.jobs import QUEUES

pytestmark = pytest.mark.integration

OPERATIONS = Path(__file__).parents[2] / "docs" / "operations.md"
TOLD = {
    "migrate": PRIVILEGED,
    "provisioner": {"DATABASE_ADMIN_URL"},
    "relay": {"RELAY_DATABASE_URL"},
    "jobs": {"RELAY_DATABASE_URL"},
    "sealer": {"SEALER_DATABASE_URL"},
}
"""Service -> the logins that it is told beside the application's; a service that is not named is told none."""


@pytest.fixture
def var(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    for name in (*PRIVILEGED, "DATABASE_URL", "REDIS_URL"):
        monkeypatch.setenv(name, f"{name} of whoever called make")
    yield tmp_path / "var"
    shutil.rmtree(service_root(tmp_path / "var"))


def secrets_in(service: Service) -> set[str]:
    return {name for name in PRIVILEGED if name in service.env}


def test_only_the_processes_that_work_as_a_login_are_told_it(var: Path) -> None:
    stack = build(var, 8123, {})
    assert {service.name: secrets_in(service) for service in stack.services if secrets_in(service)} == TOLD
    owner = stack.environment["DATABASE_ADMIN_URL"]
    for service in stack.services:
        if "DATABASE_ADMIN_URL" not in TOLD.get(service.name, ()):
            assert owner not in service.env.values(), service.name
            assert not any(owner in word for word in service.command), service.name
    assert not PRIVILEGED & stack.command_environment.keys()
    assert os.environ["DATABASE_ADMIN_URL"] not in stack.command_environment.values()


def test_every_queue_has_a_worker_and_merges_are_no_runs(var: Path) -> None:
    commands = [list(service.command) for service in build(var, 8123, {}).services if "-Q" in service.command]
    served = [command[command.index("-Q") + 1].split(",") for command in commands]
    assert sorted(queue for queues in served for queue in queues) == sorted(QUEUES)
    assert ["merges"] in served, "runs that fill a worker's threads are at none of theirs"


def test_the_page_about_operations_tells_of_every_service_and_of_the_queues_of_every_worker(var: Path) -> None:
    table = OPERATIONS.read_text().partition("## What `make up` starts")[2].partition("\n\nNothing listens")[0]
    told = dict(re.findall(r"^\| `(\w+)` \| (.*)", table, re.MULTILINE))
    services = {service.name: list(service.command) for service in build(var, 8123, {}).services}
    assert set(told) - {"static"} == set(services) - {"static"}, "static files are collected when they have changed"
    for name, command in services.items():
        queues = command[command.index("-Q") + 1].split(",") if "-Q" in command else []
        assert [queue for queue in queues if f"`{queue}`" not in told[name]] == [], name
        assert ("thread" in told[name]) == ("threads" in command) or "-Q" not in command, name


def test_a_worker_has_as_many_runs_in_hand_as_is_said(var: Path) -> None:
    def threads(given: dict[str, str]) -> str:
        (agents,) = [service for service in build(var, 8123, given).services if service.name == "agents"]
        return agents.command[agents.command.index("-c") + 1]

    assert (threads({}), threads({"GUILDHALL_AGENT_THREADS": "64"})) == ("4", "64")
    for wrong in ("0", "257", "many", "-1", "²"):
        with pytest.raises(EmbeddedError, match="a number from 1 to 256"):
            build(var, 8123, {"GUILDHALL_AGENT_THREADS": wrong})


def test_only_workers_with_threads_sleep_and_only_if_somebody_starts_it_again(var: Path) -> None:
    def after(given: dict[str, str]) -> dict[str, str]:
        told = {service.name: list(service.command) for service in build(var, 8123, given).services if service.wanted}
        return {name: command[command.index("--sleep-after") + 1] for name, command in told.items()}

    assert after({}) == {"agents": "900", "merges": "900"}
    assert after({"GUILDHALL_AGENT_IDLE_SECONDS": "0"}) == {"agents": "0", "merges": "0"}
    with pytest.raises(EmbeddedError, match="a number from 0 to 86400"):
        build(var, 8123, {"GUILDHALL_AGENT_IDLE_SECONDS": "soon"})
    told = [service.name for service in build(var, 8123, {}).services if "--sleep-after" in service.command]
    assert told == ["agents", "merges"]
