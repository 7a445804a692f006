"""Charts as SVG from the server: bars over time, sparklines, an agent's standing. Text never stretches: widths are
percentages, heights pixels. Every value goes through `format_html`."""

from collections.abc import Iterable, Sequence
from decimal import Decimal

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from guildhall.portal.templatetags.guildhall_ui import money

register = template.Library()
CENT = Decimal("0.01")
LEAST = Decimal("0.000001")
WIDEST = 7.0
"""Of a bar, in percent of the plot: one day alone is a bar too and no wall."""
BEST = 200
"""Where the track of a standing ends."""
BANDS = ((0, 90), (90, 130), (130, 160), (160, BEST))
Column = tuple[str, Sequence[Decimal], bool]
"""A label, the amounts of its series from the ground up, and whether it is still growing."""


@register.filter
def spent(amount: Decimal) -> str:
    """US dollars as short as they still say something: cents from one dollar on, four digits and more below."""
    sign, size = "−" if amount < 0 else "", abs(amount)
    if size >= 1 or not size:
        return f"{sign}${size:,.2f}"
    if size < LEAST:
        return f"< {sign}${LEAST:f}"
    return f"{sign}${size:.4f}" if size >= Decimal("0.001") else f"{sign}${size:.6f}"


@register.filter
def exact(amount: Decimal) -> str:
    """US dollars to the last digit that is kept, so that a column adds up: at least cents."""
    whole, _, rest = f"{abs(amount):,.10f}".partition(".")
    return f"{'−' if amount < 0 else ''}${whole}.{rest.rstrip('0').ljust(2, '0')}"


@register.simple_tag
def bars(data: Sequence[Column], label: str, height: int = 104, limit: Decimal | None = None) -> SafeString:
    """Amounts in US dollars as stacked bars from 0. `label` states the finding; `limit` draws a dashed line.

    Up to 14 labels are written out; of more, as many as have room.
    """
    sums = [sum(amounts, Decimal(0)) for _, amounts, _ in data]
    peak = max(CENT, _round_up(max([*sums, limit or Decimal(0)], default=Decimal(0))))
    plot = height - 24
    slot = 100 / max(1, len(data))
    every = -(-len(data) // 14)
    axis = [(f"{_height(plot, step, 2) + 3.5:.1f}", f"${(peak * step / 2).normalize():f}") for step in range(3)]
    grid = format_html_join(
        "",
        '<line class="grid" x1="0" x2="100%" y1="{0}" y2="{0}"/>',
        ((f"{_height(plot, step, 2):.1f}",) for step in range(3)),
    )
    columns = [
        _column(name, amounts, growing, number=number, slot=slot, plot=plot, peak=peak)
        for number, (name, amounts, growing) in enumerate(data)
    ]
    names = format_html_join(
        "",
        '<text x="{}%" y="{}" text-anchor="middle">{}</text>',
        (
            (f"{slot * number + slot / 2:.2f}", height - 3, name)
            for number, (name, _, _) in enumerate(data)
            if (len(data) - 1 - number) % every == 0
        ),
    )
    return format_html(
        '<div class="gh-plot"><svg class="gh-chart" height="{}" aria-hidden="true">{}</svg>'
        '<svg class="gh-chart" height="{}" role="img" aria-label="{}">{}{}{}{}</svg></div>',
        height,
        format_html_join("", '<text x="100%" y="{}" text-anchor="end">{}</text>', axis),
        height,
        label,
        grid,
        format_html_join("", "{}", ((column,) for column in columns)),
        _limit(limit, peak, plot),
        names,
    )


def _height(plot: int, part: Decimal | int, whole: Decimal | int) -> float:
    """Where `part` of `whole` is on the plot, in pixels from above."""
    return 6 + plot * (1 - float(part) / float(whole))


def _limit(limit: Decimal | None, peak: Decimal, plot: int) -> SafeString | str:
    if not limit:
        return ""
    y = f"{_height(plot, limit, peak):.1f}"
    return format_html(
        '<g class="t-wait"><line class="lim" x1="0" x2="100%" y1="{0}" y2="{0}"/>'
        '<text class="lab" x="100%" y="{0}" dy="-4" text-anchor="end">limit {1}</text></g>',
        y,
        money(limit),
    )


def _column(
    name: str, amounts: Sequence[Decimal], growing: bool, *, number: int, slot: float, plot: int, peak: Decimal
) -> SafeString:
    """One bar: what the pointer hits, with the sum, and a piece for each series that has something."""
    total, pieces, ground = sum(amounts, Decimal(0)), [], 0.0
    wide = min(slot * 0.62, WIDEST)
    for series, amount in enumerate(amounts, start=1):
        if amount > 0:
            tall = max(plot * float(amount / peak), 1.5)
            gap = 1.0 if ground and tall > 2 else 0.0
            pieces.append(
                (
                    series,
                    " now" if growing else "",
                    f"{slot * number + (slot - wide) / 2:.2f}",
                    f"{wide:.2f}",
                    f"{6 + plot - ground - tall:.1f}",
                    f"{tall - gap:.1f}",
                )
            )
            ground += tall
    return format_html(
        '<rect class="hit" x="{}%" width="{}%" y="0" height="{}" data-tip="{}"/>{}',
        f"{slot * number:.2f}",
        f"{slot:.2f}",
        plot + 6,
        f"{name}  {money(total)}",
        format_html_join(
            "",
            '<rect class="b s{}{}" x="{}%" width="{}%" y="{}" height="{}" rx="2" pointer-events="none"/>',
            pieces,
        ),
    )


def _round_up(amount: Decimal) -> Decimal:
    """The next number whose half is short too: 1, 2, 3, 4, 5, 6, 8 or 10 times a power of ten."""
    if amount <= 0:
        return Decimal(1)
    power = Decimal(10) ** amount.adjusted()
    return next(step * power for step in (1, 2, 3, 4, 5, 6, 8, 10) if step * power >= amount)


@register.simple_tag
def spark(values: Iterable[float], tone: str = "t-run", label: str = "") -> SafeString:
    """A line from the first to the last value, as high as they differ; a number stands beside it."""
    points = [float(value) for value in values]
    points = points * 2 if len(points) == 1 else points
    low, high = min(points, default=0.0), max(points, default=0.0)
    span, last = (high - low) or 1.0, max(1, len(points) - 1)
    ups = [98 - 96 * (value - low) / span if high > low else 50.0 for value in points]
    path = " L".join(f"{100 * place / last:.1f} {up:.1f}" for place, up in enumerate(ups))
    said = format_html('role="img" aria-label="{}"', label) if label else format_html('aria-hidden="{}"', "true")
    return format_html(
        '<svg class="gh-spark {}" viewBox="0 0 100 100" preserveAspectRatio="none" {}>'
        '<path class="ar" d="M{} L100 100 L0 100Z"/><path class="ln" d="M{}"/></svg>',
        tone,
        said,
        path,
        path,
    )


@register.simple_tag
def reputation(score: int, label: str) -> SafeString:
    """A score on the track from 0 to 200 and more, its permission level's band marked."""
    bands = (
        (
            " in" if low <= score < high or (high == BEST and score >= high) else "",
            f"{low / 2 + 0.3:.1f}",
            f"{(high - low) / 2 - 0.6:.1f}",
        )
        for low, high in BANDS
    )
    return format_html(
        '<svg class="gh-rep" role="img" aria-label="{}">{}<circle class="pt" cx="{}%" cy="12" r="6"/></svg>',
        label,
        format_html_join("", '<rect class="z{}" x="{}%" width="{}%" y="9" height="6" rx="3"/>', bands),
        min(score, BEST) / 2,
    )
