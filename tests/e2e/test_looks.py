"""Every page in every size and theme: nothing that axe calls serious, nothing that sticks out sideways.

With GUILDHALL_SHOTS set to a folder, a picture of each is put there to be looked at.
"""

import os
from pathlib import Path
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from tests.e2e.conftest import Visitor
from tests.e2e.site import aside
from tests.support.world import World

pytestmark = pytest.mark.e2e
PAGES = {
    "dashboard": "/",
    "board": "/stories/",
    "list": "/stories/?view=list",
    "story-form": "/stories/new/",
    "story": "/stories/TILL-1/",
    "task": "/tasks/TILL-1.1/",
    "runs": "/runs/",
    "run": "/runs/2/",
    "approvals": "/approvals/",
    "approval": "/approvals/1/",
    "pause": "/pause/",
    "members": "/settings/members/",
    "keys": "/settings/keys/",
    "missing": "/stories/TILL-999/",
}
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1024, 1440])
def test_pages_are_accessible_and_fit(
    told: World, visitor: Visitor, width: int, theme: Literal["light", "dark"]
) -> None:
    owner = aside(lambda: told.tenant.member("product_owner"))
    page = visitor.signed_in(told.tenant, owner, width=width, theme=theme)
    found = []
    for name, path in PAGES.items():
        page.goto(path)
        page.wait_for_function("document.fonts.status === 'loaded'")
        _keep(page, f"{name}-{width}-{theme}")
        found += [f"{name}: {problem}" for problem in _problems(page)]
    visitor.complaints[:] = [text for text in visitor.complaints if "404" not in text]
    assert found == []


def _problems(page: Page) -> list[str]:
    answer = Axe().run(page, options={"runOnly": RULES}).response
    serious = [rule for rule in answer["violations"] if rule["impact"] in ("serious", "critical")]
    found = [f"{rule['id']} {rule['nodes'][0]['html'][:160]}" for rule in serious]
    width = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return [*found, *([f"sticks out by {width} px"] if width > 0 else [])]


def _keep(page: Page, name: str) -> None:
    folder = os.environ.get("GUILDHALL_SHOTS")
    if folder:
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)
