"""The shortest run there is: a plan, a note, and it is done. For what is about workers and not about their work."""

from tests.fakes.openai_server import Rule
from tests.support.busy import ACT

CALLS = 3
"""That one such run makes to its model."""
TEXT = "A note.\n"


def note_script(delay: float = 0.0) -> list[Rule]:
    """What the model says; each call takes `delay` seconds."""
    note = {"name": "write_file", "arguments": {"path": "note.txt", "content": TEXT}}
    done = {"name": "finish", "arguments": {"summary": "The note is written"}}
    rules: list[Rule] = [
        {"when": {"schema": "plan"}, "reply": {"text": {"steps": ["Write a note"]}}},
        {"when": {"contains": [ACT, TEXT.strip()]}, "reply": {"tool_calls": [done]}},
        {"when": {"contains": [ACT]}, "reply": {"tool_calls": [note]}},
    ]
    return [{**rule, "delay": delay} for rule in rules]
