"""Work that nobody may begin keeps no other work waiting, however much of it there is."""

import json
from typing import Any

import pytest

from gpu_workers.dispatch import AT_ONCE, dispatch
from gpu_workers.models import Agent, ChangeRequest, Incident, Proposal, Run, RunStep
from gpu_workers.models.run import RunKind, RunState
from guildhall.kernel.tenancy import tenant_scope
from tests.fakes.openai_server import Rule
from tests.support.tenants import TestTenant
from tests.support.world import World, scripted_model
from workflows.models import Project, Story, Strategy, Task, TaskDependency, TaskPart

pytestmark = pytest.mark.integration
MANY = AT_ONCE + 10


def planned(project: Project, number: int, state: str, tasks: int, **more: Any) -> list[Task]:
    """A story in this state with that many small tasks for developers."""
    task_state, strategy = more.pop("task_state", "todo"), more.pop("strategy", None)
    reference = f"{project.key}-{number}"
    story = Story.objects.create(
        project=project, number=number, reference=reference, title=reference, state=state, strategy=strategy
    )
    fields = {"title": "Do it", "role": "developer", "size": "S", "risk": "low", "state": task_state, **more}
    return Task.objects.bulk_create(
        [
            Task(story=story, number=place, rank=place, reference=f"{reference}.{place}", **fields)
            for place in range(1, tasks + 1)
        ]
    )


def test_what_cannot_begin_keeps_nothing_else_waiting(tenant: TestTenant) -> None:
    world = World.build(tenant, "LINE", {"ci.py": b"print('ok')\n"}, "python3 ci.py")
    project = world.project
    with tenant_scope(tenant.schema):
        architect = Agent.objects.get(role="architect")
        Agent.objects.filter(role="architect").exclude(pk=architect.pk).update(active=False)
        paused = Strategy.objects.create(project=project, goal="Later.", state="paused")
        for number, state in enumerate(("planned", "draft", "archived", "carry_over"), 1):
            planned(project, number, state, MANY)
        planned(project, 5, "in_progress", MANY, strategy=paused)
        first, *blocked = planned(project, 6, "in_progress", MANY)
        TaskDependency.objects.bulk_create([TaskDependency(task=task, needs=first) for task in blocked])
        given_up = [first, *planned(project, 7, "in_progress", MANY)]
        agent = Agent.objects.filter(role="developer").first()
        Run.objects.bulk_create(
            [
                Run(
                    number=at,
                    kind=RunKind.WORK,
                    subject=task.ref,
                    story=task.story.ref,
                    agent=agent,
                    claim=f"{task.ref}:1",
                    state=RunState.FAILED,
                )
                for at, task in enumerate(given_up, 1)
            ]
        )
        # Its only architect wrote these: a refusal that no query tells.
        own = planned(project, 8, "in_progress", MANY, task_state="pending_arch_review", implementer=architect.ref)
        TaskPart.objects.bulk_create(
            [TaskPart(task=task, actor=architect.ref, actor_name="Alder", part="implementer") for task in own]
        )
        (review,) = planned(project, 9, "in_progress", 1, task_state="pending_arch_review", commit_sha="c1")
        (live,) = planned(project, 10, "in_progress", 1)
        dispatch()
        claimed = Task.objects.exclude(holder="").order_by("story__number")
        assert list(claimed.values_list("reference", "state")) == [
            (review.reference, "arch_reviewing"),
            (live.reference, "implementing"),
        ]
        Run.objects.filter(subject=given_up[-1].ref).update(outcome={"retried_by": world.owner.ref})
        dispatch()
        assert Task.objects.get(pk=given_up[-1].pk).state == "implementing", "people asked to try it again"
        planned(project, 11, "in_progress", MANY)
        dispatch()
        assert Task.objects.filter(story__number=11).exclude(holder="").count() == AT_ONCE


def test_agents_without_a_tool_that_writes_look_into_a_task_and_hand_it_to_people(tenant: TestTenant) -> None:
    world = World.build(tenant, "LOOK", {"ci.py": b"print('ok')\n"}, "python3 ci.py")
    told = {"data": "The column has to become wider.", "devops": "The image has to be pinned."}
    rules: list[Rule] = []
    for role, found in told.items():
        when = {"contains": ["You have none that changes a file", f"the {role} task"]}
        tried: list[tuple[str, dict[str, str]]] = [
            ("write_file", {"path": "x", "content": "x"}),
            ("search_knowledge", {"query": f"what is the {role} task about"}),
            ("get_context", {}),
            ("finish", {"summary": found}),
        ]
        for turn, (name, arguments) in enumerate(tried):
            reply = {"tool_calls": [{"name": name, "arguments": arguments}]}
            rules.append({"when": {**when, "turns": turn}, "reply": reply})
    with tenant_scope(tenant.schema):
        for number, role in enumerate(told, 1):
            planned(world.project, number, "in_progress", 1, role=role, title=f"the {role} task")
    with scripted_model(rules) as model:
        with tenant_scope(tenant.schema):
            dispatch()
        world.settle()
        asked = [json.loads(request) for request in model.asked]
    runs = {run.agent.role: run for run in world.runs()}
    assert set(runs) == set(told)
    for role, run in runs.items():
        assert (run.state, told[role] in run.reason) == ("escalated", True), run.reason
        assert "has no tool that changes files, so a person goes on" in run.reason
    offered = {tool["function"]["name"] for request in asked for tool in request.get("tools", [])}
    assert {"run_tests", "query_db", "read_file", "ask_human"} <= offered
    assert not offered & {"write_file", "apply_patch", "propose_remedy"}
    with tenant_scope(tenant.schema):
        steps = RunStep.objects.filter(kind="tool", response__text__startswith="Refused: The policy does not give")
        assert steps.count() == len(told)
        for tool in ("search_knowledge", "get_context"):
            known = RunStep.objects.filter(kind="tool", title__startswith=tool, ok=True)
            at = [step.run.agent.role for step in known if "[task:LOOK-" in (step.response or {})["text"]]
            assert sorted(at) == sorted(told)
        assert not ChangeRequest.objects.exists()


def test_what_found_nobody_free_when_people_asked_is_handed_out_once_somebody_is(tenant: TestTenant) -> None:
    with tenant_scope(tenant.schema):
        Agent.objects.update(active=False)
        incident = Incident.objects.create(project="SHOP", title="It is slow", wanted=True, parts=["shop", "till"])
        proposal = Proposal.objects.create(project="SHOP", kind="order", asked_by="person:1", asked_by_name="Ada")
        dispatch()
        assert not Run.objects.exists()
        Agent.objects.update(active=True)
        dispatch()
        dispatch()
        assert set(Run.objects.values_list("kind", "subject")) == {
            (RunKind.INCIDENT, incident.ref),
            (RunKind.BACKLOG, proposal.ref),
        }
        assert Run.objects.count() == 2
