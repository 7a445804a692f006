"""A tenant whose every room bears its marker, and an admin of one tenant at all the addresses of another's things."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import product
from typing import Any

from django.db import models
from django.test import Client

from governance.actions.approvals import request_approval
from governance.actions.holds import place_hold
from governance.actions.money import reserve, settle
from governance.actions.policy_drafts import draft_policy
from governance.actions.reconciliation import Period, reconcile
from governance.actions.release import hold_environment
from governance.actions.violations import Breach, report_violation
from governance.pricing import Usage
from governance.selectors import active_policy
from gpu_workers.actions.incidents import NewIncident, add_evidence, open_incident
from gpu_workers.actions.runs import NewRun, queue_run
from gpu_workers.models import (
    Agent,
    ChangeRemark,
    ChangeRequest,
    CIRun,
    HandIn,
    ProjectCluster,
    ProjectDatabase,
    ProjectMigrator,
    ProjectTracker,
    Proposal,
    Repository,
    Run,
    RunLog,
    RunStep,
)
from gpu_workers.models.incident import Incident, IncidentEvidence
from gpu_workers.models.run import RunKind
from guildhall.kernel.tenancy import tenant_scope
from tests.api.people import People
from tests.support.api_permissions import API_ROWS
from tests.support.clients import signed_in
from tests.support.page_permissions import PAGE_ROWS
from tests.support.permissions import Row
from tests.support.tenants import TestTenant
from workflows.actions import (
    create_epic,
    create_project,
    create_story,
    create_strategy,
    open_sprint,
    propose_decision,
    set_schedule,
)
from workflows.actions.attachments import attach
from workflows.actions.comments import write_comment
from workflows.actions.councils import convene_council
from workflows.actions.following import assign_story
from workflows.actions.labels import create_label, set_labels
from workflows.actions.saved import save_filter
from workflows.councils import Chair
from workflows.models import (
    Attachment,
    Comment,
    Contribution,
    Council,
    CouncilSeat,
    Decision,
    Derivation,
    Epic,
    Label,
    Project,
    SavedFilter,
    Sprint,
    Story,
    Strategy,
    Task,
)
from workflows.planning import TaskDraft

WORD = "planted"
"""A word in every text, to search for."""
FOUND_BY: dict[str, type[models.Model]] = {
    "comments": Comment,
    "attachments": Attachment,
    "files": Attachment,
    "labels": Label,
    "filters": SavedFilter,
    "strategies": Strategy,
    "epics": Epic,
    "sprints": Sprint,
    "decisions": Decision,
    "councils": Council,
    "ci-runs": CIRun,
    "runs": Run,
    "steps": RunStep,
    "changes": ChangeRequest,
    "hand-ins": HandIn,
    "approvals": Story,
    "holds": Strategy,
    "drafts": Strategy,
    "release-holds": Strategy,
    "releases": Strategy,
    "violations": Strategy,
    "differences": Strategy,
    "incidents": Incident,
    "evidence": IncidentEvidence,
    "proposals": Proposal,
}
"""Whose ids go into the routes of which room. The governance room's own are not to be touched from here: there are as many of
its approvals as stories, and as many of each other kind as strategies."""
ASKED = (
    "stories/export/?as=csv",
    "stories/export/?as=json",
    f"stories/?text={WORD}&view=list",
    f"palette/?q={WORD}",
    "api/v1/stories/export/?as=csv",
    f"api/v1/stories/?search={WORD}",
    f"api/v1/mentions/?q={WORD}",
    "api/v1/audit/?limit=200",
)
"""Questions that their routes need to say anything of stories."""


NAMED: dict[str, tuple[type[models.Model], str]] = {
    "story": (Story, "reference"),
    "task": (Task, "reference"),
    "project": (Project, "key"),
}
OPEN_PART = re.compile(r"([\w-]+)/<(\w+):\w+>")


def furnish(tenant: TestTenant, marker: str, keys: Sequence[str]) -> None:
    """Put the marker into every room of a project for each key. Tenants furnished alike share ids and numbers."""
    with tenant_scope(tenant.schema):
        for key in keys:
            _project(_Texts(tenant, key, f"{WORD} {marker}"))


@dataclass(frozen=True)
class _Texts:
    tenant: TestTenant
    key: str
    text: str


def _project(given: _Texts) -> None:
    tenant, key, text = given.tenant, given.key, given.text
    owner, name = tenant.actor("product_owner"), key.lower()
    project = create_project(actor=owner, key=key, name=text, repository=name, ci_command="true")
    strategy = create_strategy(actor=owner, project=project, goal=text, title=text)
    template: Any = {"title": text, "brief": text}
    set_schedule(actor=owner, strategy=strategy, cron="0 6 * * 1", timezone="UTC", template=template)
    create_epic(actor=owner, project=project, title=text, strategy=strategy, description=text)
    open_sprint(actor=owner, project=project, content={"name": text, "goal": text})
    story = create_story(actor=owner, project=project, content={"title": text, "brief": text, "evidence": text})
    reference = f"{story.reference}.1"
    task = Task.objects.create(
        story=story, number=1, reference=reference, rank=1, title=text, role="developer", size="S", risk="low"
    )
    drafts = [TaskDraft(text, "developer").as_dict()]
    Derivation.objects.create(story=story, drafts=drafts, proposer=owner.ref, proposer_name=text)
    decision = {"kind": "scope", "title": text, "rationale": text, "alternatives": [text], "affects": [story.ref]}
    propose_decision(actor=owner, **decision)  # type: ignore[arg-type]
    _beside(given, story, task)
    _council(given, story)
    _work(given, story, task)
    _advice(given)
    place_hold(actor=owner, kind="strategy", target=str(strategy.pk), reason=text)
    hold_environment(actor=owner, kind="freeze", environment=f"{name}:main", reason=text)
    run = Run.objects.get(story=story.ref)
    seen = Breach("path", "blocked", text, "agent:mason", run.ref, f"{key} {text}", excerpt=text, story=reference)
    report_violation(actor=tenant.system(), breach=seen)
    _compare(given.tenant, given.key)
    draft_policy(actor=owner, text=f"{active_policy().text}# {text}\n", reason=text)


def _compare(tenant: TestTenant, provider: str) -> None:
    """One call of a provider of the project's own, which tells it otherwise than the ledger."""
    until = datetime.now(UTC) + timedelta(minutes=1)
    made = reserve(
        actor=tenant.system(),
        key=f"compared:{provider}",
        amount=Decimal("0.01"),
        scopes=[],
        owner=f"project:{provider}",
        model="small",
        price_version="1",
        ttl_s=60,
        provider=provider,
    )
    settle(actor=tenant.system(), reservation=made, usage=Usage(10, 10), cost=Decimal("0.001"))
    period = Period(provider, until - timedelta(minutes=9), until)
    reconcile(actor=tenant.system(), period=period, counted={}, price_of=lambda _: None)


def _beside(given: _Texts, story: Story, task: Task) -> None:
    tenant, text = given.tenant, given.text
    owner, admin = tenant.actor("product_owner"), tenant.actor("admin")
    assign_story(actor=owner, story=story, person=admin.ref)
    for item in (story, task):
        write_comment(actor=owner, item=item, text=text)
        attach(actor=owner, item=item, name=f"{text}.txt", data=text.encode())
    label = create_label(actor=owner, name=f"{given.key} {text}"[:40])
    set_labels(actor=owner, item=story, add=[label])
    for actor, shared in ((admin, False), (owner, True)):
        save_filter(actor=actor, name=f"{given.key} {text}"[:60], query=f"text={text}", shared=shared)


def _council(given: _Texts, story: Story) -> None:
    owner, text = given.tenant.actor("product_owner"), given.text
    seats = [Chair(f"agent:{name}", name, "qa") for name in ("alder", "mason", "wren")]
    council = convene_council(actor=owner, story=story, subject="design", question=text, seats=seats)
    seat = CouncilSeat.objects.get(council=council, place=0)
    Contribution.objects.create(council=council, phase="proposal", author=seat, title=text, text=text)


def _work(given: _Texts, story: Story, task: Task) -> None:
    system, text, name = given.tenant.system(), given.text, given.key.lower()
    agent = Agent.objects.get(name="mason")
    run = queue_run(actor=system, agent=agent, new=NewRun(RunKind.WORK, task.ref, story.ref, text, f"{task.ref}:1"))
    RunLog.objects.create(run=run, phase="executor", text=text)
    RunStep.objects.create(
        run=run, key="executor.1", phase="executor", kind="tool", title=text, request={"arguments": {"path": text}}
    )
    Repository.objects.get_or_create(name=name, defaults={"ci_command": text})
    ProjectDatabase.objects.create(project=given.key, address="sealed", place=text, schemas=["public"])
    ProjectMigrator.objects.create(project=given.key, address="sealed", place=text, schemas=["public"])
    ProjectCluster.objects.create(
        project=given.key, api_url=f"https://{name}.invalid/{text}"[:200], namespace=text[:63], ca=text, token="sealed"
    )
    ProjectTracker.objects.create(project=given.key, kind="linear", api_url=text, place=text, token="sealed")
    CIRun.objects.create(repository=name, sha="0" * 40, purpose=text[:60], status="passed", log=text)
    change = ChangeRequest.objects.create(
        number=run.number, task=task.reference, story=story.reference, title=text, repository=name, branch=text,
        base_sha="0" * 40, head_sha="1" * 40, diff_hash="2" * 64, author="agent:mason", run=run,
    )  # fmt: skip
    ChangeRemark.objects.create(
        change=change, commit_sha="1" * 40, path=text, line=1, text=text, author=agent.ref, author_name=text
    )
    HandIn.objects.create(
        task=task.reference, story=story.ref, title=text, repository=name, person=agent.ref, person_name=text, claim_token=1,
        patch=text, reason=text, digest="3" * 64,
    )  # fmt: skip
    asked: Any = {"kind": "scope", "subject": story.ref, "title": text, "risk": "low", "binding": {"it": text}}
    request_approval(actor=system, **asked)


def _advice(given: _Texts) -> None:
    """An incident with evidence, and a proposal of an order that nobody has worked out yet."""
    tenant, text = given.tenant, given.text
    owner, ops = tenant.actor("product_owner"), tenant.actor("devops")
    incident = open_incident(actor=ops, new=NewIncident(given.key, text, ("till", "stock"), text))
    add_evidence(actor=ops, incident=incident, name="till.log", kind="log", data=text.encode())
    Proposal.objects.create(
        kind="order", project=given.key, wish=text, asked_by=owner.ref, asked_by_name=text, state="asked"
    )


def addresses(rows: Sequence[Row], tenant: TestTenant) -> list[str]:
    """Where the rows' routes find things of `tenant`: two by reference, one by id; or the row's own path."""
    with tenant_scope(tenant.schema):
        found = []
        for route, path in {row.route: row.path or row.route for row in rows if row.method == "GET"}.items():
            open_parts = OPEN_PART.findall(route)
            known = [names(room, kind) for room, kind in open_parts]
            if all(known):
                pattern = OPEN_PART.sub(r"\1/{}", route)
                found += [pattern.format(*names) for names in product(*known)]
            else:
                found.append(path)
    return found


def names(room: str, kind: str) -> list[Any]:
    """What stands for an open part of a route: the first and last reference or key, or the last id; or nothing."""
    if kind in NAMED:
        model, name = NAMED[kind]
        every = list(model.objects.order_by("pk").values_list(name, flat=True))  # type: ignore[attr-defined]
        return [every[0], every[-1]]
    if room not in FOUND_BY:
        return []
    return [FOUND_BY[room].objects.latest("pk").pk]  # type: ignore[attr-defined]


def ask_api(attacker: TestTenant, victim: TestTenant) -> Iterator[str]:
    """Every route of the API that reads, at the addresses of the victim's things, with a key of the attacker's admin."""
    return ask(People(attacker).admin.client, API_ROWS, victim)


def ask_pages(attacker: TestTenant, victim: TestTenant) -> Iterator[str]:
    """Every page, at the addresses of the victim's things, as the attacker's admin who is signed in."""
    return ask(signed_in(attacker, attacker.member("admin")), PAGE_ROWS, victim)


def ask(client: Client, rows: Sequence[Row], tenant: TestTenant) -> Iterator[str]:
    """What the rows' routes that read answer at the addresses of the things of `tenant`, each text after its path."""
    api = rows is API_ROWS
    for path in [*addresses(rows, tenant), *(path for path in ASKED if path.startswith("api/") == api)]:
        answer = client.get(f"/{path}")
        said = answer.getvalue().decode("utf-8", "replace")
        yield f"{path} {said}"
