"""What model calls cost. Pure arithmetic in US dollars with ten decimals; no Django."""

from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_HALF_EVEN, Decimal

STEP = Decimal("0.0000000001")
"""The smallest amount of money kept: a ten-billionth of a dollar, as the NUMERIC(20,10) columns do."""
MILLION = Decimal(1_000_000)


RESOURCE_PRICES = "2026-11-21"
"""Version and date of the two prices below: what a small machine costs, so that the path of its money is real."""
COMPUTE_SECOND = Decimal("0.000012")
"""US dollars for one second of a sandboxed command or a CI run."""
STORAGE_GIB = Decimal("0.0005")
"""US dollars for one GiB of repositories and workspaces that is kept for a day."""


@dataclass(frozen=True, slots=True)
class UnitPrices:
    """US dollars per million tokens read, written, and read from the provider's prompt cache."""

    tokens_in: Decimal
    tokens_out: Decimal
    tokens_cached: Decimal

    def __post_init__(self) -> None:
        for name in ("tokens_in", "tokens_out", "tokens_cached"):
            price: Decimal = getattr(self, name)
            if not price.is_finite() or price < 0:
                raise ValueError(f"the price of {name} must be a number of at least 0, not {price}")


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one call. `tokens_in` includes `tokens_cached`; `estimated` when the provider reported none."""

    tokens_in: int
    tokens_out: int
    tokens_cached: int = 0
    estimated: bool = False

    def __post_init__(self) -> None:
        if min(self.tokens_in, self.tokens_out, self.tokens_cached) < 0:
            raise ValueError("token counts cannot be negative")
        if self.tokens_cached > self.tokens_in:
            raise ValueError(f"{self.tokens_cached} cached tokens of {self.tokens_in} read")


NOTHING = Usage(0, 0)


def cost(usage: Usage, prices: UnitPrices) -> Decimal:
    """What `usage` costs, rounded half to even to `STEP`."""
    return _amount(usage, prices).quantize(STEP, ROUND_HALF_EVEN)


def use_cost(quantity: Decimal, unit_price: Decimal) -> Decimal:
    """What `quantity` seconds or GiB cost, rounded half to even to `STEP`."""
    return (quantity * unit_price).quantize(STEP, ROUND_HALF_EVEN)


def worst_case(prompt_tokens: int, max_tokens: int, prices: UnitPrices) -> Decimal:
    """The most that a call can cost whose prompt has at most `prompt_tokens` and whose answer at most `max_tokens`.

    Rounded up. A cache may be dearer than plain reading with some providers, so the dearer of both is taken.
    """
    dearest = UnitPrices(max(prices.tokens_in, prices.tokens_cached), prices.tokens_out, prices.tokens_cached)
    return _amount(Usage(prompt_tokens, max_tokens), dearest).quantize(STEP, ROUND_CEILING)


def _amount(usage: Usage, prices: UnitPrices) -> Decimal:
    fresh = usage.tokens_in - usage.tokens_cached
    return (
        fresh * prices.tokens_in + usage.tokens_cached * prices.tokens_cached + usage.tokens_out * prices.tokens_out
    ) / MILLION
