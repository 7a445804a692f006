"""Template tags of the portal: icons, avatars, meters and charts as server-rendered SVG.

Sizes are percentages or presentation attributes, so nothing needs an inline style or a script. Every value goes through
`format_html`, so text from stories, models and repositories is escaped.
"""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from functools import lru_cache

from django import template
from django.templatetags.static import static
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from guildhall.kernel.unseen import PROSE, seen
from guildhall.portal.registry import Party, address_of

register = template.Library()
CENT = Decimal("0.01")
# In the order in which they are looked for: most browsers claim to be others as well.
BROWSERS = {"Edg": "Edge", "OPR/": "Opera", "Firefox/": "Firefox", "Chrome/": "Chrome", "Safari/": "Safari"}
SYSTEMS = {
    "iPhone": "iPhone", "iPad": "iPad", "Android": "Android", "Windows": "Windows", "Mac OS X": "macOS", "Linux": "Linux"
}  # fmt: skip
_HIDDEN = format_html('aria-hidden="{}"', "true")
_DASHED = format_html(' stroke-dasharray="{}"', "2.2 2.2")


@register.simple_tag
def icon(name: str, classes: str = "") -> SafeString:
    """An icon of the sprite; decoration, so hidden from screen readers."""
    return _icon(name, classes)


@lru_cache(1024)
def _icon(name: str, classes: str) -> SafeString:
    # A page has a hundred of some dozens.
    sprite = static("gh/icons.svg")
    return format_html('<svg class="icon {}" aria-hidden="true"><use href="{}#{}"/></svg>', classes, sprite, name)


@register.simple_tag
def avatar(party: Party, size: str = "", label: bool = True) -> SafeString:
    """People are circles with initials, agents rounded squares with the icon of their craft."""
    said = format_html('role="img" aria-label="{}"', party.name) if label else _HIDDEN
    if party.icon:
        return format_html('<span class="gh-av {} agent" {}>{}</span>', size, said, icon(party.icon))
    return format_html('<span class="gh-av {} hue-{}" {} data-i="{}"></span>', size, party.hue, said, party.initials)


@register.filter
def money(amount: Decimal | None) -> str:
    """US dollars with cents; what is spent but below a cent is said to be so."""
    if amount is None:
        return "–"
    if 0 < amount < CENT:
        return "< $0.01"
    return f"${amount:,.2f}"


@register.filter
def ago(moment: datetime | None) -> str:
    """How long ago: `now`, `12 min`, `3 h`, `2 d`, then the date."""
    if moment is None:
        return ""
    seconds = (timezone.now() - moment).total_seconds()
    if seconds < 60:
        return "now"
    if seconds < 3600:
        return f"{seconds // 60:.0f} min"
    if seconds < 86400:
        return f"{seconds // 3600:.0f} h"
    if seconds < 14 * 86400:
        return f"{seconds // 86400:.0f} d"
    return f"{moment.day} {moment:%b %Y}"


@register.filter
def ago_words(moment: datetime | None) -> str:
    """`ago` inside a sentence: `just now`, `12 min ago`."""
    short = ago(moment)
    if short == "now":
        return "just now"
    return f"{short} ago" if short and not short[-1].isdigit() else short


@register.filter
def span(seconds: float | None) -> str:
    """A length of time: `50 s`, `5 min 23 s`, `1 h 4 min`."""
    if seconds is None:
        return ""
    whole = int(seconds)
    if whole < 60:
        return f"{seconds:.1f} s" if 0 < seconds < 10 else f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


@register.filter
def address(subject: str) -> str:
    """Where a subject such as `story:SHOP-142` is shown, "" when nowhere."""
    return address_of(subject)


@register.filter
def named(subject: str) -> str:
    """What a subject is called: `SHOP-142` of `story:SHOP-142`, `Council 2` of `council:2`."""
    kind, _, name = subject.partition(":")
    return f"{kind.capitalize()} {name}" if name.isdigit() else name or subject


@register.filter
def hides(text: str) -> bool:
    """Whether a form's field is to be told beside it: a page shows the codes of what nobody sees, and a field cannot."""
    return seen(text, PROSE) != text


@register.filter
def count(number: int) -> str:
    """A number with its thousands apart: `12,697`."""
    return f"{number:,}"


@register.filter
def role_words(role: str) -> str:
    """A role inside a sentence: `product owner`, `QA`."""
    return {"qa": "QA", "devops": "DevOps"}.get(role, role.replace("_", " "))


@register.filter
def browser(agent: str) -> str:
    """The browser and system that a User-Agent names, as people call them: `Firefox on Windows`."""
    name = next((name for sign, name in BROWSERS.items() if sign in agent), "")
    system = next((name for sign, name in SYSTEMS.items() if sign in agent), "")
    return " on ".join(part for part in (name, system) if part) or agent[:80] or "Unknown browser"


@register.filter
def percent(part: Decimal, whole: Decimal | None) -> int:
    """`part` of `whole` in percent, 0 where there is no whole."""
    return int(100 * part / whole) if whole else 0


def budget_tone(part: Decimal, whole: Decimal | None) -> str:
    """Amber from 80 %, red from 95 %."""
    share = percent(part, whole)
    if share >= 95:
        return "t-bad"
    return "t-wait" if share >= 80 else "t-run"


@register.simple_tag
def tone_for_budget(part: Decimal, whole: Decimal | None) -> str:
    return budget_tone(part, whole)


@register.simple_tag
def meter(
    part: Decimal | float, whole: Decimal | float | None, label: str, tone: str = "", ticks: str = "", size: str = ""
) -> SafeString:
    """A bar of `part` in `whole`; `ticks` are percentages, such as `80,95`."""
    share = min(100.0, 100 * float(part) / float(whole)) if whole else 0.0
    marks = format_html_join(
        "",
        '<line class="tk" x1="{}%" x2="{}%" y1="-2" y2="100%"/>',
        ((tick, tick) for tick in ticks.split(",") if tick),
    )
    tone = tone or budget_tone(Decimal(str(part)), Decimal(str(whole or 0)))
    return format_html(
        '<svg class="gh-meter {} {}" role="img" aria-label="{}"><rect class="bg" width="100%" height="100%" rx="3"/>'
        '<rect class="v" width="{}%" height="100%" rx="3"/>{}</svg>',
        size,
        tone,
        label,
        f"{share:.1f}",
        marks,
    )


@register.simple_tag
def ring(progress: int, tone: str = "", label: str = "") -> SafeString:
    """A state's sign: a ring filled by the way that is done (0 to 100); dashed (-1) when parked."""
    said = format_html('role="img" aria-label="{}"', label) if label else _HIDDEN
    dashes = _DASHED if progress < 0 else ""
    pie = (
        format_html(
            '<circle cx="8" cy="8" r="2.6" stroke-width="5.2" pathLength="100" stroke-dasharray="{} 100" '
            'transform="rotate(-90 8 8)"/>',
            progress,
        )
        if progress > 0
        else ""
    )
    return format_html(
        '<svg class="gh-ring {}" viewBox="0 0 16 16" {}><circle cx="8" cy="8" r="6.6" stroke-width="1.5"{}/>{}</svg>',
        tone,
        said,
        dashes,
        pie,
    )


@register.simple_tag
def dor_ring(score: int, tone: str = "t-ok") -> SafeString:
    """The Definition of Ready as a ring with its number, 0 to 100."""
    return format_html(
        '<svg class="dor {}" width="64" height="64" viewBox="0 0 64 64" role="img" '
        'aria-label="Definition of Ready: {} of 100"><circle class="bg" cx="32" cy="32" r="27"/>'
        '<circle class="v" cx="32" cy="32" r="27" pathLength="100" stroke-dasharray="{} 100" '
        'transform="rotate(-90 32 32)"/><text x="32" y="33" text-anchor="middle" dominant-baseline="central" '
        'class="n">{}</text></svg>',
        tone,
        score,
        score,
        score,
    )


@register.simple_tag
def track(done: int, of: int, tone: str, label: str) -> SafeString:
    """A row of `of` short dashes, `done` of them filled."""
    dashes = format_html_join("", '<i class="{}"></i>', (("on" if place < done else "",) for place in range(of)))
    return format_html('<span class="gh-mini eight {}" role="img" aria-label="{}">{}</span>', tone, label, dashes)


@register.simple_tag
def gantt_row(spans: Iterable[tuple[float, float, str, str]], now: float | None = None) -> SafeString:
    """One row of a time chart: spans are (start %, width %, tone, label); `now` is a percentage too."""
    grid = format_html_join(
        "", '<line class="grid" x1="{0}%" x2="{0}%" y1="0" y2="100%"/>', ((t,) for t in (0, 25, 50, 75, 100))
    )
    shown = format_html_join(
        "",
        '<rect class="bar {}" x="{}%" width="{}%" y="11" height="11" rx="3" data-tip="{}"/>',
        ((tone, f"{start:.2f}", f"{max(wide, 0.6):.2f}", label) for start, wide, tone, label in spans),
    )
    line = (
        format_html('<line class="nowl" x1="{0}%" x2="{0}%" y1="0" y2="100%"/>', f"{now:.2f}")
        if now is not None
        else ""
    )
    return format_html('<svg class="ln" aria-hidden="true">{}{}{}</svg>', grid, shown, line)
