"""The burn-down as server-rendered SVG: percent coordinates across, so it fits any width without a script."""

from collections.abc import Callable
from datetime import date
from itertools import pairwise

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from workflows.burndown import Day

register = template.Library()
HEIGHT, TOP, FOOT = 148, 8, 18
LABELS = 8
"""Days that are named under the chart at most."""


@register.filter
def finding(days: list[Day]) -> str:
    """What a burn-down shows, in one sentence."""
    present = next((day for day in reversed(days) if day.points is not None), None)
    if present is None or present.points is None:
        return "Nothing has been committed yet."
    peak = max(day.points or 0 for day in days)
    said = f"{present.points} of at most {peak} points remain on {_named(present.day)}"
    if present.ideal is None:
        return f"{said}."
    gap = present.points - present.ideal
    if abs(gap) < 0.5:
        return f"{said}, on the ideal line."
    return f"{said}, {abs(gap):.0f} {'above' if gap > 0 else 'below'} the ideal line."


@register.simple_tag
def burn_down_chart(days: list[Day]) -> SafeString:
    """Remaining points as bars from 0, the present day faded, with the ideal line across."""
    peak = _round_up(max((max(day.points or 0, day.ideal or 0) for day in days), default=0))
    plot = HEIGHT - TOP - FOOT
    slot = 100 / max(1, len(days))

    def y(points: float) -> float:
        return TOP + plot * (1 - points / peak)

    axis = [(f"{y(points) + 3.5:.1f}", f"{points:g}") for points in (0, peak / 2, peak)]
    grid = [(f"{y(points):.1f}", f"{y(points):.1f}") for points in (0, peak / 2, peak)]
    return format_html(
        '<div class="gh-plot"><svg class="gh-chart" height="{}" aria-hidden="true">{}</svg>'
        '<svg class="gh-chart" height="{}" role="img" aria-label="{}">{}{}{}</svg></div>',
        HEIGHT,
        format_html_join("", '<text x="100%" y="{}" text-anchor="end">{}</text>', axis),
        HEIGHT,
        finding(days),
        format_html_join("", '<line class="grid" x1="0" x2="100%" y1="{}" y2="{}"/>', grid),
        _bars(days, slot, plot, y(0), peak),
        _ideal(days, slot, y),
    )


def _bars(days: list[Day], slot: float, plot: float, base: float, peak: float) -> SafeString:
    every = -(-len(days) // LABELS)
    columns = []
    for number, day in enumerate(days):
        tall = plot * (day.points or 0) / peak
        left = slot * number
        tip = f"{_named(day.day)}  {'to come' if day.points is None else f'{day.points} points, {day.tasks} tasks'}"
        columns.append(
            (
                f"{left:.2f}",
                f"{slot:.2f}",
                HEIGHT - FOOT,
                tip,
                " now" if day.present else "",
                f"{left + slot * 0.19:.2f}",
                f"{slot * 0.62:.2f}",
                f"{base - tall:.1f}",
                f"{tall:.1f}",
                f"{left + slot / 2:.2f}",
                HEIGHT - 3,
                _named(day.day) if number % every == 0 else "",
            )
        )
    return format_html_join(
        "",
        '<rect class="hit" x="{}%" width="{}%" y="0" height="{}" data-tip="{}"/>'
        '<rect class="b{}" x="{}%" width="{}%" y="{}" height="{}" rx="2" pointer-events="none"/>'
        '<text x="{}%" y="{}" text-anchor="middle">{}</text>',
        columns,
    )


def _ideal(days: list[Day], slot: float, y: Callable[[float], float]) -> SafeString:
    points = [(slot * (number + 0.5), day.ideal) for number, day in enumerate(days) if day.ideal is not None]
    pieces = [
        (f"{x1:.2f}", f"{x2:.2f}", f"{y(one):.1f}", f"{y(other):.1f}") for (x1, one), (x2, other) in pairwise(points)
    ]
    return format_html_join(
        "", '<line class="lim t-idle" x1="{}%" x2="{}%" y1="{}" y2="{}" pointer-events="none"/>', pieces
    )


def _named(day: date) -> str:
    return f"{day.day} {day:%b}"


def _round_up(points: float) -> float:
    """The next number whose half is a short one too."""
    short = (2, 4, 6, 8, 10, 12, 16, 20, 24, 30, 40, 50, 60, 80)
    return next(step * power for power in (1, 10, 100, 1000, 10_000) for step in short if step * power >= points)
