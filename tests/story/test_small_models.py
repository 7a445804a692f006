"""Bug fixes by models that lack something: no tool calls of their own, or a window that one file nearly fills."""

import json

import pytest

from gateway.models import Deployment
from governance.selectors import spend_of
from gpu_workers.models import RunStep
from guildhall.kernel.tenancy import platform_scope, tenant_scope
from tests.fakes.openai_server import Rule
from tests.story.scripts import RIGHT, as_actions, bugfix, planning, verdicts
from tests.story.test_bugfix_story import STORY
from tests.support.tenants import TestTenant
from tests.support.world import DEMO, World, files_of, scripted_model

pytestmark = pytest.mark.integration
WINDOW = 3000
LONG = "\n".join(f"Line {number} of what the till has printed since it was bought." for number in range(60))


def merged(world: World) -> bool:
    """Whether a story about the till goes from draft to merged, and its fix stands."""
    story = world.story(**STORY)
    world.settle()
    approval = world.approval(world.task(story))
    assert approval is not None, [(run.kind, run.state, run.reason) for run in world.runs()]
    world.approve(approval)
    world.settle()
    return world.task(story).state == "done" and world.text("till/basket.py") == RIGHT


def slow_fix() -> list[Rule]:
    """Looks at one long file after another before it writes; sums up what it saw when it is asked to."""
    fixing = {"contains": ["Carry the task out now."]}
    looks = [
        {"when": {**fixing, "contains": [*fixing["contains"], seen], "without": [unseen]}, "reply": reply}
        for seen, unseen, reply in [
            ("look-3", "Replaced till/basket.py", call("write_file", path="till/basket.py", content=RIGHT)),
            ("look-2", "look-3", call("run_command", command="cat history.txt; echo look-3")),
            ("look-1", "look-2", call("run_command", command="cat history.txt; echo look-2")),
            ("Carry", "look-1", call("run_command", command="cat history.txt; echo look-1")),
        ]
    ]
    done = {
        "when": {"contains": ["Replaced till/basket.py"]},
        "reply": call("open_change_request", title="Rounded per line", description="As asked."),
    }
    notes = {"when": {"contains": ["about to be put away"]}, "reply": {"text": "look-1 and look-2 told nothing new"}}
    return [*planning(), *verdicts(), notes, done, *looks]


def call(name: str, **arguments: str) -> dict[str, object]:
    return {"tool_calls": [{"name": name, "arguments": arguments}]}


@pytest.mark.parametrize("schema", [True, False])
def test_a_model_without_tool_calls_fixes_a_bug_by_json_actions(tenant: TestTenant, schema: bool) -> None:
    world = World.build(tenant, "TILL", files_of(DEMO / "till"), "python3 ci.py")
    with scripted_model(as_actions(bugfix()), tools=False) as model:
        with platform_scope():
            Deployment.objects.filter(name="tests").update(supports_schema=schema)
        try:
            assert merged(world)
        finally:
            with platform_scope():
                Deployment.objects.filter(name="tests").update(supports_schema=True)
        acting = [asked for asked in map(json.loads, model.asked) if "Carry the task out now." in json.dumps(asked)]
    assert all("tools" not in asked for asked in acting)
    assert all(("response_format" in asked) is schema for asked in acting)
    assert all('"tool": "<name of a tool>"' in asked["messages"][0]["content"] for asked in acting)


def test_a_window_that_a_few_results_fill_is_kept_to_and_the_fix_is_merged(tenant: TestTenant) -> None:
    files = {**files_of(DEMO / "till"), "history.txt": LONG.encode()}
    world = World.build(tenant, "TILL", files, "python3 ci.py")
    with scripted_model(slow_fix()) as model:
        with platform_scope():
            Deployment.objects.filter(name="tests").update(context_tokens=WINDOW)
        assert merged(world)
        used = [call["usage"] for call in model.journal if call["status"] == 200]
    assert all(usage["prompt_tokens"] < WINDOW for usage in used)
    with tenant_scope(tenant.schema):
        steps = {step.key: step for step in RunStep.objects.filter(run__kind="work", key__startswith="executor.")}
        spent = spend_of("cost_kind", "model").spent
        paid = sum(step.cost for step in RunStep.objects.filter(kind="model"))
    notes = [step for key, step in steps.items() if key.endswith(".notes")]
    assert notes
    assert all(step.cost > 0 for step in notes), "summing up is a paid step of the run"
    assert spent == paid
    last = json.dumps(steps["executor.5"].request["messages"])
    assert "step executor.1.1: run_command" in last, "what was put away is named by its step"
    assert "VAT is rounded once, not per line." in last
    assert LONG in (steps["executor.1.1"].response or {})["text"], "all of it is stored"
