"""What a loop brings along itself: the usual way to end, reading an earlier step again, and the word to who called nothing."""

from gpu_workers.loop.protocols import Closing, ToolSpec

FINISH = Closing(
    ToolSpec(
        name="finish",
        description="Say that the work is done and what was changed.",
        parameters={
            "type": "object",
            "properties": {"summary": {"type": "string", "minLength": 1, "maxLength": 400}},
            "required": ["summary"],
            "additionalProperties": False,
        },
    )
)
READ_STEP = ToolSpec(
    name="read_step",
    description="Read again what came of an earlier step of yours, from a character on (the first is 0).",
    parameters={
        "type": "object",
        "properties": {
            "step": {"type": "string", "minLength": 1, "maxLength": 120},
            "first": {"type": "integer", "minimum": 0},
        },
        "required": ["step"],
        "additionalProperties": False,
    },
)
NUDGE = "Call one of the tools, or call {} when the work is done."
