"""Hands on an organisation that leaves: its rows, its order, its file, for tests of archiving."""

import hashlib
import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
from django.conf import settings

from governance.actions.money import reserve
from gpu_workers.forges.vault import seal as seal_secret
from gpu_workers.models import ProjectDatabase
from guildhall.evidence.tests.poking import place, seal
from guildhall.kernel.actor import PLATFORM, system_actor
from guildhall.kernel.tenancy import platform_scope, tenant_scope
from tenants.actions.archives import archive_tenant
from tenants.actions.domains import add_domain
from tenants.actions.keys import create_api_key
from tenants.actions.tenants import suspend_tenant
from tenants.archiving.container import MANIFEST
from tenants.models import Tenant, TenantArchive, TenantStatus
from tests.support.clients import Browser, signed_in, tokens_of
from tests.support.console import console, new_owner, recorded
from tests.support.tenants import TestTenant
from tests.support.world import World
from workflows.actions.attachments import attach
from workflows.actions.stories import create_story

PLAIN = "postgresql://shop:plain-as-day@db.example/shop"
CONSOLE = system_actor("tests", PLATFORM)
REASON = "They have gone to another platform."


def owner_db() -> psycopg.Connection[Any]:
    return psycopg.connect(settings.DATABASE_ADMIN_URL, autocommit=True)


def row_of(tenant: TestTenant) -> Tenant:
    with platform_scope():
        found: Tenant = Tenant.objects.get(schema_name=tenant.schema)
    return found


def archive_of(tenant: TestTenant) -> TenantArchive:
    with platform_scope():
        return TenantArchive.objects.get(tenant_id=tenant.schema)


def order(tenant: TestTenant) -> None:
    """Suspend it, order its archiving, and let relay and sealer catch up."""
    row = row_of(tenant)
    with platform_scope():
        suspend_tenant(actor=CONSOLE, tenant=row, reason="Has not paid for a year.")
        archive_tenant(actor=CONSOLE, tenant=row, name=row.name, reason=REASON)
    at_rest()


def at_rest() -> None:
    place()
    seal()


def is_there(schema: str) -> tuple[bool, bool]:
    """Whether there is such a schema, and such a role."""
    with owner_db() as db:
        row = db.execute(
            "SELECT to_regnamespace(%s) IS NOT NULL, EXISTS (SELECT FROM pg_roles WHERE rolname = %s)", [schema, schema]
        ).fetchone()
    assert row is not None
    return row[0], row[1]


def rewritten(source: Path, target: Path, change: Callable[[str, bytes], bytes | None], **added: bytes) -> Path:
    """A copy of an export with each member as `change` gives it back, None for none, and others `added`."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            if (data := change(name, old.read(name))) is not None:
                new.writestr(name, data)
        for name, data in added.items():
            new.writestr(name, data)
    return target


def one_word(which: str) -> Callable[[str, bytes], bytes]:
    """Something else in one member, as long as it was."""
    return lambda name, data: data.replace(b"done", b"DONE").replace(b"till", b"TILL") if name == which else data


def forged(name: str, data: bytes, source: Path) -> bytes:
    """A changed trail with a manifest that fits it."""
    if name == "audit/chain.jsonl":
        return one_word(name)(name, data)
    if name != MANIFEST:
        return data
    with zipfile.ZipFile(source) as file:
        changed = one_word("audit/chain.jsonl")("audit/chain.jsonl", file.read("audit/chain.jsonl"))
    manifest = json.loads(data)
    member = next(one for one in manifest["members"] if one["name"] == "audit/chain.jsonl")
    member["sha256"] = hashlib.sha256(changed).hexdigest()
    return json.dumps(manifest).encode()


@dataclass
class Leaver:
    """An organisation with something of everything, and what its people hold in their hands."""

    tenant: TestTenant
    browser: Browser
    token: str
    key: str


def a_leaver(tenant: TestTenant) -> Leaver:
    """A repository, a story with a file, a sealed secret, money set aside, a session, a token and a key."""
    world = World.build(tenant, "TILL", {"README": b"Notes of the till.\n"}, "true")
    admin = tenant.member("admin")
    with platform_scope():
        add_domain(actor=CONSOLE, tenant=row_of(tenant), host=f"also-{tenant.host}")
    with tenant_scope(tenant.schema):
        story = create_story(actor=world.owner, project=world.project, content={"title": "Say what returns cost"})
        attach(actor=admin.actor, item=story, name="till.txt", data=b"what the till said")
        _, key = create_api_key(actor=admin.actor, name="export me", scopes=["api:read"])
        ProjectDatabase.objects.create(
            project="TILL", address=seal_secret(PLAIN, "database:TILL"), place="db.example", schemas=["public"]
        )
        reserve(
            actor=tenant.agent("developer", "mason"), key="left open", amount=Decimal("0.25"), scopes=[], owner=story.ref,
            model="m", price_version="v", ttl_s=600,
        )  # fmt: skip
    return Leaver(tenant, signed_in(tenant, admin), tokens_of(tenant, admin)["access"], key)


def order_by_console(tenant: TestTenant) -> None:
    """An owner suspends and archives; what is no owner's order is refused on the way."""
    browser, row = console(new_owner()), row_of(tenant)
    place_of = f"/admin/tenants/tenant/{row.pk}"
    right = {"name": row.name, "reason": REASON}
    assert "suspend it before" in browser.submit(f"{place_of}/archive/", right).content.decode()
    assert "/archive/" not in browser.get(f"{place_of}/change/").content.decode()
    assert browser.submit(f"{place_of}/suspend/", {"reason": "They asked us to."}).status_code == 302
    assert "/archive/" in browser.get(f"{place_of}/change/").content.decode()
    for wrong in (row.name.lower(), f" {row.name}", row.slug, ""):
        assert browser.submit(f"{place_of}/archive/", {**right, "name": wrong}).status_code == 422
    assert browser.submit(f"{place_of}/archive/", {**right, "reason": "short"}).status_code == 422
    assert browser.post(f"{place_of}/archive/", right).status_code == 403, "a form of another site"
    assert Browser(settings.PUBLIC_HOST).submit(f"{place_of}/archive/", right, form_at="/sign-in/").status_code == 302
    assert row_of(tenant).status == TenantStatus.SUSPENDED
    assert browser.submit(f"{place_of}/archive/", right, form_at=f"{place_of}/archive/").status_code == 302
    again = browser.submit(f"{place_of}/archive/", right)
    assert (again.status_code, "being archived" in again.content.decode()) == (422, True)
    (entry,) = recorded(row.ref, kind="tenancy.archive.ordered")
    assert (entry["reason"], entry["actor"]["kind"]) == (REASON, "owner")
