"""What a tenant knows, as its agents may be told: by role, within the project, never what is meant for product owners."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from gpu_workers.actions.incidents import NewIncident, open_incident
from gpu_workers.knowing.answers import Knowledge
from gpu_workers.knowing.passages import Kind
from gpu_workers.knowing.recall import KINDS, NothingAsked
from gpu_workers.knowing.work import ENDS
from gpu_workers.models import Agent, CIRun, IncidentReport, Proposal, Run
from gpu_workers.runs.masking import hiding
from gpu_workers.tests.known_shop import CANARY, decision, documents, known_shop, no_documents, project, story
from guildhall.kernel.actor import Actor
from guildhall.kernel.tenancy import tenant_scope
from tests.support.tenants import TestTenant
from workflows.models import Comment, Council, Decision, Story, StoryDependency, Task, TaskDependency
from workflows.selectors.knowing import place_of, stories_within

pytestmark = pytest.mark.integration
AGENTS = {
    "developer": "mason",
    "architect": "alder",
    "qa": "wren",
    "devops": "rook",
    "data": "finch",
    "planner": "heron",
}
ROOM = 12_000
ASKED = "a refund of the order 77 to the card"


@pytest.fixture(scope="module")
def shop(make_tenant: Callable[..., TestTenant]) -> TestTenant:
    return known_shop(make_tenant)


def run_of(role: str, subject: str = "task:SHOP-1.1", kind: str = "work", **more: Any) -> Run:
    about = {"kind": kind, "subject": subject, "story": "story:SHOP-1", "title": "Refund to the card"}
    return Run(number=4242, agent=Agent.objects.get(name=AGENTS[role]), **{**about, **more})


def knowledge(role: str, actor: Actor | None = None, run: Run | None = None, task: str = "SHOP-1.1") -> Knowledge:
    run = run or run_of(role)
    reference = task.partition(".")[0]
    return Knowledge(actor or run.agent.actor(), run, "SHOP", reference, task if "." in task else "", str)


def found(known: Knowledge, query: str, kinds: Collection[str] = KINDS) -> tuple[str, ...]:
    return known.search(query, frozenset(kinds), documents).refs


def titles(role: str, *kinds: Kind) -> set[str]:
    told = knowledge(role).search("refund", frozenset(kinds), documents).text
    return {line.partition("] ")[2].partition(" (")[0] for line in told.splitlines() if line.startswith("[")}


AFFECTING = {"Own task", "Own epic", "Own project and another", "Stands now"}
ALL = AFFECTING | {"Neighbour in the epic", "Far design", "Far release"}
OWN = {"Refund to the card"}
PROJECT = {"Refund to the card", "Print refund labels", "Tax of a refund"}


@pytest.mark.parametrize(
    ("role", "stories", "decisions"),
    [
        ("developer", OWN, AFFECTING),
        ("architect", OWN | {"Print refund labels"}, AFFECTING | {"Neighbour in the epic"}),
        ("qa", PROJECT, AFFECTING),
        ("devops", OWN, AFFECTING | {"Far release"}),
        ("data", OWN, AFFECTING | {"Far design"}),
        ("planner", PROJECT, ALL),
    ],
)
def test_every_role_is_told_of_its_own_part_of_the_work(
    shop: TestTenant, role: str, stories: set[str], decisions: set[str]
) -> None:
    with tenant_scope(shop.schema):
        assert titles(role, Kind.STORY) == stories
        assert titles(role, Kind.TASK) == {f"Write: {title}" for title in stories}
        assert titles(role, Kind.DECISION) == decisions
        assert found(knowledge(role), "refund", [Kind.DOCUMENT]) == ("docs/returns.md § Returns",)


def test_no_role_is_ever_told_what_is_not_its_own_to_know(shop: TestTenant) -> None:
    """The attack: every question that could bring it up, also by its own word, as the application's own login."""
    with tenant_scope(shop.schema):
        for role in AGENTS:
            here = knowledge(role)
            questions = ("refund", CANARY, f"margin of the {CANARY}", "story:BANK-1 BANK-1.1 decision:7", "80")
            told = [here.search(question, KINDS, no_documents).text for question in questions]
            told += [
                knowledge(role, task=name).context(ROOM, no_documents).text
                for name in ("SHOP-1.1", "BANK-1.1", "SHOP-1")
            ]
            assert CANARY not in "".join(told), role
            assert "BANK-1 " not in "".join(told)
            assert "refund" in told[0].lower()
            assert told[1] == "Nothing is known about any of these words.", "nor whether there is such a thing"


def test_a_client_and_a_stranger_to_the_team_are_told_of_no_rows(shop: TestTenant) -> None:
    with tenant_scope(shop.schema):
        assert found(knowledge("planner", shop.actor("client")), "refund") == ("docs/returns.md § Returns",)
        told = knowledge("planner", shop.actor("client")).context(ROOM, no_documents)
        assert told.refs == ()


def test_kinds_are_ranked_together_and_a_name_comes_first(shop: TestTenant) -> None:
    with tenant_scope(shop.schema):
        here = knowledge("planner")
        best = here.search("within how many days is a refund paid to the card", KINDS, documents)
        assert best.refs[:3] == ("docs/returns.md § Returns", "task:SHOP-1.1", "story:SHOP-1"), best.text
        assert "(line 3; has days, paid, within, refund)" in best.text
        assert "Refund to the card (draft; has card, refund)" in best.text
        assert "The bank's guide" in best.text, "evidence is told"
        assert found(here, "guide") == ("story:SHOP-1",), "and finds by itself"
        stands = here.search("cash or theft", KINDS, documents).text
        assert "scope decision, approved by" in stands
        assert "affects story:SHOP-1" in stands
        assert "Decided against:\n- Cash: theft" in stands
        assert found(here, "the bank's guide to a card refund takes long, see shop-3.1")[0] == "task:SHOP-3.1"
        number = Decision.objects.get(title="Far release").pk
        assert found(here, f"what does decision:{number} say of a refund")[0] == f"decision:{number}"
        for odd in ("'", "a & | !", "((:*", "\\", "the", "  ", "“"):
            with pytest.raises(NothingAsked):
                here.search(odd, KINDS, documents)
        here.search("\0 refund <-> ' :a" + "x" * 5000, KINDS, documents)


def test_the_context_tells_of_the_work_in_its_order_with_reasons(shop: TestTenant) -> None:
    with tenant_scope(shop.schema):
        own = Task.objects.get(reference="SHOP-1.1")
        TaskDependency.objects.create(task=own, needs=Task.objects.get(reference="SHOP-2.1"))
        StoryDependency.objects.create(story=own.story, needs=Story.objects.get(reference="BANK-1"))
        Task.objects.filter(pk=own.pk).update(feedback="The card is charged twice.")
        said = {"story": own.story, "task": own, "author_name": "Ada"}
        Comment.objects.create(text="Mind the daily limit.", author="person:1", **said)
        Comment.objects.create(text="I am an agent.", author="agent:wren", **said)
        mason = Agent.objects.get(name="mason")
        about = {"subject": "task:SHOP-1.1", "story": "story:SHOP-1", "title": "x", "agent": mason}
        Run.objects.create(
            number=1,
            kind="work",
            state="escalated",
            reason="CI is still red.",
            outcome={"last_problem": "E 799"},
            **about,
        )
        Run.objects.create(number=2, kind="work", state="cancelled", reason="Somebody stopped it.", **about)
        CIRun.objects.create(
            repository="shop", sha="a" * 40, purpose="run:4242:0", status="failed", log="AssertionError: 8"
        )
        council = decision("SHOP-1: Way B", "story:SHOP-1", "council:1", kind="design", verdict="proposed")
        held = {"subject": "design", "question": "?", "asked_by": "system:x", "asked_by_name": "x"}
        council_row = Council.objects.create(story=own.story, decision=council, **held)
        here = knowledge("developer", run=run_of("developer", repository="shop", head_sha="a" * 40))
        told = here.context(ROOM, documents)
        refs = list(told.refs)
        assert refs[:2] == ["task:SHOP-1.1", "story:SHOP-1"]
        assert refs[2] == f"decision:{Decision.objects.get(title='Own task').pk}", "what is nearest comes first"
        assert set(refs[3:6]) >= {council_row.ref}
        assert refs[7:] == [
            "task:SHOP-2.1", "story:BANK-1", "commit:aaaaaaaaaaaa", "run:1", "task:SHOP-1.1", "docs/returns.md § Returns",
        ]  # fmt: skip
        for words in (
            "your task (to do, for developer, of story:SHOP-1)\nWrite: Refund to the card\n- The refund is on the card",
            "Sent back: The card is charged twice.",
            "needed first\ntodo: Write: Print refund labels",
            "[story:BANK-1] needed first\ndraft\n",
            "AssertionError: 8",
            "an earlier work by Mason, which went to a person\nCI is still red.\nE 799",
            "Mind the daily limit.",
            "chosen by a council, design decision, no person has approved it yet",
        ):
            assert words in told.text, words
        assert "I am an agent" not in told.text
        assert "Somebody stopped it" not in told.text
        short = here.context(600, documents)
        assert short.refs[0] == "task:SHOP-1.1"
        assert "Left out for room:" in short.text
        assert "[epic:" in knowledge("architect").context(ROOM, documents).text


def test_runs_about_other_things_are_told_what_there_is(shop: TestTenant) -> None:
    with tenant_scope(shop.schema):
        new = NewIncident("SHOP", "Refunds fail", ("till", "bank"), "since noon")
        incident = open_incident(actor=shop.actor("devops"), new=new)
        IncidentReport.objects.create(
            incident=incident, run=7, agent="agent:rook", part="till", cause="Full disk", citations=[], remedy="Empty it",
            state="rejected", feedback="The disk is empty.",
        )  # fmt: skip
        asked = {"kind": "order", "project": "SHOP", "asked_by": "person:1", "asked_by_name": "Ada"}
        Proposal.objects.create(state="rejected", feedback="Refunds come first.", **asked)
        proposal = Proposal.objects.create(wish="Order the refunds", **asked)
        for role, kind, subject, words in (
            ("devops", "incident", incident.ref, ("since noon", "The disk is empty.", "Far release")),
            ("planner", "backlog", proposal.ref, ("Order the refunds", "Refunds come first.", "story:SHOP-")),
        ):
            run = run_of(role, subject, kind, story="", title="refund")
            told = Knowledge(run.agent.actor(), run, "SHOP", "", "", str).context(ROOM, no_documents).text
            assert [word for word in words if word not in told] == [], told
        for kind, subject in (
            ("plan", "story:SHOP-1"),
            ("council", "council:1"),
            ("incident", "incident:999"),
            ("backlog", "x"),
        ):
            run = run_of("planner", subject, kind)
            assert Knowledge(run.agent.actor(), run, "SHOP", "SHOP-1", "", str).context(ROOM, no_documents).text


def test_nothing_is_shown_that_the_policy_masks_and_looking_through_it_is_no_violation(shop: TestTenant) -> None:
    with tenant_scope(shop.schema):
        hidden = hiding("output")
        assert hidden("Refund to the card") == "Refund to the card"
        run = run_of("planner")
        here = Knowledge(run.agent.actor(), run, "SHOP", "SHOP-1", "", lambda text: text.replace("guide", "[hidden]"))
        assert "guide" not in here.search("guide refund", KINDS, documents).text
        assert "has guide" not in here.search("bank refund", KINDS, documents).text
        assert "guide" not in here.context(ROOM, documents).text
        log = "hunter2" * 9 + "x" * (ENDS - 60)
        CIRun.objects.create(repository="shop", sha="b" * 40, purpose="run:4242:1", status="failed", log=log)
        run = run_of("developer", repository="shop", head_sha="b" * 40)
        here = Knowledge(
            run.agent.actor(), run, "SHOP", "SHOP-1", "", lambda text: text.replace("hunter2" * 9, "[hidden]")
        )
        told = here.context(ROOM, no_documents).text
        assert ("[hidden]xxx" in told, "hunter2" in told) == (True, False), (
            "what a cut leaves of a secret is not known for one"
        )


def test_the_statements_do_not_depend_on_how_many_stories_there_are(make_tenant: Callable[..., TestTenant]) -> None:
    tenant = make_tenant()
    counted = []
    with tenant_scope(tenant.schema):
        ours = project("SHOP")
        story(ours, 1, "Refund to the card", acceptance=["The refund is paid"])
        for many in (range(2, 4), range(4, 400)):
            rows = [
                Story(project=ours, number=n, reference=f"SHOP-{n}", title=f"Refund order {n}", author="person:1")
                for n in many
            ]
            Story.objects.bulk_create(rows)
            Decision.objects.bulk_create(
                [Decision(kind="plan", title=f"Refund {row.number}", rationale="x", affects=[row.ref], verdict="approved")
                 for row in rows]
            )  # fmt: skip
            for searches in (True, False):
                here = knowledge("planner")
                with CaptureQueriesContext(connection) as statements:
                    told = here.search(ASKED, KINDS, no_documents) if searches else here.context(ROOM, no_documents)
                counted.append(len(statements))
                assert "story:SHOP-1" in told.refs, "the rare word wins over the many that have the common ones"
        assert counted[:2] == counted[2:]
        assert counted[0] <= 14
        assert stories_within(tenant.system(), place_of(tenant.system(), "SHOP"), "project").count() == 399
