"""What another policy would have said to recorded actions; what counts as loosening; caps; hostile YAML."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import product
from pathlib import Path

import pytest

from governance.autonomy import TABLE, ActionClass, Autonomy, Environment, Risk, Verdict, decide
from governance.policies.change import locks_out, loosened
from governance.policies.document import PolicyDocument
from governance.policies.document_text import MAX_CHARS, PolicyError, decode_policy, parse_policy
from governance.scoring import PermissionLevel
from governance.simulation import Recorded, RecordedKind, Replay, Standing, simulate

pytestmark = pytest.mark.unit

DEFAULT = (Path(__file__).parents[1] / "policies" / "default.yaml").read_text()
AT = datetime(2026, 11, 20, 10, 5, tzinfo=UTC)
STANDING = Standing(PermissionLevel.STAGING_ACCESS)
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


def test_money_adds_up_in_its_window_and_the_order_given_does_not_matter() -> None:
    calls = [replace(CALL, at=AT + timedelta(minutes=number), ref=f"run:{number}") for number in range(3)]
    forward, backward = (simulate(policy(), policy(), given) for given in (calls, calls[::-1]))
    assert forward == backward
    assert forward.asked == 2, "0.60 and 0.90 USD are above a task's 0.50"
    replay = Replay(policy())
    assert replay.answer(replace(CALL, owners=())).verdict == Verdict.ALLOW


@pytest.mark.parametrize(
    ("find", "put", "loosens"),
    [
        ('allow: ["**"]', 'allow: ["docs/**"]', True),
        ("highest: 3", "highest: 2", False),
        ("threshold: 0.70", "threshold: 0.69", True),
        ("threshold: 0.70", "threshold: 0.71", False),
        ('{scope: tenant, window: day, usd: "10"}', '{scope: tenant, window: day, usd: "11"}', True),
        ("  allow: []", "  allow: [example.org]", True),
        ("    migrations: high\n", "", True),
        ("high: 2}", "high: 1}", True),
        ("steps: 150", "steps: 151", True),
        ("    - '\\b(sudo|su|doas)\\b'\n", "", True),
        ("  qa: [run_tests", "  qa: [write_file, run_tests", True),
    ],
)
def test_what_counts_as_loosening(find: str, put: str, loosens: bool) -> None:
    assert bool(loosened(policy(), policy((find, put)))) is loosens


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
