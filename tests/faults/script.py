"""What the model of these tests says: each run writes one file of its own, runs a command and is done."""

from tests.fakes.openai_server import Rule

ACT = "Carry the task out now."


def title_of(number: int) -> str:
    return f"Note {number:03d}"


def script(count: int, delay: float, gate: str) -> list[Rule]:
    """Rules for `count` runs; every answer takes `delay` seconds, the first of each run until `gate` is opened."""
    plan: Rule = {"when": {"schema": "plan"}, "hold": gate, "reply": {"text": {"steps": ["Write the note"]}}}
    ends = [
        _acting(1, "run_command", command="cat notes/*; sleep 0.2"),
        _acting(2, "open_change_request", title="The note is written", description="As asked."),
    ]
    writes = [
        _acting(0, "write_file", title_of(number), path=f"notes/{number}.txt", content=f"Note {number}\n")
        for number in range(1, count + 1)
    ]
    return [{**rule, "delay": delay} for rule in (plan, *writes, *ends)]


def _acting(turn: int, name: str, *contains: str, **arguments: str) -> Rule:
    when = {"contains": [ACT, *contains], "turns": turn}
    return {"when": when, "reply": {"tool_calls": [{"name": name, "arguments": arguments}]}}
