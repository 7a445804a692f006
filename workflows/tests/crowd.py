"""People, agents and parts of the platform who try anything on stories and tasks, at random, through the real actions."""

import json
import random
import uuid
from collections.abc import Callable
from typing import Any

from django.db import connection

from governance.actions.approvals import decide_approval
from governance.selectors import latest_approval
from guildhall.kernel.actor import Actor, ActorKind, system_actor
from guildhall.kernel.errors import GuildhallError
from guildhall.kernel.operation import operation_scope
from workflows.actions import (
    add_task,
    complete_task,
    create_story,
    edit_story,
    edit_task,
    mark_approved,
    rebind_task,
    renew_claim,
    reorder_tasks,
    request_validation,
    transition_story,
    transition_task,
)
from workflows.machines import STORY, TASK, CommitEvidence, MergeReceipt, TestReport
from workflows.machines.core import held_by
from workflows.models import Story, Task
from workflows.planning import TaskDraft
from workflows.selectors.facts import task_facts, who_is
from workflows.tests.world import READY, World

SAID = "This is not what was asked for."
BUILDERS = ("admin", "product_owner", "architect", "developer", "qa", "devops", "data")
STORIES = 14
ROWS = """
SELECT (SELECT md5(s::text) FROM workflows_story s WHERE s.id = %(story)s),
       (SELECT md5(string_agg(t::text, '|' ORDER BY t.id)) FROM workflows_task t WHERE t.story_id = %(story)s),
       (SELECT md5(string_agg(p::text, '|' ORDER BY p.id)) FROM workflows_taskpart p
            JOIN workflows_task t ON t.id = p.task_id WHERE t.story_id = %(story)s),
       (SELECT jsonb_object_agg(x.reference, x.state) FROM (
            SELECT reference, state FROM workflows_story WHERE id = %(story)s
            UNION ALL SELECT reference, state FROM workflows_task WHERE story_id = %(story)s) x)
"""
RECORDED = """
SELECT count(*) FILTER (WHERE outcome = 'done'), count(*) FILTER (WHERE outcome = 'denied'), count(DISTINCT event_id),
       (SELECT jsonb_agg(e.payload) FROM evidence.outbox_event e WHERE e.operation_id = %(operation)s
            AND e.kind IN ('planning.story.transitioned', 'workflow.task.transitioned'))
FROM evidence.audit_entry WHERE operation_id = %(operation)s
"""


def cast_of(schema: str) -> list[Actor]:
    """Two people of every role, some of several, agents of every craft, and those who have no business here."""

    def person(*roles: str, kind: ActorKind = ActorKind.PERSON) -> Actor:
        name = f"{'-'.join(roles[:2])}-{len(cast)}"
        return Actor(kind=kind, id=name, name=name, tenant=schema, roles=frozenset(roles), via="test")

    cast: list[Actor] = []
    for role in BUILDERS * 2:
        cast.append(person(role))
    cast += [person(*BUILDERS), person("developer", "architect", "qa"), person("viewer"), person("client")]
    cast += [person("system", "planner"), person("owner", kind=ActorKind.OWNER)]
    for role in ("developer", "developer", "architect", "qa", "planner", "product_owner", "admin"):
        cast.append(person(role, kind=ActorKind.AGENT))
    return [*cast, system_actor("workflows", schema), system_actor("leases", schema)]


class Crowd:
    """One random act after the other in a world whose tenant's scope is entered; each is checked as it happens."""

    def __init__(self, world: World, seed: int) -> None:
        self.world = world
        self.dice = random.Random(seed)  # noqa: S311
        self.cast = cast_of(world.tenant.schema)
        self.commits = 0
        self.stories: list[int] = []
        self.done = self.refused = 0
        self.seen: set[tuple[str, str, str]] = set()

    def step(self) -> None:
        """Somebody tries something."""
        if not self.stories or (len(self.stories) < STORIES and self.dice.random() < 0.08):
            return self._try(None, "create", lambda: self._write(self._anybody()))
        story = Story.objects.select_related("project").get(pk=self.dice.choice(self.stories))
        tasks = list(story.tasks.select_related("story__project").order_by("number"))
        if tasks and self.dice.random() < 0.6:
            return self._on_task(story, self.dice.choice(tasks))
        return self._on_story(story, tasks)

    def _anybody(self) -> Actor:
        return self.dice.choice(self.cast)

    def _write(self, actor: Actor) -> Story:
        content = {**READY, "title": f"Answer {uuid.uuid4().hex[:6]}"}
        return create_story(actor=actor, project=self.world.project, content=content)  # type: ignore[arg-type]

    def _on_story(self, story: Story, tasks: list[Task]) -> None:
        actor, others = self._anybody(), self.dice.random()
        if others < 0.1:
            change: Any = {"brief": self.dice.choice(["", "More of it."]), "size": self.dice.choice(["S", "?"])}
            return self._try(story, "edit", lambda: edit_story(actor=actor, story=story, content=change))
        if others < 0.15:
            return self._try(story, "add", lambda: add_task(actor=actor, story=story, draft=self._draft()))
        if others < 0.2:
            order = [task.reference for task in tasks][::-1]
            return self._try(story, "reorder", lambda: reorder_tasks(actor=actor, story=story, order=order))
        name, actor = self._act(STORY, story.state, actor, lambda who, row: bool(held_by(who_is(who)) & set(row.who)))
        more: dict[str, Any] = {"feedback": self._words(), "version": self._version(story)}
        if name in ("reject_code", "fail_tests", "reject_result"):
            more["reopen"] = [task.reference for task in tasks if self.dice.random() < 0.5]
            more["add"] = [self._draft()] if self.dice.random() < 0.2 else []
        if name == "derive_tasks":
            more["add"] = [self._draft() for _ in range(self.dice.randrange(0, 4))]
        return self._try(story, name, lambda: transition_story(actor=actor, story=story, name=name, **more))

    def _on_task(self, story: Story, task: Task) -> None:
        actor, others = self._anybody(), self.dice.random()
        if others < 0.12:
            return self._platform_on_task(story, task, actor)
        if others < 0.2 and task.state == "pending_po_approval":
            return self._decide(story, task, actor)
        if others < 0.22:
            with connection.cursor() as cursor:
                cursor.execute("UPDATE workflows_task SET lease_until = now() - interval '1 s' WHERE id = %s"
                               " AND holder <> ''", [task.pk])  # fmt: skip
            return None
        facts = task_facts(task)
        name, actor = self._act(
            TASK,
            task.state,
            actor,
            lambda who, row: bool((held_by(who_is(who)) | facts.standing(who_is(who))) & set(row.who)),
        )
        more: dict[str, Any] = {"feedback": self._words(), "version": self._version(task)}
        if name in ("commit_code", "revise_code"):
            more["commit_sha"] = self._commit(task)
        if name == "approve_tests":
            sha = task.commit_sha if self.dice.random() < 0.8 else "other"
            more["report"] = TestReport(sha, passed=self.dice.choice([2, 2, 2, 0]))
        return self._try(story, name, lambda: transition_task(actor=actor, task=task, name=name, **more))

    def _platform_on_task(self, story: Story, task: Task, actor: Actor) -> None:
        actor = self.dice.choice([actor, self.world.system])
        receipt = MergeReceipt(task.commit_sha or "none", f"m-{task.commit_sha}")
        token = task.claim_token if self.dice.random() < 0.7 else 0
        acts: dict[str, Callable[[], Any]] = {
            "complete": lambda: complete_task(actor=actor, task=task, receipt=receipt),
            "mark": lambda: mark_approved(
                actor=actor, task=task, approver=self._anybody(), commit_sha=task.commit_sha, approval="approval:0"
            ),
            "rebind": lambda: rebind_task(actor=actor, task=task, commit_sha=self._commit(task)),
            "renew": lambda: renew_claim(actor=actor, task=task, claim_token=token),
            "ask": lambda: request_validation(actor=actor, task=task),
            "edit": lambda: edit_task(actor=actor, task=task, change={"title": "Better"}),
        }
        name = self.dice.choice([*acts, "complete", "complete"])
        same = name == "complete" and task.state == "done" and task.merged_sha == receipt.merged_sha
        same = same or (name == "mark" and bool(task.approver))
        self._try(story, f"task {name}", acts[name], may_do_nothing=same)

    def _decide(self, story: Story, task: Task, actor: Actor) -> None:
        asked = latest_approval(task.ref)
        if asked is None:
            return
        answer = self.dice.choice(["approve", "approve", "changes", "reject"])
        owners = [one for one in self.cast if one.has_role("product_owner")]
        decider = self.dice.choice([actor, *owners])
        self._try(
            story,
            "decide",
            lambda: decide_approval(
                actor=decider, approval=asked.number, decision=answer, binding_hash=asked.binding_hash, feedback=SAID
            ),
        )

    def _act(self, machine: Any, state: str, actor: Actor, suits: Callable[[Actor, Any], bool]) -> tuple[str, Actor]:
        """Any act by anybody, or, more often, one that leads on, by somebody whom the table names."""
        rows = machine.leaving(state)
        if not rows or self.dice.random() < 0.25:
            return self.dice.choice(machine.actions), actor
        onward = [row for row in rows if row.action not in ("discard_task", "reset", "drop", "carry_over", "release")]
        row = self.dice.choice(onward if onward and self.dice.random() < 0.9 else rows)
        able = [one for one in self.cast if suits(one, row)]
        return row.action, self.dice.choice(able) if able and self.dice.random() < 0.9 else actor

    def _words(self) -> str:
        return self.dice.choice(["", "no", SAID, SAID, SAID])

    def _version(self, row: Story | Task) -> int | None:
        return self.dice.choice([None, None, row.version, row.version, row.version - 1])

    def _draft(self) -> TaskDraft:
        return TaskDraft(f"Do {uuid.uuid4().hex[:6]}", self.dice.choice(["developer", "data", "devops"]))

    def _commit(self, task: Task) -> str:
        if task.handed_in and self.dice.random() < 0.1:
            return str(self.dice.choice(task.handed_in))
        self.commits += 1
        sha, good = f"c{self.commits}", self.dice.random() < 0.85
        ci = "green" if good else self.dice.choice(["red", "pending", "none"])
        self.world.ci.commits[sha] = CommitEvidence(sha, ci, newer=self.dice.random() < 0.95)
        return sha

    def _try(self, story: Story | None, name: str, act: Callable[[], Any], *, may_do_nothing: bool = False) -> None:
        """Carry an act out in an operation of its own and check what it left behind."""
        made: Any = None
        before, refusal = self._rows(story), None
        with operation_scope() as operation:
            try:
                made = act()
            except GuildhallError as error:
                refusal = error
        done, denied, events, moves = self._recorded(operation.id)
        if refusal is not None:
            self.refused += 1
            assert self._rows(story) == before, f"{name} was refused and changed something"
            assert len(refusal.detail) > 10, f"{name} was refused without a word"
            assert (done, denied) == (0, int(refusal.status == 403)), f"{name}: {refusal!r}"
            return
        if may_do_nothing and done == 0:
            return
        self.done += 1
        assert done == events >= 1, f"{name} left {done} audit rows and {events} events"
        assert denied == 0
        if story is None:
            self.stories.append(made.pk)
        after = self._rows(made if story is None else story)
        self._check_moves(name, json.loads(before[3] or "{}"), json.loads(after[3]), moves)

    def _check_moves(
        self, name: str, before: dict[str, str], after: dict[str, str], said: list[dict[str, str]]
    ) -> None:
        """Each item that moved has one event that says so, and no other has one."""
        moves: dict[str, list[tuple[str, str]]] = {}
        for payload in said:
            reference = payload.get("task") or payload["story"]
            moves.setdefault(reference, []).append((payload["from_state"], payload["to_state"]))
            self.seen.add((payload["from_state"], payload["action"], payload["to_state"]))
        for reference, state in after.items():
            old = before.get(reference)
            told = moves.pop(reference, [])
            assert len(told) <= 1, f"{name} moved {reference} twice at once"
            if old is not None and (old != state or told):
                assert told == [(old, state)], f"{name} moved {reference} from {old} to {state} and says {told}"
        assert not moves

    def _rows(self, story: Story | None) -> tuple[Any, ...]:
        with connection.cursor() as cursor:
            cursor.execute(ROWS, {"story": story.pk if story else 0})
            row: tuple[Any, ...] = cursor.fetchone()
        return row

    @staticmethod
    def _recorded(operation: str) -> tuple[int, int, int, list[dict[str, str]]]:
        """Rows of the trail that say done and denied, their events, and what those say of moves."""
        with connection.cursor() as cursor:
            cursor.execute(RECORDED, {"operation": operation})
            done, denied, events, moves = cursor.fetchone()
        return done, denied, events, json.loads(moves or "[]")
