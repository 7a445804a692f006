"""Looking at a page as a machine can: at three widths, light and dark, nothing sticks out, is cut or is serious to axe.

With GUILDHALL_SHOTS set to a folder, a picture of each page at each width in each theme is put there to be looked at.
"""

import os
from pathlib import Path
from typing import Literal

from playwright.sync_api import Page

from tests.e2e.conftest import SIZES, Visitor
from tests.e2e.site import aside
from tests.support.tenants import Member
from tests.support.world import World

FOLDER = os.environ.get("GUILDHALL_SHOTS", "")
Theme = Literal["light", "dark"]
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
DARK_AND_NARROW = ["color-contrast", "link-in-text-block", "scrollable-region-focusable", "target-size"]
BRIEFLY = {"resultTypes": ["violations"], "preload": False}
WIDE, PHONE = 1440, 390
SERIOUS = """async options => (await axe.run(document, options)).violations
    .filter(rule => ["serious", "critical"].includes(rule.impact))
    .map(rule => rule.id + " " + rule.nodes[0].html.slice(0, 160))"""
SPOILT = """() => {
    const page = document.documentElement, found = [], over = page.scrollWidth - page.clientWidth;
    if (over > 0) { found.push(`sticks out by ${over} px`); }
    const says = element => Array.from(element.childNodes).some(node => node.nodeType === 3 && node.data.trim());
    for (const element of document.body.querySelectorAll("*")) {
        const cut = element.scrollWidth - element.clientWidth, low = element.scrollHeight - element.clientHeight;
        if ((cut < 2 && low < 4) || element.clientWidth < 2 || !says(element) || !element.checkVisibility()) { continue; }
        const style = getComputedStyle(element), hides = /hidden|clip/;
        const hidden = (cut > 1 && hides.test(style.overflowX)) || (low > 3 && hides.test(style.overflowY));
        const said = style.textOverflow === "ellipsis" || style.webkitLineClamp !== "none";
        const meant = element.closest("[title],[aria-hidden=true],.visually-hidden-focusable");
        if (hidden && !said && !meant) { found.push("cuts " + element.outerHTML.slice(0, 160)); }
    }
    return found;
}"""
THEMED = """theme => {
    document.documentElement.setAttribute("data-bs-theme", theme);
    document.documentElement.classList.toggle("dark", theme === "dark");
}"""
"""As the portal and as the console's skin say it."""


def signed_in(visitor: Visitor, world: World, role: str) -> Page:
    """A page of a member with `role`."""

    def member() -> Member:
        return world.tenant.member(role)

    return visitor.signed_in(world.tenant, aside(member))


def look(page: Page, name: str, path: str) -> list[str]:
    """What is wrong with the page at `path`."""
    page.set_viewport_size({"width": WIDE, "height": SIZES[WIDE]})
    page.goto(path)
    return as_it_is(page, name)


def as_it_is(page: Page, name: str) -> list[str]:
    """What is wrong with the page that is open: by axe everything where it is wide and light, and what darkness and a narrow
    screen can spoil where it is narrow and dark."""
    _show(page, WIDE, "light")
    page.evaluate("document.fonts.ready.then(() => true)")
    page.evaluate("loadAxe()")
    found = [*_spoilt(page, name, WIDE, "light"), *_serious(page, name, RULES)]
    found += [*_spoilt(page, name, 1024, "light"), *_spoilt(page, name, PHONE, "light")]
    if FOLDER:  # darkness changes colours and nothing else
        found += [problem for width in (WIDE, 1024) for problem in _spoilt(page, name, width, "dark")]
    return [*found, *_spoilt(page, name, PHONE, "dark"), *_serious(page, f"{name}, dark", DARK_AND_NARROW)]


def _serious(page: Page, name: str, rules: list[str]) -> list[str]:
    return [f"{name}: {problem}" for problem in page.evaluate(SERIOUS, {"runOnly": rules, **BRIEFLY})]


def _spoilt(page: Page, name: str, width: int, theme: Theme) -> list[str]:
    _show(page, width, theme)
    if FOLDER:
        page.screenshot(path=Path(FOLDER) / f"{name}-{width}-{theme}.png", full_page=True)
    return [f"{name}, {width} px, {theme}: {problem}" for problem in page.evaluate(SPOILT)]


def _show(page: Page, width: int, theme: Theme) -> None:
    page.evaluate(THEMED, theme)
    page.set_viewport_size({"width": width, "height": SIZES[width]})
