"""What tenants write into policies as patterns and names of tools: it cannot hold a worker up, and typos are named by line."""

from pathlib import Path

import pytest

from governance.policies.document_text import PolicyError, parse_policy
from governance.policies.patterns import first_text, replace, search
from governance.policies.tool_names import register_tool_names, unknown_tool

pytestmark = pytest.mark.unit
DEFAULT = (Path(__file__).parents[1] / "policies" / "default.yaml").read_text()
LONG = 200_000


def line_of(text: str, what: str) -> int:
    return text[: text.index(what)].count("\n") + 1


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (r"(a+)+$", "a" * LONG + "!"),
        (r"(a|aa)+b", "a" * LONG),
        (r"^(\s*\w+\s*)*:", "word " * (LONG // 5)),
        (r"(.*)(.*)(.*)(.*)(.*)x", "y" * LONG),
    ],
)
def test_no_pattern_makes_a_worker_think_for_long(pattern: str, text: str) -> None:
    """With an engine that goes back each of these would take longer than the age of the universe."""
    policy = parse_policy(DEFAULT.replace("deny:\n    - '\\brm", f"deny:\n    - '{pattern}'\n    - '\\brm", 1))
    assert policy.commands.deny[0] == pattern
    assert policy.denied_command(text) is None
    assert replace(pattern, "…", text) == text


@pytest.mark.parametrize("pattern", ["(a)\\1", "a(?=b)", "(?<!a)b", "(", "((a{1,1000}){1,1000}){1,1000}", "a" * 501])
def test_a_pattern_that_cannot_be_matched_in_linear_time_is_named_by_its_line(pattern: str) -> None:
    text = DEFAULT.replace("deny:\n    - '\\brm", f"deny:\n    - '{pattern}'\n    - '\\brm", 1)
    with pytest.raises(PolicyError) as wrong:
        parse_policy(text)
    [(line, message)] = wrong.value.problems
    assert line == line_of(text, f"'{pattern}'")
    assert message.startswith("commands.deny.0: ")


def test_what_is_found_is_taken_out_whatever_the_text_is() -> None:
    assert replace(r"key-\d+", r"\0[x]", "a key-12, é key-3\ud800\n") == r"a \0[x], é \0[x]?" + "\n"
    found = search(r"é\w", "ééa")
    assert found is not None
    assert (found.start(), found.end(), found.group()) == (1, 3, "éa")
    assert search("a.b", "a\nb") is None
    assert search("a.b", "a\nb", across_lines=True)


def test_a_proposed_policy_names_only_tools_that_there_are() -> None:
    text = DEFAULT.replace("    - write_file\n", "    - wirte_file\n    - my_linter\n", 1)
    text = text.replace("  qa: [", "  qa: [zzz, ", 1)
    with pytest.raises(PolicyError) as wrong:
        parse_policy(text, tools=unknown_tool)
    assert wrong.value.problems == [
        (line_of(text, "wirte_file"), "tools.developer.0: there is no tool 'wirte_file'; is 'write_file' meant?"),
        (line_of(text, "my_linter"), "tools.developer.1: there is no tool 'my_linter'"),
        (line_of(text, "qa: [zzz"), "tools.qa.0: there is no tool 'zzz'"),
    ]
    assert parse_policy(text).tools_of("developer") >= {"wirte_file"}, "one in force stays readable"
    register_tool_names(lambda: ["my_linter"])
    assert unknown_tool("my_linter") == ""
    parse_policy(DEFAULT, tools=unknown_tool)


def test_a_pattern_that_is_found_in_nothing_is_looked_for_further_on_and_in_linear_time() -> None:
    for text in ("é a key-12", "é" * 20_000 + "key-12", "key-12" + "é" * 20_000):
        found = first_text(r"(key-\d+)?", text)
        assert found is not None
        assert text[slice(*found)] == "key-12"
        assert replace(r"(key-\d+)?", "#", f"{text} key-3") == f"{text} key-3".replace("key-12", "#").replace(
            "key-3", "#"
        )
    assert first_text(r"(.*x)?", "y" * 20_000) is None
    assert replace(r"x*", "#", "y" * 3000 + "xx") == "y" * 3000 + "#"
