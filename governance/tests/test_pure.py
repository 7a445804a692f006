"""Pricing, scoring, bindings, autonomy and the policy document: no service needed."""

import itertools
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance.autonomy import DRAFTING, TABLE, ActionClass, Autonomy, Environment, Risk, Verdict, decide
from governance.binding import binding_hash
from governance.policies.document import PolicyDocument
from governance.policies.document_sections import Files
from governance.policies.document_text import PolicyError, parse_policy
from governance.pricing import UnitPrices, Usage, cost, worst_case
from governance.scopes import Scope, ScopeKind, owned_by
from governance.scoring import PermissionLevel, ReputationKind, fold, is_restricted, level_of

pytestmark = pytest.mark.unit

DEFAULT = (Path(__file__).parents[1] / "policies" / "default.yaml").read_text()
PRICES = UnitPrices(Decimal("0.15"), Decimal("0.60"), Decimal("0.075"))


@pytest.fixture(scope="module")
def policy() -> PolicyDocument:
    return parse_policy(DEFAULT)


def test_cost_is_tokens_times_price_to_the_ten_billionth() -> None:
    assert cost(Usage(1000, 500, 200), PRICES) == Decimal("0.000435")
    assert cost(Usage(1, 0), PRICES) == Decimal("0.00000015")
    assert cost(Usage(0, 0), PRICES) == 0


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.data())
def test_the_worst_case_is_never_below_the_cost(prompt: int, answer: int, data: st.DataObject) -> None:
    usage_in = data.draw(st.integers(0, prompt))
    usage = Usage(usage_in, data.draw(st.integers(0, answer)), data.draw(st.integers(0, usage_in)))
    prices = UnitPrices(*(data.draw(st.decimals(0, 100, places=6)) for _ in range(3)))
    assert worst_case(prompt, answer, prices) >= cost(usage, prices)


@pytest.mark.parametrize("price", ["-1", "NaN", "Infinity"])
def test_a_price_is_a_number_of_at_least_nothing(price: str) -> None:
    with pytest.raises(ValueError, match="tokens_out"):
        UnitPrices(Decimal(1), Decimal(price), Decimal(1))


@pytest.mark.parametrize("tokens", [(-1, 0, 0), (0, -1, 0), (1, 0, 2)])
def test_impossible_token_counts_are_refused(tokens: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="token"):
        Usage(*tokens)


def test_a_cost_has_one_owner_of_each_kind() -> None:
    task, other = Scope(ScopeKind.TASK, "A-1.1"), Scope(ScopeKind.TASK, "A-1.2")
    assert owned_by([task, Scope(ScopeKind.RUN, "7"), task])["task"] == "A-1.1"
    with pytest.raises(ValueError, match="two scopes of one kind"):
        owned_by([task, other])


@pytest.mark.parametrize(
    ("score", "level"),
    [
        (0, "sandbox_only"),
        (89, "sandbox_only"),
        (90, "staging_access"),
        (129, "staging_access"),
        (130, "prod_low_risk"),
        (159, "prod_low_risk"),
        (160, "prod_full_access"),
    ],
)
def test_levels_begin_where_the_policy_says(score: int, level: str) -> None:
    assert level_of(score) == level


def test_reputation_starts_at_100_never_falls_below_0_and_restricts_below_50() -> None:
    assert fold([]) == 100
    assert fold([-20] * 9) == 0
    assert fold([-200, 10]) == 10
    assert (is_restricted(49), is_restricted(50)) == (True, False)


def test_a_changed_byte_changes_the_binding_and_order_does_not() -> None:
    binding = {"commit_sha": "ab" * 20, "checks": ["ci", "qa"], "policy_version": 3}
    assert binding_hash(binding) == binding_hash(dict(reversed(binding.items())))
    for other in (
        {**binding, "commit_sha": "ab" * 19 + "ac"},
        {**binding, "checks": ["qa", "ci"]},
        {**binding, "x": None},
    ):
        assert binding_hash(binding) != binding_hash(other)
    with pytest.raises(ValueError, match="whole numbers"):
        binding_hash({"usd": 0.1})


def _expected(action: ActionClass, level: Autonomy, risk: Risk, *, restricted: bool, evidence: bool) -> Verdict:
    if level == Autonomy.MANUAL:
        return Verdict.REFUSE
    if restricted:
        return Verdict.ASK
    if level == Autonomy.ASSISTED:
        return Verdict.ALLOW if action == ActionClass.READ else Verdict.ASK
    if action.value in {"read", "write_workspace", "test", "commit", "open_change_request"}:
        return Verdict.ALLOW
    return Verdict.ALLOW if level == Autonomy.AUTOPILOT and risk != Risk.HIGH and evidence else Verdict.ASK


SHIPPED = """
                       workspace  staging    production
read                   1 2 3 3    0 2 3 3    0 1 3 3
write_workspace        1 2 3 3    0 2 3 3    0 1 3 3
test                   1 2 3 3    0 2 3 3    0 1 3 3
commit                 1 2 3 3    0 2 3 3    0 1 3 3
open_change_request    1 2 3 3    0 2 3 3    0 1 3 3
merge                  1 2 3 3    0 2 3 3    0 1 3 3
deploy                 1 2 3 3    0 2 3 3    0 1 3 3
change_infrastructure  1 2 3 3    0 2 3 3    0 1 2 3
access_secret          1 2 3 3    0 2 3 3    0 1 2 3
use_network            1 2 3 3    0 2 3 3    0 1 3 3
change_data            1 2 3 3    0 2 3 3    0 1 2 3
"""
"""What the requirement says of each level where it was earned for, and what was decided of the environments above it:
sandbox_only, staging_access, prod_low_risk and prod_full_access in each of them. Written out, not computed."""


def _shipped() -> dict[tuple[str, str, str], int]:
    header, *rows = SHIPPED.strip().splitlines()
    levels = ("sandbox_only", "staging_access", "prod_low_risk", "prod_full_access")
    columns = [(level, environment) for environment in header.split() for level in levels]
    return {
        (action, *column): int(cell)
        for action, *cells in map(str.split, rows)
        for column, cell in zip(columns, cells, strict=True)
    }


def test_the_shipped_table_is_the_one_that_is_written_out_here() -> None:
    assert _shipped() == {tuple(map(str, cell)): highest.value for cell, highest in TABLE.items()}


def test_every_combination_of_autonomy() -> None:
    table = _shipped()
    seen = set()
    for action, level, environment, strategy, cap, policy_cap, risk, restricted, evidence in itertools.product(
        ActionClass, PermissionLevel, Environment, Autonomy, Autonomy, Autonomy, Risk, (False, True), (False, True)
    ):
        decision = decide(
            action,
            level=level,
            environment=environment,
            strategy=strategy,
            agent_cap=cap,
            policy_cap=policy_cap,
            risk=risk,
            restricted=restricted,
            evidence_complete=evidence,
        )
        autonomy = min(Autonomy(table[action, level, environment]), strategy, cap, policy_cap)
        assert decision.autonomy == autonomy
        assert decision.verdict == _expected(action, autonomy, risk, restricted=restricted, evidence=evidence)
        assert decision.reason
        seen.add(decision.verdict)
    assert seen == set(Verdict)


def test_the_table_covers_everything_and_gives_what_was_shipped() -> None:
    assert len(TABLE) == len(ActionClass) * len(PermissionLevel) * len(Environment)
    own = {level: TABLE[ActionClass.COMMIT, level, Environment.WORKSPACE].value for level in PermissionLevel}
    assert own == {"sandbox_only": 1, "staging_access": 2, "prod_low_risk": 3, "prod_full_access": 3}
    for action in ActionClass:
        assert TABLE[action, PermissionLevel.SANDBOX_ONLY, Environment.PRODUCTION] == Autonomy.MANUAL
        assert TABLE[action, PermissionLevel.STAGING_ACCESS, Environment.PRODUCTION] <= Autonomy.ASSISTED
        for environment in Environment:
            by_level = [TABLE[action, level, environment] for level in PermissionLevel]
            assert by_level == sorted(by_level), "a better reputation never gives less"


def test_a_new_agent_drafts_unasked_and_does_nothing_more() -> None:
    for action in ActionClass:
        decision = decide(
            action,
            level=level_of(100),
            environment=Environment.WORKSPACE,
            strategy=Autonomy.SUPERVISED,
            agent_cap=Autonomy.AUTOPILOT,
            policy_cap=Autonomy.AUTOPILOT,
        )
        assert (decision.verdict == Verdict.ALLOW) == (action in DRAFTING)


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("docs/faq.md", True),
        ("src/app.py", True),
        (".git/hooks/pre-commit", False),
        ("vendored/.git/config", False),
        (".GIT/config", False),
        (".env", False),
        ("deploy/.env.production", False),
        ("../outside.txt", False),
        ("docs/../../outside.txt", False),
        ("/etc/passwd", False),
        ("keys/server.pem", False),
    ],
)
def test_which_files_the_shipped_policy_lets_agents_write(policy: PolicyDocument, path: str, allowed: bool) -> None:
    assert policy.may_touch(path) is allowed


@pytest.mark.parametrize(
    ("glob", "path", "fits"),
    [
        ("Makefile", "Makefile", True),
        ("Makefile", "makefile", False),
        ("Makefile", "sub/Makefile", False),
        ("**/Makefile", "Makefile", True),
        ("src/**/x", "src/x", True),
        ("src/**/x", "src/a/b/x", True),
        ("src/**/x", "src/ax", False),
        ("Payments/**", "Payments/a/b.py", True),
        ("Payments/**", "payments/a.py", False),
        ("**/.env", "line\nend/.env", True),
        ("a**/b", "ab", False),
        ("*.py", "a.py\n", False),
    ],
)
def test_globs_allow_as_written_and_deny_whatever_the_case(glob: str, path: str, fits: bool) -> None:
    assert Files(allow=[glob], deny=[]).may_touch(path) is fits
    denying = Files(allow=["**"], deny=[glob])
    for spelling in (path, path.upper(), path.lower()):
        denied = fits or path.lower() == glob.lower() or (glob, path) == ("Payments/**", "payments/a.py")
        assert denying.may_touch(spelling) is not denied
        assert denying.may_see(spelling) is not denied


def test_what_is_not_allowed_may_be_read_and_a_link_for_a_denied_folder_may_not() -> None:
    files = Files(allow=["docs/**"], deny=["docs/Private/**"])
    assert [files.may_see("src/app.py"), files.may_touch("src/app.py")] == [True, False]
    assert [files.may_see("docs/private"), files.may_touch("docs/private")] == [False, False]
    assert not Files(allow=[], deny=[]).may_touch("a")


@pytest.mark.parametrize(
    ("command", "denied"),
    [
        ("python -m pytest -q", False),
        ("rm -rf build", False),
        ("rm -rf /", True),
        ("cd x && rm -r -f ~", True),
        ("sudo make install", True),
        ("git push origin main", True),
        ("git config core.hooksPath evil", True),
        (":(){ :|:& };:", True),
    ],
)
def test_which_commands_the_shipped_policy_denies(policy: PolicyDocument, command: str, denied: bool) -> None:
    assert (policy.denied_command(command) is not None) is denied


def test_risk_is_the_highest_of_labels_and_files(policy: PolicyDocument) -> None:
    assert policy.risk_of(["docs"], ["docs/faq.md"]) == Risk.LOW
    assert policy.risk_of(["docs"], ["shop/migrations/0002_x.py"]) == Risk.HIGH
    assert policy.risk_of(["docs", "payment"], []) == Risk.HIGH
    assert policy.risk_of([], ["src/app.py"]) == Risk.MEDIUM


def test_a_role_gets_its_tools_and_an_unknown_one_none(policy: PolicyDocument) -> None:
    assert "write_file" in policy.tools_of("developer")
    assert "write_file" not in policy.tools_of("architect")
    assert "read_file" in policy.tools_of("architect")
    assert policy.tools_of("all") == policy.tools_of("stranger") == frozenset()


def test_every_reputation_event_but_decay_and_a_hand_made_one_has_a_weight(policy: PolicyDocument) -> None:
    assert set(policy.reputation) == set(ReputationKind) - {ReputationKind.ADJUSTED, ReputationKind.DECAY}


@pytest.mark.parametrize(
    ("find", "put", "line", "message"),
    [
        ("highest: 3", "highest: 9", "  highest: 9", "autonomy.highest"),
        ("unlabelled: medium", "unlabelled: huge", "  unlabelled: huge", "risk.unlabelled"),
        ("merge: [product_owner]", "merge: [stranger]", "    merge: [stranger]", "approvals.roles.merge.0"),
        ("  - {scope: task,", "  - {scope: planet,", "  - {scope: planet,", "budgets.2.scope"),
        ("quorum:", "quorums:", "  quorums:", "approvals.quorums"),
    ],
)
def test_a_policy_error_names_its_line(find: str, put: str, line: str, message: str) -> None:
    text = DEFAULT.replace(find, put, 1)
    number = next(n for n, content in enumerate(text.splitlines(), 1) if content.startswith(line))
    with pytest.raises(PolicyError) as error:
        parse_policy(text)
    assert (number, message) in [(where, what.split(":")[0]) for where, what in error.value.problems]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", 1),
        ("format: 1\nfiles: [", 2),
        (DEFAULT + "\nformat: 1\n", DEFAULT.count("\n") + 2),
        ("- a\n", 1),
        (f"format: 1\n? 0x{'f' * 5000}\n: 1\n", 2),
    ],
    ids=["empty", "cut", "key given twice", "a list", "an endless number"],
)
def test_what_is_not_a_policy_is_refused_with_its_line(text: str, line: int) -> None:
    with pytest.raises(PolicyError) as error:
        parse_policy(text)
    assert error.value.problems[0][0] in (line, line + 1)
