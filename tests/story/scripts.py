"""What a competent model would say in the stories of these tests."""

from typing import Any

from tests.fakes.openai_server import Rule

JUDGE = "Judge the change now."
WRONG = '''"""Totals of a basket, in pence."""

VAT_PERCENT = 20


def vat(net_pence):
    """VAT on a net amount, in pence, rounded half up."""
    return (net_pence * VAT_PERCENT + 50) // 100


def total(lines):
    """What a customer pays for (net pence, quantity) lines, VAT included."""
    net = sum(price * quantity for price, quantity in lines)
    return net + vat(net)
'''
RIGHT = WRONG.replace(
    """    net = sum(price * quantity for price, quantity in lines)
    return net + vat(net)
""",
    """    return sum(price * quantity + vat(price * quantity) for price, quantity in lines)
""",
)


def handing_in(
    title: str = "VAT is rounded on each line", description: str = "The total sums lines."
) -> dict[str, Any]:
    """The call that ends a developer's work."""
    return {"name": "open_change_request", "arguments": {"title": title, "description": description}}


def planning(title: str = "Round VAT on each line") -> list[Rule]:
    """One task for a small story."""
    task = {"title": title, "role": "developer", "size": "S", "risk": "low"}
    return [
        {"when": {"schema": "tasks", "contains": ["List the tasks."]}, "reply": {"text": {"tasks": [task]}}},
        {
            "when": {"schema": "plan"},
            "reply": {"text": {"steps": ["Read the code", "Change the rounding", "Run the tests"]}},
        },
    ]


def writing(
    content: str, *, contains: list[str] | None = None, without: list[str] | None = None, commits: str = ""
) -> list[Rule]:
    """Read the file, replace it, commit that where `commits` says with which words, hand it in."""
    path = "till/basket.py"
    calls = [
        {"name": "read_file", "arguments": {"path": path}},
        {"name": "write_file", "arguments": {"path": path, "content": content}},
        *([{"name": "git_commit", "arguments": {"message": commits}}] if commits else []),
        handing_in(),
    ]
    return calling(calls, contains=contains, without=without)


def calling(
    calls: list[dict[str, Any]], *, contains: list[str] | None = None, without: list[str] | None = None
) -> list[Rule]:
    """These calls, one a turn, in the rounds whose prompts hold some words and not others."""
    when = {"contains": contains or ["Carry the task out now."], "without": without or []}
    return [{"when": {**when, "turns": turn}, "reply": {"tool_calls": [call]}} for turn, call in enumerate(calls)]


def as_actions(rules: list[Rule]) -> list[Rule]:
    """The same answers from a model without tool calls: each call as one JSON object in the action format."""
    return [{**rule, "reply": _as_action(rule["reply"])} for rule in rules]


def _as_action(reply: dict[str, Any]) -> dict[str, Any]:
    calls = reply.get("tool_calls")
    return {"text": {"tool": calls[0]["name"], "arguments": calls[0]["arguments"]}} if calls else reply


def verdicts(verdict: str = "approve", feedback: str = "It does what the task asks for.") -> list[Rule]:
    """What architect and tester say when they are asked first."""
    given = {"name": "give_verdict", "arguments": {"verdict": verdict, "feedback": feedback}}
    return [{"when": {"contains": [JUDGE]}, "reply": {"tool_calls": [given]}}]


def bugfix(*, commits: str = "") -> list[Rule]:
    """Wrong first, right after red CI; with `commits` the agent itself commits what is wrong, in these words."""
    return [
        *planning(),
        *writing(RIGHT, contains=["CI did not pass"]),
        *writing(WRONG, contains=["Carry the task out now."], without=["CI did not pass"], commits=commits),
        *verdicts(),
    ]


def mending() -> list[Rule]:
    """The same right at once, for stories whose tests begin where it waits: no red CI and no second round before."""
    return [*planning(), *writing(RIGHT), *verdicts()]


def deliberating(
    points: dict[str, dict[str, int]] | None = None,
    saying: dict[str, str] | None = None,
    seats: dict[str, str] | None = None,
) -> list[Rule]:
    """A council of an architect (A), a developer (B) and a tester (C), or of the roles in `seats` by letter.

    `points` are by whom and for whom, the same in every criterion; B wins where they are left out. `saying` are other
    proposals than the usual ones, by letter.
    """
    seats = seats or {"A": "architect", "B": "developer", "C": "qa"}
    points = points or {"A": {"B": 9, "C": 5}, "B": {"A": 6, "C": 6}, "C": {"A": 7, "B": 8}}
    rules: list[Rule] = []
    for letter, role in seats.items():
        here = f"You sit here as the {role}."
        usual = f"Way {letter}\nRound each line as way {letter} says, then run the tests."
        revised = f"Way {letter} revised\nRound each line as way {letter} says, and test two lines."
        given = {about: _ratings(point) for about, point in points[letter].items()}
        rules += [
            {"when": {"schema": "council_score", "contains": [here]}, "reply": {"text": given}},
            {
                "when": {"contains": [here, "Propose one answer"]},
                "reply": {"text": (saying or {}).get(letter, usual)},
            },
            {
                "when": {"contains": [here, "write your proposal anew"]},
                "reply": {"text": (saying or {}).get(letter, revised)},
            },
        ]
    critique = {"contains": ["what is wrong, risky, dear"]}
    return [*rules, {"when": critique, "reply": {"text": "It does not say which lines are tested."}}]


def _ratings(point: int) -> dict[str, dict[str, int | str]]:
    names = ("correctness", "risk", "cost", "testability")
    return {name: {"score": point, "reason": f"It is {point} of 10"} for name in names}
