"""Secrets planted wherever a story passes appear in no row, key, log, page or answer; in git, where they were, they stay."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
import redis
from django.conf import settings
from psycopg import sql

from governance.models import Violation
from gpu_workers.models import ChangeRequest, CIRun, Run, RunLog, RunStep
from guildhall.kernel.errors import Invalid
from guildhall.kernel.redaction import MARK, keep_secret
from guildhall.kernel.tenancy import tenant_scope
from tenants.actions.keys import create_api_key
from tests.fakes.openai_server import Rule
from tests.story.scripts import RIGHT, handing_in, planning, verdicts
from tests.support.clients import Browser, program, signed_in
from tests.support.services import Services
from tests.support.tenants import TestTenant
from tests.support.world import DEMO, World, files_of, scripted_model

pytestmark = pytest.mark.integration
KEY_BODY = "b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQPlanted0000000000000000"
PLANTED = {
    "a cloud key in a file": "AKIA" + "QX7PLANTED0AWSK3",
    "a private key's body in a file": KEY_BODY,
    "a password in an address, in a file": "Planted-Url-Word-77",
    "an assigned password in a file": "planted!assigned#88",
    "a token that a command prints in two pieces": "ghp_" + "PlAnTeD0split1" * 3,
    "a token that a command prints beside a long line": "glpat-" + "PlAnTeD0long2x" * 2,
    "a payment key in CI's log": "sk_" + "live_PlAnTeD0payment4242",
    "a bearer in CI's log": "PlAnTeDbearer00112233445566",
    "a key in the model's answer": "sk-" + "proj-PlAnTeD0answer0123456789",
    "a key in a story": "xoxb-" + "1234567890-PlAnTeD0story99",
    "a signed token in an error": "eyJhbGciOiJIUzI1NiJ9" + ".eyJzdWIiOiJwbGFudGVkIn0." + "PlAnTeDsignature0123456789",
    "the provider's key": "planted-provider-key-with-no-form",
}
P = dict(
    zip(
        ("aws", "pem", "url", "word", "split", "long", "pay", "bearer", "answer", "story", "jwt", "own"),
        PLANTED.values(),
        strict=True,
    )
)
PEM = f"-----BEGIN OPENSSH PRIVATE KEY-----\n{KEY_BODY}\n{KEY_BODY[::-1]}\n-----END OPENSSH PRIVATE KEY-----"
CONFIG = f"""aws = "{P["aws"]}"
database = "postgres://till:{P["url"]}@db/till"
db_password = "{P["word"]}"
key = \"\"\"{PEM}\"\"\"
"""
LEAK = f"""import sys, time
first, rest = {P["split"][:9]!r}, {P["split"][9:]!r}
sys.stdout.write(first); sys.stdout.flush(); time.sleep(0.2); print(rest)
print("x" * 70000, {P["long"]!r}, {P["own"]!r})
"""
CI = f'import sys\nprint("charge with {P["pay"]}")\nprint("Authorization: Bearer {P["bearer"]}")\n'


def leaking() -> list[Rule]:
    """Reads the settings, prints everything, and says a key of its own."""
    when = {"contains": ["Carry the task out now."], "without": ["CI did not pass"]}
    calls = [
        {"name": "read_file", "arguments": {"path": "settings.py", "first_line": 5, "last_line": 6}},
        {"name": "search_code", "arguments": {"text": "postgres"}},
        {"name": "run_command", "arguments": {"command": "cat settings.py; python3 leak.py"}},
        {"name": "run_command", "arguments": {"command": "s'u'do cat /etc/shadow"}},
        {"name": "write_file", "arguments": {"path": "till/basket.py", "content": RIGHT}},
        {"name": "git_commit", "arguments": {"message": f"Round per line\n\nDone with {P['answer']}"}},
        handing_in(
            f"Done with {P['answer']}",
            f"By {P['split']}, so that\nAuthorization: Bearer {P['bearer']}",
        ),
    ]
    return [
        {"when": {**when, "turns": turn}, "reply": {"text": f"I use {P['answer']}.", "tool_calls": [call]}}
        for turn, call in enumerate(calls)
    ]


@pytest.fixture
def provider_key() -> Iterator[None]:
    before = settings.LLM_API_KEY
    settings.LLM_API_KEY = P["own"]
    keep_secret(P["own"])
    yield
    settings.LLM_API_KEY = before


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """What the process logs, through the handler that the settings give it."""
    handlers = [one for one in logging.getLogger().handlers if type(one) is logging.StreamHandler]
    assert len(handlers) == 1
    stream = io.StringIO()
    before = handlers[0].setStream(stream)
    yield stream
    handlers[0].setStream(before)


def test_planted_secrets_are_nowhere(
    tenant: TestTenant, services: Services, provider_key: None, log: io.StringIO
) -> None:
    files = {**files_of(DEMO / "till"), "settings.py": CONFIG.encode(), "leak.py": LEAK.encode()}
    files["ci.py"] = CI.encode() + files["ci.py"]
    world = World.build(tenant, "TILL", files, "python3 ci.py")
    with tenant_scope(tenant.schema):
        _, key = create_api_key(actor=tenant.actor("admin"), name="ours", scopes=["api:read", "api:write"])
    story: dict[str, Any] = {
        "title": "Round VAT on each line of a basket",
        "brief": f"VAT is rounded once. Ask the bot with {P['story']} and password: {P['word']}. Our key is {key}.",
        "acceptance": ["Given two lines of 333 pence, when the total is taken, then it is 800 pence"],
    }
    script = [*planning(), *leaking(), *verdicts(feedback=f"It is fine, see {P['answer']}.")]
    with scripted_model(script) as model:
        made = world.story(**story)
        world.settle()
        asked = "\n".join(model.asked)
    logger = logging.getLogger("tests.planted")
    error = Invalid(f"the token {P['jwt']} is no good", fields={"token": [P["jwt"]]}, given=P["jwt"])
    assert P["jwt"] not in f"{error} {error.fields} {error.extra}"
    try:
        raise RuntimeError(f"{P['jwt']} broke it")
    except RuntimeError:
        logger.exception("it broke at %s with %s", P["aws"], {"password": P["word"]}, extra={"token": P["jwt"]})
    logger.error('{"level": "error", "db_password": "%s", "url": "redis://:%s@cache/0"}', P["word"], P["url"])
    needles = {**PLANTED, "an API key that was given out": key}

    with tenant_scope(tenant.schema):
        assert Run.objects.filter(kind="work", state="succeeded").exists(), Run.objects.values(
            "kind", "state", "reason"
        )
        assert MARK in json.dumps(list(RunStep.objects.values_list("response", flat=True)))
        assert any(MARK in text for text in RunLog.objects.values_list("text", flat=True))
        assert MARK in CIRun.objects.latest("pk").log
        made.refresh_from_db()
        assert made.brief.count(MARK) == 3
        assert ChangeRequest.objects.count() == 1
        broken = Violation.objects.get()
        assert (broken.kind, broken.effect, broken.agent) == ("command", "blocked", "agent:mason")
    places = {
        "what models were asked": asked,
        "the database": dumped(),
        "Redis": kept_in_redis(),
        "the process' log": log.getvalue(),
        "the servers' logs": "".join(path.read_text(errors="replace") for path in services.folder.glob("*.log")),
        **pages_and_answers(world, made.reference, key),
    }
    assert "it broke at" in places["the process' log"]
    found = [f"{what} in {place}" for place, text in places.items() for what, value in needles.items() if value in text]
    assert not found
    assert P["aws"] in world.text("settings.py"), "what was in the repository itself stays there"


def dumped() -> str:
    """The rows of every table in every schema, as text."""
    # Most tables of the many tenants of a test run are empty, and pg_dump takes its time for those as well.
    filled = (
        "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'm')"
        " AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND pg_relation_size(c.oid) > 0"
    )
    rows = sql.SQL("SELECT string_agg(every_row::text, chr(10)) FROM {} every_row")
    told = []
    with psycopg.connect(settings.DATABASE_ADMIN_URL) as db:
        db.execute("SET row_security = off")  # an error where not all rows would come
        for place in db.execute(filled).fetchall():
            row = db.execute(rows.format(sql.Identifier(*place))).fetchone()
            if row is not None and row[0] is not None:
                told.append(f"{'.'.join(place)}\n{row[0]}")
    found = "\n".join(told)
    assert "evidence.audit_payload" in found
    assert "gpu_workers_runstep" in found
    return found


def kept_in_redis() -> str:
    """All keys with all their values."""
    client = redis.Redis.from_url(settings.REDIS_URL)
    read: dict[Any, Any] = {
        b"string": client.get,
        b"hash": client.hgetall,
        b"set": client.smembers,
        b"list": lambda key: client.lrange(key, 0, -1),
        b"zset": lambda key: client.zrange(key, 0, -1),
        b"none": lambda key: "expired while it was read",
    }
    with client:
        return "\n".join(f"{key!r} {read[client.type(key)](key)!r}" for key in client.scan_iter(count=1000))


def pages_and_answers(world: World, story: str, key: str) -> dict[str, str]:
    browser: Browser = signed_in(world.tenant, world.tenant.member("admin"))
    with tenant_scope(world.tenant.schema):
        runs = list(Run.objects.values_list("number", flat=True))
        change = ChangeRequest.objects.get().number
        ci = CIRun.objects.latest("pk").pk
    pages = ["/", f"/stories/{story}/", f"/stories/{story}/edit/", "/approvals/", "/violations/", "/violations/1/"]
    pages += [f"/tasks/{story}.1/", *(f"/runs/{number}/{part}" for number in runs for part in ("", "log/"))]
    calls = [f"stories/{story}/", "audit/?limit=200", "violations/", f"changes/{change}/", f"ci-runs/{ci}/"]
    calls += [f"runs/{number}/{part}" for number in runs for part in ("", "log/")]
    told = {}
    for page in pages:
        answer = browser.get(page)
        assert answer.status_code == 200, (page, answer.status_code)
        told[page] = answer.content.decode()
    client = program(world.tenant, key)
    for call in calls:
        answer = client.get(f"/api/v1/{call}")
        assert answer.status_code == 200, (call, answer.content)
        told[call] = answer.content.decode()
    refused = client.get("/api/v1/approvals/", {"state": P["aws"]})
    assert refused.status_code == 422
    told["a refusal"] = refused.content.decode()
    missing = browser.get(f"/stories/{P['aws']}/")
    told["a page that is not there"] = missing.content.decode()
    return told
