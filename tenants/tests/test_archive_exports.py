"""What an organisation that left is kept as, and what is left of it anywhere else, whenever its process died."""

import hashlib
import io
import json
import os
import shutil
import signal
import subprocess
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.conf import settings
from django.contrib.admin.utils import quote
from django.core.management import CommandError, call_command

from guildhall.evidence.roots import read_exports
from guildhall.kernel.actor import PLATFORM
from guildhall.kernel.errors import Conflict, Invalid, NotFound, TenantGone, Unavailable
from guildhall.kernel.tenancy import platform_scope, tenant_scope
from tenants.actions.archives import archive_tenant, purge_export
from tenants.actions.domains import add_domain, remove_domain
from tenants.actions.tenants import create_tenant, resume_tenant, set_plan
from tenants.archiving import parts
from tenants.archiving.archive import archive, export_file, read_back
from tenants.archiving.container import MANIFEST
from tenants.auth.hosts import tenant_at
from tenants.models import Domain, Membership, Tenant, TenantArchive, TenantStatus
from tenants.selectors import digest
from tenants.tasks import purge_platform
from tenants.tests.leaving import (
    CONSOLE,
    PLAIN,
    REASON,
    Leaver,
    a_leaver,
    archive_of,
    at_rest,
    forged,
    is_there,
    one_word,
    order_by_console,
    owner_db,
    rewritten,
    row_of,
)
from tenants.tests.test_purge import run
from tenants.web.ws import connect_actor
from tests.support.clients import Browser, program, signed_in
from tests.support.console import console, new_owner, recorded
from tests.support.mortal import DIED, in_child
from tests.support.tenants import TestTenant

pytestmark = pytest.mark.integration
BOUNDARIES = ["written", "published", "exported", "compared", "dropping", "dropped"]


@pytest.fixture(scope="module")
def leaver(make_tenant: Callable[..., TestTenant]) -> Leaver:
    return a_leaver(make_tenant())


@pytest.fixture(scope="module")
def stays(residents: tuple[TestTenant, TestTenant]) -> TestTenant:
    return residents[0]


@pytest.fixture(scope="module")
def gone(leaver: Leaver, tmp_path_factory: pytest.TempPathFactory) -> Leaver:
    """Archived by a process that was killed -9 once in the middle of the export and once at each boundary."""
    order_by_console(leaver.tenant)
    at_rest()
    with pytest.raises(Unavailable, match="entries to be sealed"):
        archive(leaver.tenant.schema)  # money was still set aside: that it was given back is in the trail
    at_rest()
    schema, deaths = leaver.tenant.schema, tmp_path_factory.mktemp("deaths") / "deaths"
    deaths.touch()

    class Dying:
        """A room whose process is killed while its part is written."""

        def unfinished(self, schema: str) -> str:
            return ""

        def folders(self, schema: str) -> list[Path]:
            return []

        def parts(self, schema: str) -> Iterator[parts.Part]:
            yield parts.Part("tests/half", lambda: iter([b"half of it", b""]), lambda: "same")
            die("exporting")

    def die(boundary: str) -> None:
        if boundary in ("exporting", *BOUNDARIES) and boundary not in deaths.read_text().split():
            with deaths.open("a") as file:
                file.write(f"{boundary}\n")
            os.kill(os.getpid(), signal.SIGKILL)

    parts.register_room(Dying())
    try:
        for died in range(len(BOUNDARIES) + 1):
            assert in_child(lambda: assert_archived(archive(schema, die))) == DIED, deaths.read_text()
            dropped = died == len(BOUNDARIES)
            assert is_there(schema) == (not dropped, not dropped), deaths.read_text()
            assert row_of(leaver.tenant).status == TenantStatus.ARCHIVING
            if archive_of(leaver.tenant).root:
                assert read_back(schema).root == archive_of(leaver.tenant).root
        assert deaths.read_text().split() == ["exporting", *BOUNDARIES]
        assert archive(schema)
    finally:
        parts._rooms.pop()
    return leaver


def assert_archived(done: bool) -> None:
    assert done


def test_whenever_its_process_dies_there_is_one_export_and_then_nothing_else(gone: Leaver) -> None:
    schema = gone.tenant.schema
    row = archive_of(gone.tenant)
    assert row_of(gone.tenant).status == TenantStatus.ARCHIVED
    assert is_there(schema) == (False, False)
    assert [file.name for file in settings.ARCHIVES_DIR.glob(f"{schema}*")] == [row.file]
    assert (export_file(schema).stat().st_mode & 0o777, export_file(schema).stat().st_size) == (0o600, row.size)
    assert (read_back(schema).root, row.root in read_exports(settings.SEALS_DIR)[schema]) == (row.root, True)
    assert not any((folder / schema).exists() for folder in (settings.REPOSITORIES_DIR, settings.MEDIA_ROOT))
    assert [
        entry["event"]["root"] for entry in recorded(f"tenant:{gone.tenant.slug}", kind="tenancy.archive.done")
    ] == [row.root]
    assert not archive(schema), "told again, there is nothing to do"


def test_the_export_holds_everything_and_no_credential(gone: Leaver, tmp_path: Path) -> None:
    with zipfile.ZipFile(export_file(gone.tenant.schema)) as file:
        held = {name: file.read(name) for name in file.namelist()}
        file.extract("repositories/till.bundle", tmp_path)
    manifest = json.loads(held.pop(MANIFEST))
    rows = {name: [json.loads(line) for line in text.splitlines()] for name, text in held.items() if ".jsonl" in name}
    assert {one["name"]: one["sha256"] for one in manifest["members"]} == {
        name: hashlib.sha256(data).hexdigest() for name, data in held.items()
    }
    assert {one["name"]: one["rows"] for one in manifest["members"] if "rows" in one} == {
        n: len(r) for n, r in rows.items()
    }
    (story,) = rows["tables/workflows_story.jsonl"]
    assert story["title"] == "Say what returns cost"
    assert [data for name, data in held.items() if name.startswith("files/")] == [b"what the till said"]
    assert [row["state"] for row in rows["tables/governance_reservation.jsonl"]] == ["expired"], "settled before"
    (member, *_) = rows["shared/people.jsonl"]
    assert set(member) == {"id", "public_id", "name", "email"}
    assert "export me" in {row["name"] for row in rows["shared/tenants_apikey.jsonl"]}
    assert {row["tenant"] for row in rows["audit/chain.jsonl"]} == {gone.tenant.schema}
    assert len(rows["audit/chain.jsonl"]) == manifest["chain"]["position"] > 5
    everything = b"\n".join(held.values())
    session = gone.browser.cookies["gh_session"].value
    for secret in (gone.key, digest(gone.key), PLAIN, "plain-as-day", session, gone.token, "pbkdf2"):
        assert secret.encode() not in everything, secret
    clone = tmp_path / "clone"
    done = subprocess.run(["git", "clone", "-q", tmp_path / "repositories/till.bundle", clone], check=False)
    assert done.returncode == 0
    assert (clone / "README").read_text() == "Notes of the till.\n"


def test_every_door_answers_as_if_there_had_never_been_one(gone: Leaver, stays: TestTenant) -> None:
    facts = {"id": 0, "schema": gone.tenant.schema, "slug": "", "name": "", "plan": "standard"}
    from tenants.auth import hosts

    for known in (False, True):  # a process that knew the host half a minute ago
        hosts._kept.pop(gone.tenant.host, None)
        if known:
            hosts._kept[gone.tenant.host] = (float("inf"), hosts.TenantFacts(**facts))  # type: ignore[arg-type]
        answers = [
            gone.browser.get("/"),
            Browser(gone.tenant.host).get("/sign-in/"),
            program(gone.tenant, gone.token).get("/api/v1/me/"),
            program(gone.tenant, gone.key).get("/api/v1/me/"),
            program(gone.tenant).post("/api/v1/auth/token/", {}, content_type="application/json"),
        ]
        assert [answer.status_code for answer in answers] == [404] * 5
        with pytest.raises(NotFound):
            async_to_sync(connect_actor)(a_socket(gone))
    hosts._kept.pop(gone.tenant.host)
    assert tenant_at(gone.tenant.host) is None
    run(purge_platform, gone.tenant.schema)  # a job of it is not run, and says so
    with tenant_scope(gone.tenant.schema), pytest.raises(TenantGone):
        Membership.objects.count()
    with owner_db() as db:
        for table in ("membership", "apikey", "refreshtoken", "session", "invitation", "stalledapprovals"):
            query = f"SELECT count(*) FROM tenants_{table} WHERE tenant = %s"
            assert db.execute(query.encode(), [gone.tenant.schema]).fetchone() == (0,), table
        stream = "SELECT count(*) FROM evidence.outbox_event WHERE tenant = %s AND (payload, actor) <> ('{}', '{}')"
        assert db.execute(stream.encode(), [gone.tenant.schema]).fetchone() == (0,)
    call_command("verify_audit", tenant=gone.tenant.schema)
    inside = signed_in(stays, stays.member("admin"))
    assert inside.get("/").status_code == 200
    assert all(is_there(stays.schema))


def a_socket(gone: Leaver) -> dict[str, Any]:
    cookie = f"gh_session={gone.browser.cookies['gh_session'].value}"
    host = gone.tenant.host
    headers = {"host": host, "origin": f"http://{host}", "cookie": cookie}
    return {"headers": [(name.encode(), value.encode()) for name, value in headers.items()], "client": ("127.0.0.1", 1)}


def test_its_names_are_nobody_elses(gone: Leaver, stays: TestTenant) -> None:
    row = row_of(gone.tenant)
    with platform_scope():
        domain = Domain.objects.get(tenant=row, is_primary=False)
        for slug, host in (
            (gone.tenant.slug, "new.example"),
            ("newcomer", gone.tenant.host),
            ("newcomer", domain.domain),
        ):
            with pytest.raises(Conflict):
                create_tenant(actor=CONSOLE, slug=slug, name="New", host=host)
        with pytest.raises(Invalid):
            add_domain(actor=CONSOLE, tenant=row_of_stays(stays), host=gone.tenant.host)
        for refused in (
            lambda: add_domain(actor=CONSOLE, tenant=row, host="other.example"),
            lambda: remove_domain(actor=CONSOLE, domain=domain),
            lambda: set_plan(actor=CONSOLE, tenant=row, plan="large", reason="It would be bigger."),
            lambda: resume_tenant(actor=CONSOLE, tenant=row),
            lambda: archive_tenant(actor=CONSOLE, tenant=row, name=row.name, reason=REASON),
        ):
            with pytest.raises(Conflict):
                refused()


def row_of_stays(stays: TestTenant) -> Tenant:
    found: Tenant = Tenant.objects.get(schema_name=stays.schema)
    return found


def test_a_changed_export_is_named_for_what_was_changed(gone: Leaver, tmp_path: Path) -> None:
    source = export_file(gone.tenant.schema)
    out = io.StringIO()
    call_command("verify_export", str(source), stdout=out)
    assert f"root {archive_of(gone.tenant).root}" in out.getvalue()
    assert "entries, whole" in out.getvalue()
    story = "tables/workflows_story.jsonl"
    changes: dict[str, tuple[Callable[[str, bytes], bytes | None], dict[str, bytes]]] = {
        "repositories/till.bundle was changed": (lambda n, d: d[:-1] + b"x" if n.endswith(".bundle") else d, {}),
        "audit/chain.jsonl was changed": (one_word("audit/chain.jsonl"), {}),
        f"{story} is missing": (lambda n, d: None if n == story else d, {}),
        "planted was added": (lambda n, d: d, {"planted": b"x"}),
        "position 1, entry": (lambda n, d: forged(n, d, source), {}),
        f"{MANIFEST}: its root": (lambda n, d: d.replace(b'"slug": "t', b'"slug": "T') if n == MANIFEST else d, {}),
        f"{MANIFEST} is missing": (lambda n, d: None if n == MANIFEST else d, {}),
    }
    for said, (change, added) in changes.items():
        with pytest.raises(CommandError, match=said):
            call_command("verify_export", str(rewritten(source, tmp_path / "changed.zip", change, **added)))
    cut = tmp_path / "cut.zip"
    cut.write_bytes(source.read_bytes()[:-200])
    for unreadable in (cut, tmp_path / "none.zip"):
        with pytest.raises(CommandError, match="cannot be read as an export"):
            call_command("verify_export", str(unreadable))


def test_the_file_goes_when_its_year_is_over_and_never_before(gone: Leaver) -> None:
    browser, row = console(new_owner()), archive_of(gone.tenant)
    listed = browser.get("/admin/tenants/tenantarchive/").content.decode()
    assert (row.root[:12] in listed, row_of(gone.tenant).name in listed) == (True, True)
    # The console writes a key as its own links do: `_40` in the name of a schema would be read as `@`.
    page = browser.get(f"/admin/tenants/tenantarchive/{quote(row.pk)}/change/")
    shown = page.content.decode().replace("<wbr>", "")
    assert [text for text in (row.root, REASON, "Kept") if text not in shown] == []
    assert (row.ordered_by[:6], row.ordered_by in listed + shown) == ("owner:", False), "owners have names"
    kept = settings.ARCHIVES_DIR / "copy"
    shutil.copy(export_file(gone.tenant.schema), kept)
    run(purge_platform, PLATFORM)
    assert export_file(gone.tenant.schema).exists()
    with platform_scope():
        with pytest.raises(Conflict, match="until its year is over"):
            purge_export(actor=CONSOLE, archive=row)
        for sooner in ({"purged_at": row.exported_at}, {"kept_until": row.exported_at}):
            with pytest.raises(Exception, match=r"archive_(purged|export)"):
                TenantArchive.objects.filter(pk=row.pk).update(**sooner)
    with owner_db() as db:
        db.execute(
            "UPDATE tenants_tenantarchive SET exported_at = exported_at - interval '2 years',"
            " kept_until = kept_until - interval '2 years' WHERE tenant = %s", [gone.tenant.schema],
        )  # fmt: skip
    run(purge_platform, PLATFORM)
    run(purge_platform, PLATFORM)
    after = archive_of(gone.tenant)
    assert (export_file(gone.tenant.schema).exists(), after.root, after.purged_at is None) == (False, row.root, False)
    assert len(recorded(f"tenant:{gone.tenant.slug}", kind="tenancy.archive.purged")) == 1
    assert "Export deleted" in browser.get("/admin/tenants/tenantarchive/").content.decode()
    call_command("verify_export", str(kept))
    kept.unlink()
    with platform_scope(), pytest.raises(Conflict):
        create_tenant(actor=CONSOLE, slug=gone.tenant.slug, name="New", host="newer.example")
