"""Many agents at work at once in a real worker: some in sandboxed commands, some in model calls that go on and on."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import redis
from django.conf import settings
from django.db.models.functions import Now

from governance.models import Reservation
from gpu_workers.actions.runs import NewRun, queue_run
from gpu_workers.models import Agent, Run
from gpu_workers.models.run import RunKind
from gpu_workers.tasks import execute_run
from guildhall.embedded import celery_service
from guildhall.embedded.roles import PRIVILEGED
from guildhall.embedded.stack import agents_worker
from guildhall.kernel.tenancy import tenant_scope
from tests.fakes.openai_server import OpenAIServer, Rule
from tests.support.processes import running, until
from tests.support.world import World
from workflows.actions import create_story
from workflows.models import Task

CLAIMED = timedelta(hours=1)
COMMAND = "exec sleep 4711"
"""Found in /proc as long as one of the commands runs."""
WAYS = ("command", "stream", "silence")
ACT = "Carry the task out now."


def script() -> list[Rule]:
    """A plan; then a command that does not end, a stream that does not end, or a server that says nothing."""
    steps = {"steps": ["Do what the task says"]}
    tool = {"name": "run_command", "arguments": {"command": COMMAND}}
    return [
        {"when": {"schema": "plan"}, "reply": {"text": steps}},
        {"when": {"contains": [ACT, "Busy: command"], "turns": 0}, "reply": {"tool_calls": [tool]}},
        {
            "when": {"contains": [ACT, "Busy: stream"], "turns": 0},
            "reply": {"text": "word " * 600},
            "chunks": 600,
            "chunk_delay": 0.5,  # five minutes, so that none ends before all have begun
        },
        {"when": {"contains": [ACT, "Busy: silence"], "turns": 0}, "hold": True, "reply": {"text": "Now it says."}},
    ]


def queue_many(world: World, count: int) -> list[int]:
    """Queue `count` runs on tasks of one story that their agent has claimed; every second one is to be in a command. Their
    numbers."""
    tenant, numbers = world.tenant, []
    with tenant_scope(tenant.schema):
        story = create_story(actor=world.owner, project=world.project, content={"title": "Busy", "brief": "Work."})
        agent = Agent.objects.get(name="mason")
        for number in range(1, count + 1):
            way = WAYS[0] if number % 2 else WAYS[1 + number // 2 % 2]
            reference = f"{story.reference}.{number}"
            task = Task.objects.create(
                story=story, number=number, reference=reference, rank=number, title=f"Busy: {way} {number}",
                role="developer", size="S", risk="low", state="implementing", implementer=agent.ref, holder=agent.ref,
                claim_token=1, lease_until=Now() + CLAIMED,
            )  # fmt: skip
            new = NewRun(
                RunKind.WORK, task.ref, story.ref, task.title, f"{task.ref}:1", repository=world.project.repository
            )
            numbers.append(queue_run(actor=tenant.system(), agent=agent, new=new).number)
    return numbers


@contextmanager
def many_at_work(world: World, model: OpenAIServer, folder: Path, count: int) -> Iterator[subprocess.Popen[bytes]]:
    """A worker with `count` threads that is at `count` runs, each in the middle of its command or call."""
    broker = redis.Redis.from_url(settings.REDIS_URL)
    broker.delete("agents", "merges")
    numbers = queue_many(world, count)
    command = agents_worker("busy")
    command[command.index("-c") + 1] = str(count)
    known = {variable: value for variable, value in os.environ.items() if variable not in PRIVILEGED}
    ready = folder / "busy.ready"
    env = {**known, celery_service.READY_FILE: str(ready), "GUILDHALL_DB_POOL": "24"}
    arguments = ("-m", celery_service.__name__, "-A", "guildhall.celery", *command, "--loglevel", "INFO")
    with running(*arguments, log=folder / "busy.log", env=env) as worker:
        until(ready.exists, seconds=60, what="the worker")
        for number in numbers:
            execute_run.send(world.tenant.schema, number=number)
        until(lambda: all_busy(world, model, count), seconds=180, what="everybody being at work")
        yield worker
    broker.delete("agents", "merges", "unacked", "unacked_index")


def all_busy(world: World, model: OpenAIServer, count: int) -> bool:
    """Whether every run is where it does not go on by itself."""
    commands, streams = (count + 1) // 2, count // 4
    streaming = sum(1 for call in model.journal if call["status"] == 200)
    with tenant_scope(world.tenant.schema):
        reserved = Reservation.objects.filter(state="open").count()
    sleeping = sum(words == b"sleep\0004711\0" for words in command_lines().values())
    return sleeping == commands and reserved == count - commands and streaming == count + commands + streams


def processes() -> list[str]:
    """Process numbers of commands that are still there, inside and outside of their sandboxes."""
    return [
        process for process, words in command_lines().items() if b"sleep 4711" in words or b"sleep\0004711" in words
    ]


def command_lines() -> dict[str, bytes]:
    """The command line of every process of this machine, by its number."""
    found = {}
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found[place.parent.name] = place.read_bytes()
        except OSError:
            continue
    return found


def unsettled(world: World) -> int:
    """Reservations that are neither charged nor given back."""
    with tenant_scope(world.tenant.schema):
        return Reservation.objects.filter(state="open").count()


def holding_on(world: World) -> int:
    """Runs whose worker has not said yet that nothing of them is left."""
    with tenant_scope(world.tenant.schema):
        return Run.objects.filter(outcome__halt__gone_at="").count()
