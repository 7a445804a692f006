"""A shop whose agents ask what is known: two projects, decisions of all kinds, and words that nobody is to be told."""

from collections.abc import Callable
from typing import Any

from gpu_workers.knowing.passages import Clean, Passage, split_document
from guildhall.kernel.tenancy import tenant_scope
from tests.support.tenants import TestTenant
from workflows.models import Decision, Epic, Project, ProjectRepository, Story, Task

CANARY = "quillwort"
"""Stands wherever no agent of the task is to look: in business notes, in another project, in another organisation."""


def documents(clean: Clean) -> list[Passage]:
    return split_document("docs/returns.md", clean("# Returns\n\nA refund is paid within 30 days.\n"))


def no_documents(clean: Clean) -> list[Passage]:
    return []


def project(key: str) -> Project:
    row = Project.objects.create(key=key, name=key.title())
    ProjectRepository.objects.create(project=row, name=key.lower(), ci_command="true", primary=True)
    return row


def story(of: Project, number: int, title: str, **content: Any) -> Story:
    """A story with one task, and the canary in its business notes."""
    notes = {"business_notes": f"The {CANARY} margin of the refund is 80 %."}
    reference = f"{of.key}-{number}"
    about: dict[str, Any] = {"project": of, "number": number, "reference": reference, "author": "person:1"}
    row = Story.objects.create(**{**about, **notes, "title": title, **content})
    task = {"number": 1, "rank": 1, "role": "developer", "size": "S", "risk": "low"}
    Task.objects.create(story=row, reference=f"{reference}.1", title=f"Write: {title}", **task)
    return row


def decision(title: str, *affects: str, kind: str = "scope", verdict: str = "approved", **more: Any) -> Decision:
    more = {"rationale": f"Because of the refund: {title}.", **more}
    return Decision.objects.create(kind=kind, title=title, affects=list(affects), verdict=verdict, **more)


def known_shop(make_tenant: Callable[..., TestTenant]) -> TestTenant:
    """Three stories of SHOP, two of one epic, one of BANK, and decisions about each; every text has the word refund."""
    tenant, other = make_tenant(), make_tenant()
    with tenant_scope(tenant.schema):
        ours, bank = project("SHOP"), project("BANK")
        epic = Epic.objects.create(project=ours, title="Returns")
        story(
            ours,
            1,
            "Refund to the card",
            epic=epic,
            brief="A refund takes too long.",
            acceptance=["The refund is on the card"],
            evidence="The bank's guide to refunds.",
        )
        story(ours, 2, "Print refund labels", epic=epic)
        story(ours, 3, "Tax of a refund")
        story(bank, 1, f"Refund ledger {CANARY}", brief=f"{CANARY} refund")
        decision("Own task", "task:SHOP-1.1")
        decision("Own epic", epic.ref)
        decision("Own project and another", "project:SHOP", "story:BANK-1")
        decision("Neighbour in the epic", "story:SHOP-2")
        decision("Far design", "task:SHOP-3.1", kind="design")
        decision("Far release", "story:SHOP-3", kind="release")
        decision(f"Other project {CANARY}", "story:BANK-1", "project:BANK", kind="design")
        decision(f"Nobody's {CANARY}", kind="release")
        decision(f"Refused {CANARY}", "story:SHOP-1", verdict="rejected")
        decision(f"Only proposed {CANARY}", "story:SHOP-1", verdict="proposed")
        old = decision(f"Superseded {CANARY}", "story:SHOP-1")
        old.superseded_by = decision("Stands now", "story:SHOP-1", alternatives=[{"title": "Cash", "why_not": "theft"}])
        old.save()
    with tenant_scope(other.schema):
        story(project("SHOP"), 1, f"Refund {CANARY}", brief=CANARY)
        decision(f"Theirs {CANARY}", "story:SHOP-1", "project:SHOP")
    return tenant
