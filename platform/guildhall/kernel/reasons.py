"""Why somebody does what others are stopped or changed by: said in words that can be read later, and not at length."""

from guildhall.kernel.errors import Invalid

LEAST, MOST = 10, 300
"""Characters of a reason."""


def reason_problems(reason: str, most: int = MOST) -> list[str]:
    """What is wrong with a reason, for its field; nothing when it will do."""
    length = len(reason.strip())
    return [] if LEAST <= length <= most else [f"Say why in {LEAST} to {most} characters; this has {length}."]


def checked_reason(reason: str, most: int = MOST) -> str:
    """The reason without blanks around it. Raises `Invalid`."""
    if problems := reason_problems(reason, most):
        raise Invalid(problems[0], fields={"reason": problems})
    return reason.strip()
