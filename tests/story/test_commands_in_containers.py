"""A run whose commands and CI are in containers: where the installation says so, from the first call to the merge request."""

import os

import pytest
from pytest_django.fixtures import Settings

from gpu_workers.models import Run, RunStep
from gpu_workers.sandbox.cgroups import PARENT, ROOT
from guildhall.kernel.tenancy import tenant_scope
from tests.story.scripts import RIGHT, WRONG, calling, handing_in, planning, verdicts
from tests.story.test_bugfix_story import STORY
from tests.support.tenants import TestTenant
from tests.support.world import DEMO, World, files_of, scripted_model

pytestmark = pytest.mark.integration
MARK = "/run/.containerenv"
CI = f"test -e {MARK} && python3 ci.py"


def test_an_agents_commands_and_ci_run_in_containers(tenant: TestTenant, settings: Settings) -> None:
    settings.SANDBOX = "podman"
    world = World.build(tenant, "TILL", files_of(DEMO / "till"), CI)
    look = f"ls {MARK}; echo planted > .git/planted; echo x > /usr/x; python3 ci.py"
    work = [
        {"name": "run_command", "arguments": {"command": look}},
        {"name": "write_file", "arguments": {"path": "till/basket.py", "content": WRONG}},
        {"name": "run_tests", "arguments": {}},
        handing_in(),
    ]
    mended = [{"name": "write_file", "arguments": {"path": "till/basket.py", "content": RIGHT}}, handing_in()]
    script = [
        *planning(),
        *calling(work, without=["CI did not pass"]),
        *calling(mended, contains=["CI did not pass"]),
        *verdicts(),
    ]
    with scripted_model(script):
        story = world.story(**STORY)
        world.settle()
    assert world.task(story).state == "pending_po_approval"
    with tenant_scope(tenant.schema):
        run = Run.objects.get(kind="work")
        judged = list(RunStep.objects.filter(kind="ci", run=run).order_by("id").values_list("ok", flat=True))
        said = [(step.response or {})["text"] for step in run.steps.filter(kind="tool").order_by("id")]
    assert judged == [False, True]
    assert said[0].splitlines()[1] == MARK
    assert said[0].count("Read-only file system") == 2
    assert "[exit status 1]" in said[2]
    assert list(ROOT.glob(f"**/{PARENT}/{os.getpid()}-*/")) == []
