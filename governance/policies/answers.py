"""What people may say to an agent that asked them something in words, rather than for a yes or a no."""

from governance.models import Approval
from governance.models.approvals import VoteDecision
from guildhall.kernel.errors import Invalid
from guildhall.kernel.redaction import reveals

QUESTION = "question"
"""In an approval's binding: what is asked, in words."""
LONGEST = 5000
"""An answer's characters: it goes into the agent's next prompts."""


def refuse_answer(approval: Approval, decision: str, words: str) -> None:
    """Raise `Invalid` where these words do not answer what `approval` asks; one that asks for a yes or a no takes any."""
    if not approval.binding.get(QUESTION):
        return
    if decision == VoteDecision.CHANGES:
        choices = {"decision": ["Choose approve, with the answer as feedback, or reject, with why nobody answers."]}
        raise Invalid("A question is answered or declined; there is nothing to change about it.", fields=choices)
    if not words:
        raise Invalid("Give the answer.", fields={"feedback": ["Write the answer; the agent goes on with it."]})
    if len(words) > LONGEST:
        problem = f"Give at most {LONGEST} characters; this has {len(words)}."
        raise Invalid("The answer is too long.", fields={"feedback": [problem]})
    if reveals(words):
        problem = "This looks like a secret, and agents read no secrets. Say where it is kept instead."
        raise Invalid("The answer holds a secret.", fields={"feedback": [problem]})
