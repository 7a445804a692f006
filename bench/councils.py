"""Eight deliberations and more at once on one engine against one by one: wall time, and the tokens per second that it writes.

`make bench ENGINE=vllm` measures vLLM instead of the packaged engine, where it is installed or LLM_BASE_URL names it.
"""

import os
import threading
import time
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import product
from typing import Any

from django.db import connection

from bench.engines import NotInstalled, engine
from bench.figures import judge
from governance.actions.limits import set_limit
from governance.scopes import ScopeKind, Window
from gpu_workers.councils import asking, voices
from gpu_workers.councils.convening import call_council, give_run
from gpu_workers.runs.engine import execute
from guildhall.kernel.actor import PLATFORM, Actor, system_actor
from guildhall.kernel.tenancy import platform_scope, tenant_scope
from tenants.actions.tenants import create_tenant
from tenants.provisioning.provision import host_for, provision
from workflows.actions import create_project, create_story
from workflows.models import Contribution, Council, Project

AT_ONCE = {"embedded": (8,), "vllm": (8, 16)}
"""How many deliberate at once, by the engine's kind: the packaged one works at eight calls, and more would wait in line."""
WANTED = 3.0
BRIEF = replace(asking.SMALL, proposal=40, critique=24, score=180, reason=6)
"""Shorter answers than councils give otherwise: what is compared is ways of asking, and here they take minutes each."""
HEAD = f"  {'':44} {'seconds':>9} {'s each':>9} {'written':>9} {'read':>9} {'tokens/s':>9} {'decided':>6}"
STORY: Any = {
    "title": "Add an FAQ entry about returns",
    "brief": "Customers ask every day how returns work. Add an entry to docs/faq.md that answers them.",
    "evidence": "You can return any unused item within 30 days of delivery. Returns are free with the label in the parcel.",
    "acceptance": ["Given the FAQ, when a customer looks for returns, then it says how long they have"],
}


@dataclass(frozen=True, slots=True)
class Measured:
    """Some deliberations: how long they took together, and what their models wrote and read."""

    name: str
    seconds: float
    decided: int
    tokens_out: int
    tokens_in: int

    @property
    def rate(self) -> float:
        """Written tokens per second."""
        return self.tokens_out / self.seconds

    def line(self, number: int) -> str:
        return (
            f"  {self.name:44} {self.seconds:9.1f} {self.seconds / number:9.1f} {self.tokens_out:9} {self.tokens_in:9}"
            f" {self.rate:9.1f} {self.decided:6} of {number}"
        )


def run(rounds: int) -> None:
    """Print all ways and the ratios of their tokens per second; `rounds` is how many deliberate one by one, at most eight."""
    kind = os.environ.get("ENGINE", "embedded")
    alone = min(AT_ONCE[kind][0], rounds)
    asking.SMALL = BRIEF
    try:
        with engine(kind) as found:
            schema, project = _tenant()
            print(f"\ncouncils: deliberations of three agents on one engine ({found.name}, {found.model})")
            print(HEAD, flush=True)
            single = _measure("one by one, one call at a time", schema, project, alone, together=False, calls=1)
            serial = _measure("one by one, a phase's calls at once", schema, project, alone, together=False)
            ours = [_measure(f"{count} at once", schema, project, count, together=True) for count in AT_ONCE[kind]]
    except NotInstalled as missing:
        print(f"councils\n  {missing}\n")
        return
    for peer, one in product((single, serial), ours):
        judge(f"tokens/s {one.name} / {peer.name}", one.rate / peer.rate if peer.rate else 0.0, at_least=WANTED)


def _tenant() -> tuple[str, Project]:
    with platform_scope():
        actor = system_actor("bench", PLATFORM)
        row = create_tenant(actor=actor, slug="benchcouncils", name="Councils", host=host_for("benchcouncils"))
    provision(row)
    schema = str(row.schema_name)
    with tenant_scope(schema):
        system = system_actor("bench", schema)
        set_limit(actor=system, kind=ScopeKind.TENANT, scope_id="", window=Window.HOUR, amount=Decimal(1000))
        set_limit(actor=system, kind=ScopeKind.TENANT, scope_id="", window=Window.DAY, amount=Decimal(1000))
        project = create_project(actor=system, key="BENCH", name="Bench", repository="bench", ci_command="true")
    return schema, project


def _measure(
    name: str, schema: str, project: Project, count: int, *, together: bool, calls: int = voices.AT_ONCE
) -> Measured:
    with tenant_scope(schema):
        councils = [_called(system_actor("bench", schema), project) for _ in range(count)]
        numbers = [run.number for council in councils if (run := give_run(council))]
    before, voices.AT_ONCE = voices.AT_ONCE, calls
    began = time.perf_counter()
    try:
        if together:
            threads = [threading.Thread(target=_execute, args=(schema, number)) for number in numbers]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        else:
            for number in numbers:
                _execute(schema, number)
    finally:
        voices.AT_ONCE = before
    seconds = time.perf_counter() - began
    with tenant_scope(schema):
        said = Contribution.objects.filter(council__in=councils)
        tokens = [(row.tokens_out, row.tokens_in) for row in said]
        decided = Council.objects.filter(pk__in=[council.pk for council in councils], state="completed").count()
    measured = Measured(name, seconds, decided, sum(out for out, _ in tokens), sum(read for _, read in tokens))
    print(measured.line(count), flush=True)
    return measured


def _called(actor: Actor, project: Project) -> Council:
    story = create_story(actor=actor, project=project, content=STORY)
    council, _ = call_council(actor=actor, story=story, subject="solution")
    return council


def _execute(schema: str, number: int) -> None:
    try:
        with tenant_scope(schema):
            execute(number)
    finally:
        connection.close()
