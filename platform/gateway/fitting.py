"""Where a call may go: the deployments of its route that can do what it needs and whose window it fits."""

from gateway.chat import Request
from gateway.routing import Needs, Target, targets_for
from gateway.window import fitted
from guildhall.kernel.errors import TooLarge, Unavailable


def fitting(route: str, needs: Needs, request: Request) -> tuple[list[tuple[Target, Request]], list[str]]:
    """The deployments in the order in which they are asked, each with what it is asked, and why others are left out.

    Raises `Unavailable` when none can do what the call needs, `TooLarge` when it fits none of those that can.
    """
    found: list[tuple[Target, Request]] = []
    left_out, refusals = [], []
    for target in targets_for(route):
        if lack := target.lacks(needs):
            left_out.append(f"{target.deployment} is not asked: {lack}")
            continue
        try:
            found.append((target, fitted(request, target.context_tokens, target.endpoint.model)))
        except TooLarge as refusal:
            refusals.append(refusal)
    if refusals and not found:
        raise refusals[0]
    if not found:
        detail = f"No model of the route {route!r} can do what this needs. {'; '.join(left_out)}"
        raise Unavailable(detail, route=route)
    return found, left_out
