"""What a story does by itself when its tasks have moved. Pure; the subscriber carries it out."""

from workflows.machines import STORY, Given, StoryFacts, Who, refusals

SYSTEM = Who("system:workflows", "system", frozenset({"system"}))
BACK = frozenset({"todo", "implementing"})
FORWARD = {
    "ready_for_execution": "start",
    "in_progress": "request_review",
    "code_review": "pass_review",
    "testing": "pass_tests",
}
BACKWARD = {"code_review": "reject_code", "testing": "fail_tests"}


def next_step(facts: StoryFacts) -> tuple[str, tuple[str, ...]] | None:
    """The act that is due and the tasks it reopens; None when the story waits for somebody."""
    behind = tuple(task.ref for task in facts.live if task.state in BACK)
    if behind and facts.state in BACKWARD:
        return BACKWARD[facts.state], behind
    action = FORWARD.get(facts.state)
    if action is None or refusals(STORY, action, facts, SYSTEM, Given()):
        return None
    return action, ()
