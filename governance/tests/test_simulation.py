"""What another policy would have said to recorded actions; what counts as loosening; caps; hostile YAML."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import product
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

import pytest
from pydantic import BaseModel

from governance.autonomy import TABLE, ActionClass, Autonomy, Environment, Risk, Verdict, decide
from governance.policies.change import locks_out, loosened, risk_of_change
from governance.policies.document import PolicyDocument
from governance.policies.document_text import MAX_CHARS, PolicyError, decode_policy, parse_policy
from governance.recorded import Recorded, RecordedKind, Standing
from governance.scoring import PermissionLevel
from governance.simulation import Replay, simulate

pytestmark = pytest.mark.unit

DEFAULT = (Path(__file__).parents[1] / "policies" / "default.yaml").read_text()
AT = datetime(2026, 11, 20, 10, 5, tzinfo=UTC)
STANDING = Standing(PermissionLevel.STAGING_ACCESS)
FREEZE = '{starts: "2026-12-23 16:00", ends: "2027-01-02 08:00", time_zone: Europe/London, reason: Christmas}'
WEEKLY = "{starts: fri 16:00, ends: mon 08:00, time_zone: Europe/London, reason: Nobody is here.}"
STRICTER = {
    "files.allow": 'allow: ["**"]',
    "secrets.ask": "  ask: []",
    "approvals.quorum.low": "low: 1, ",
    "approvals.quorum.medium": "medium: 1, ",
    "autonomy.highest": "highest: 3\n",
    "autonomy.table[].action": "table: []",
    "autonomy.table[].level": "table: []",
    "autonomy.table[].environment": "table: []",
    "autonomy.table[].highest": "table: []",
    "release.freezes[]": "freezes: []",
    "release.weekly_freezes[]": "weekly_freezes: []",
    "release.locks[]": "locks: []",
    "release.approvers[]": "approvers: []",
}
"""Where what is shipped is loose already: what stands there, in place of which the stricter text is written."""
ONE_FOR_ANOTHER = {
    "files.allow", "risk.files[].pattern", "budgets[].scope", "budgets[].window", "violations.patterns[].name",
    "violations.patterns[].places", "violations.patterns[].pattern", "violations.patterns[].stops", "release.checks[]",
    "release.approvers[]", "councils.seats",
}  # fmt: skip
"""Where neither text holds all that the other one held back: to change it is to loosen it, whichever way."""
WRITE = Recorded(
    RecordedKind.TOOL_CALL, AT, "run:1", "write_file docs/faq.md", "developer", STANDING, ActionClass.WRITE_WORKSPACE,
    "write_file", paths=("docs/faq.md",),
)  # fmt: skip
RUN = replace(WRITE, effect=ActionClass.TEST, tool="run_command", command="make check", paths=())
CALL = Recorded(
    RecordedKind.MODEL_CALL, AT, "run:1", "Call", model="m", cost=Decimal("0.30"), tokens=900, owners=(("task", "A.1"),)
)
CHANGE = replace(WRITE, kind=RecordedKind.CHANGE, effect=ActionClass.OPEN_CHANGE_REQUEST, confidence=Decimal("0.75"))
APPROVAL = Recorded(RecordedKind.APPROVAL, AT, "approval:1", "Merge", risk=Risk.MEDIUM, yes=1)
MERGE = replace(APPROVAL, asked="merge", environment="shop:main", done_at=AT)


def policy(*changes: tuple[str, str]) -> PolicyDocument:
    text = DEFAULT
    for find, put in changes:
        assert find in text
        text = text.replace(find, put, 1)
    return parse_policy(text)


@pytest.mark.parametrize(
    ("action", "change", "verdict", "said"),
    [
        (WRITE, ("    - write_file\n", ""), Verdict.REFUSE, "does not give write_file"),
        (WRITE, ('    - ".gitmodules"', '    - "docs/**"'), Verdict.REFUSE, "docs/faq.md must not"),
        (WRITE, ("highest: 3", "highest: 1"), Verdict.ASK, "proposes"),
        (WRITE, ("table: []", "table: [{action: write_workspace, highest: 0}]"), Verdict.REFUSE, "people do this"),
        (RUN, ("'\\bmkfs(\\.\\w+)?\\b'", "'\\bmake\\b'"), Verdict.REFUSE, "denied"),
        (RUN, ("  patterns:\n", "  patterns:\n    - {name: no_make, places: [command], pattern: make}\n"),
         Verdict.REFUSE, "no_make"),
        (CALL, ('window: total, usd: "0.50"', 'window: total, usd: "0.20"'), Verdict.ASK, "0.20 USD"),
        (CALL, ("tokens_per_minute: 200000", "tokens_per_minute: 800"), Verdict.REFUSE, "800 tokens"),
        (CHANGE, ("threshold: 0.70", "threshold: 0.80"), Verdict.ASK, "0.75 is below 0.8"),
        (CHANGE, ("change_requests_per_hour: 10", "change_requests_per_hour: 0"), Verdict.REFUSE, "in an hour"),
        (APPROVAL, ("medium: 1", "medium: 2"), Verdict.ASK, "needs 2 people"),
        (MERGE, ("approvers: []", "approvers: [{count: 3}]"), Verdict.ASK, "needs 3 people"),
        (MERGE, ("locks: []", 'locks: [{environments: ["shop:*"], reason: It is broken.}]'), Verdict.REFUSE, "is broken"),
        (MERGE, ("weekly_freezes: []", "weekly_freezes: [{starts: thu 00:00, ends: sat 00:00, time_zone: UTC, reason: Sales}]"),
         Verdict.REFUSE, "Sales"),
    ],
)  # fmt: skip
def test_an_action_that_another_policy_answers_otherwise(
    action: Recorded, change: tuple[str, str], verdict: Verdict, said: str
) -> None:
    found = simulate(policy(), policy(change), [action])
    (difference,) = found.differences
    assert difference.before.verdict == Verdict.ALLOW
    assert difference.after.verdict == verdict
    assert said in difference.after.reason
    assert difference.stricter
    assert (found.blocked, found.asked) == ((1, 0) if verdict == Verdict.REFUSE else (0, 1))
    back = simulate(policy(change), policy(), [action])
    assert (back.blocked, back.asked, back.changed) == (0, 0, 1)


def test_hosts_are_replayed_as_network_says() -> None:
    calls = [
        replace(WRITE, role="qa", tool="http_request", paths=(), effect=ActionClass.READ, host=("example.org", port))
        for port in (443, 80)
    ]
    found = simulate(policy(("  allow: []", '  allow: ["example.org:443"]')), policy(), calls)
    assert (found.blocked, found.changed) == (2, 1)
    assert found.differences[0].after.reason == "agents may not reach example.org:443"


def test_money_adds_up_in_its_window_and_the_order_given_does_not_matter() -> None:
    calls = [replace(CALL, at=AT + timedelta(minutes=number), ref=f"run:{number}") for number in range(3)]
    forward, backward = (simulate(policy(), policy(), given) for given in (calls, calls[::-1]))
    assert forward == backward
    assert forward.asked == 2, "0.60 and 0.90 USD are above a task's 0.50"
    replay = Replay(policy())
    assert replay.answer(replace(CALL, owners=())).verdict == Verdict.ALLOW


LOOSER: dict[str, tuple[str, str]] = {
    "files.allow": ('allow: ["docs/**"]', 'allow: ["**"]'),
    "files.deny": ('    - ".gitmodules"\n', ""),
    "network.allow": ("  allow: []", "  allow: [example.org]"),
    "secrets.ask": ("  ask: [database]", "  ask: []"),
    "commands.deny": ("    - '\\b(sudo|su|doas)\\b'\n", ""),
    "tools": ("  qa: [run_tests", "  qa: [write_file, run_tests"),
    "risk.unlabelled": ("unlabelled: medium", "unlabelled: low"),
    "risk.labels": ("    migrations: high\n", ""),
    "risk.files[].pattern": ('"**/migrations/**"', '"**/migrations/*.py"'),
    "risk.files[].risk": ('"**/migrations/**", risk: high', '"**/migrations/**", risk: low'),
    "approvals.quorum.low": ("low: 2, ", "low: 1, "),
    "approvals.quorum.medium": ("medium: 2, ", "medium: 1, "),
    "approvals.quorum.high": ("high: 2}", "high: 1}"),
    "approvals.expires_hours": ("expires_hours: 24", "expires_hours: 25"),
    "approvals.unexecuted_alarm_minutes": ("alarm_minutes: 15", "alarm_minutes: 16"),
    "approvals.roles": ("secret_access: [admin, devops]", "secret_access: [admin, devops, qa]"),
    "autonomy.highest": ("highest: 2\n", "highest: 3\n"),
    "autonomy.table[].action": ("table: [{action: merge, highest: 1}]", "table: []"),
    "autonomy.table[].level": ("table: [{level: prod_low_risk, highest: 1}]", "table: []"),
    "autonomy.table[].environment": ("table: [{environment: staging, highest: 1}]", "table: []"),
    "autonomy.table[].highest": ("table: [{highest: 1}]", "table: [{highest: 2}]"),
    "confidence.threshold": ("threshold: 0.70", "threshold: 0.69"),
    "budgets[].scope": ('{scope: task, window: total, usd: "0.50"}', '{scope: run, window: total, usd: "0.50"}'),
    "budgets[].window": ('{scope: task, window: total, usd: "0.50"}', '{scope: task, window: day, usd: "0.50"}'),
    "budgets[].usd": ('window: day, usd: "10"}', 'window: day, usd: "11"}'),
    "rate_limits.change_requests_per_hour": ("change_requests_per_hour: 10", "change_requests_per_hour: 11"),
    "rate_limits.agent_runs_per_day": ("agent_runs_per_day: 100", "agent_runs_per_day: 101"),
    "rate_limits.tokens_per_minute": ("tokens_per_minute: 200000", "tokens_per_minute: 200001"),
    "rate_limits.repeats": ("repeats: 3", "repeats: 4"),
    "violations.patterns[].name": ("name: leaves_workspace, ", "name: leaves_it, "),
    "violations.patterns[].places": ("places: [command], pattern: '(/etc", "places: [output], pattern: '(/etc"),
    "violations.patterns[].pattern": ("(/etc/shadow|", "("),
    "violations.patterns[].stops": ("netrc)', stops: true}", "netrc)'}"),
    "violations.stop_after": ("stop_after: 3", "stop_after: 0"),
    "reputation": ("violation: -20", "violation: 1000"),
    "runs.fixer_rounds": ("fixer_rounds: 3", "fixer_rounds: 4"),
    "runs.steps": ("steps: 150", "steps: 151"),
    "runs.minutes": ("minutes: 30\n", "minutes: 31\n"),
    "runs.tokens": ("tokens: 1000000", "tokens: 1000001"),
    "release.freezes[]": (f"freezes: [{FREEZE}]", "freezes: []"),
    "release.weekly_freezes[]": (f"weekly_freezes: [{WEEKLY}]", "weekly_freezes: []"),
    "release.locks[]": ('locks: [{environments: ["*"], reason: It is broken.}]', "locks: []"),
    "release.checks[]": ("require: [ci, review, tests]}\n", "require: [ci, review]}\n"),
    "release.approvers[]": ("approvers: [{count: 3}]", "approvers: [{count: 2}]"),
    "councils.seats": ("seats: [architect, developer, qa]", "seats: [developer, developer, qa]"),
    "councils.held_on": ("held_on: [plan]", "held_on: []"),
    "councils.approved_from": ("approved_from: 3", "approved_from: 0"),
}
"""For each key of the schema a text of a policy, and what stands in its place in a looser one."""


def keys_of(model: type[BaseModel], before: str = "") -> set[str]:
    """Every key of a section, in full; those of a release control's rules count as the rule."""
    found = set()
    for name, field in model.model_fields.items():
        path, many = f"{before}{name}", False
        inner: Any = field.annotation
        while get_origin(inner) in (list, Annotated):
            many |= get_origin(inner) is list
            inner = get_args(inner)[0]
        section = isinstance(inner, type) and issubclass(inner, BaseModel)
        if many and section:
            path += "[]"
        if section and not before.startswith("release."):
            found |= keys_of(inner, f"{path}.")
        else:
            found.add(path)
    return found


@pytest.mark.parametrize("key", sorted(keys_of(PolicyDocument) - {"format"}))
def test_whatever_the_schema_knows_can_be_loosened_and_that_is_seen(key: str) -> None:
    find, put = LOOSER[key]
    shipped = STRICTER.get(key)
    strict = policy((shipped, find)) if shipped else policy()
    loose = policy((shipped, put)) if shipped else policy((find, put))
    assert loosened(strict, loose), key
    assert risk_of_change(strict, loose) is Risk.HIGH
    if key not in ONE_FOR_ANOTHER:
        assert not loosened(loose, strict), key


def test_the_table_of_looser_policies_names_nothing_else() -> None:
    assert set(LOOSER) == keys_of(PolicyDocument) - {"format"}


def test_a_policy_lowers_every_cell_and_raises_none() -> None:
    capped = policy(("table: []", "table: [{level: prod_full_access, environment: production, highest: 2}]"))
    for action, level, environment, strategy in product(ActionClass, PermissionLevel, Environment, Autonomy):
        cap = capped.autonomy_cap(action, level, environment)
        touched = (level, environment) == (PermissionLevel.PROD_FULL_ACCESS, Environment.PRODUCTION)
        assert cap == (Autonomy.SUPERVISED if touched else Autonomy.AUTOPILOT)
        decision = decide(
            action,
            level=level,
            environment=environment,
            strategy=strategy,
            agent_cap=Autonomy.AUTOPILOT,
            policy_cap=cap,
        )
        assert decision.autonomy == min(TABLE[action, level, environment], strategy, cap)
    with pytest.raises(PolicyError, match="only lower the shipped table"):
        policy(("table: []", "table: [{level: sandbox_only, highest: 2}]"))


def test_people_who_could_decide_are_counted_without_authors_and_clients() -> None:
    people = {"a": frozenset({"admin"}), "b": frozenset({"admin", "client"}), "c": frozenset({"qa"})}
    nobody = policy(("policy_change: [admin, product_owner]", "policy_change: [qa, admin]"))
    assert locks_out(policy(), nobody, people) == ""
    assert "away from admins" in locks_out(
        policy(), policy(("policy_change: [admin, product_owner]", "policy_change: [qa]")), people
    )


BOMB = "a: &a [x, x]\n" + "".join(
    f"{chr(98 + n)}: &{chr(98 + n)} [*{chr(97 + n)}, *{chr(97 + n)}]\n" for n in range(20)
)


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        (BOMB, 1, "anchors"),
        (f"format: 1\n<<: *x\n{DEFAULT}", 2, "anchors"),
        ("format: 1\nfiles: !!python/object/apply:os.system [id]\n", 2, "tags"),
        ("[" * 5000, 1, "nested deeper"),
        ("a: {b: {c: {d: {e: {f: {g: {h: {i: {j: {k: {l: {m: 1}}}}}}}}}}}}", 1, "nested deeper"),
        ("- 1\n" * 10_001, 10_000, "at most 10,000 values"),
        ("x" * (MAX_CHARS + 1), 1, "characters"),
        ("format: 1\n\x07", 2, "character"),
        ("format: 1\n\u2028files: 1", 2, "line break"),
        ("format: 1\n? [a, b]\n: 1\n", 2, "one word"),
        ("format: 1\nfiles: 2026-13-45\n", 2, "neither a number nor a date"),
        ("format: 1\ntokens: " + "9" * 5000, 2, "neither a number nor a date"),
        ("format: 1\n---\nformat: 1\n", 2, "document"),
        ("format: 1\n\tfiles: 1\n", 2, ""),
        (DEFAULT.replace("unlabelled: medium", "unlabelled: medium\n  unlabelled: low"), 93, "given twice"),
        (DEFAULT.replace("quorum: {low: 1", "quorum: {low: yes"), 0, "whole number"),
        (DEFAULT.replace("expires_hours: 24", "expires_hours: 24.0"), 0, "whole number"),
        (DEFAULT.replace("threshold: 0.70", "threshold: .nan"), 0, "confidence.threshold"),
        (DEFAULT.replace("    docs: low", "    no: low"), 0, "text"),
        (DEFAULT.replace("'\\bmkfs(\\.\\w+)?\\b'", "'('"), 0, "not a regular expression"),
        (DEFAULT.replace("  allow: []", "  allow: ['http://x']"), 0, "host name"),
    ],
)
def test_hostile_and_wrong_texts_are_refused_with_their_line(text: str, line: int, said: str) -> None:
    with pytest.raises(PolicyError) as error:
        parse_policy(text)
    number, message = error.value.problems[0]
    assert said in message
    if line:
        at = text.split("\n").index("  unlabelled: low") + 1 if "given twice" in said else line
        assert abs(number - at) <= (1 if said == "at most 10,000 values" else 0)
    else:
        changed = [n for n, (a, b) in enumerate(zip(DEFAULT.split("\n"), text.split("\n"), strict=False), 1) if a != b]
        assert number == changed[0]


def test_bytes_that_are_no_utf_8_are_refused_with_their_line() -> None:
    with pytest.raises(PolicyError) as error:
        decode_policy(b"format: 1\nfiles: \xff\n")
    assert error.value.problems == [(2, "this is not UTF-8 text")]


def test_hosts_are_matched_as_names_and_never_as_endings() -> None:
    reach = policy(("  allow: []", "  allow: ['*.example.org', 'api.test:443']"))
    assert reach.may_reach("docs.EXAMPLE.org.", 80)
    assert reach.may_reach("api.test", 443)
    for host, port in (("example.org", 443), ("evilexample.org", 443), ("api.test", 80), ("x.api.test", 443)):
        assert not reach.may_reach(host, port)
