"""Tokens a minute and model, by the tenant's policy, in Redis' short windows.

What a call will take is estimated (three bytes a token, and the longest answer) and corrected by what it took.
"""

import json
import math
from dataclasses import dataclass

from gateway.chat import Request
from governance.selectors.policy import active_policy
from guildhall.kernel.errors import RateLimited
from guildhall.kernel.rates import Rate, limiter
from guildhall.kernel.tenancy import current_tenant


@dataclass(frozen=True, slots=True)
class Pace:
    """What a call was counted as."""

    rate: Rate
    counted: int

    def took(self, tokens: int) -> None:
        """Count what it really took; 0 when nothing was answered."""
        limiter().correct(self.rate, tokens - self.counted)


def keep_pace(request: Request, model: str) -> Pace:
    """Count a call before it is sent. Raises `RateLimited` with `retry_after` when this minute's tokens are used up."""
    limit = active_policy().document.rate_limits.tokens_per_minute
    said = len(json.dumps(request.messages, ensure_ascii=False).encode())
    pace = Pace(Rate("tokens", f"{current_tenant()}:{model}", limit), math.ceil(said / 3) + request.max_tokens)
    answer = limiter().take([pace.rate], pace.counted)
    if limit == 0 or answer.refused is not None:
        seconds = answer.tightest.reset
        raise RateLimited(
            f"{limit} tokens a minute are allowed for {model}; there are more in {seconds} s.", retry_after=seconds
        )
    return pace
