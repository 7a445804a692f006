"""Fixtures: the web stack over real HTTP, and Debian's chromium in front of it."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

from tests.e2e.site import Site, served
from tests.support.services import Services
from tests.support.tenants import Member, TestTenant

CHROMIUM = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
AXE = f"window.loadAxe = () => {{{AXE_SCRIPT}\n}};"
"""Half a megabyte: the browser keeps it for all pages of a visitor, and reads it where a page is looked at."""
SIZES = {390: 844, 1024: 768, 1440: 900}
expect.set_options(timeout=60_000)


@pytest.fixture(scope="session")
def site(services: Services, database: None) -> Iterator[Site]:
    """The whole web stack of this run."""
    with served(services.folder) as found:
        yield found


@dataclass
class Visitor:
    """Opens pages and remembers what the browser complained about."""

    browser: Browser
    site: Site
    complaints: list[str] = field(default_factory=list)

    def open(self, host: str, *, width: int = 1440, theme: Literal["light", "dark"] = "light") -> Page:
        """A fresh browser at `host` with no cookies."""
        context = self.browser.new_context(
            base_url=self.site.url(host, ""),
            viewport={"width": width, "height": SIZES[width]},
            color_scheme=theme,
            reduced_motion="reduce",
        )
        context.add_init_script(AXE)
        return self._heard(context.new_page())

    def beside(self, page: Page) -> Page:
        """Another page in the same browser, of the same person."""
        return self._heard(page.context.new_page())

    def signed_in(
        self, tenant: TestTenant, member: Member, *, width: int = 1440, theme: Literal["light", "dark"] = "light"
    ) -> Page:
        """A page of somebody who has just signed in."""
        page = self.open(tenant.host, width=width, theme=theme)
        page.goto("/sign-in/")
        page.fill("input[name=email]", member.email)
        page.fill("input[name=password]", member.password)
        with page.expect_navigation(url=lambda url: not url.endswith("/sign-in/")):
            page.click("button[type=submit]")
        return page

    def _heard(self, page: Page) -> Page:
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        return page

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(f"{message.text} {urlsplit(message.location['url']).path}")

    def forgive(self, status: int, *paths: str) -> None:
        """Answers with `status` at these paths were meant."""
        meant = {f"status of {status}": {urlsplit(path).path for path in paths}}
        self.complaints[:] = [
            text
            for text in self.complaints
            if not any(said in text and text.rpartition(" ")[2] in at for said, at in meant.items())
        ]


@pytest.fixture
def visitor(site: Site) -> Iterator[Visitor]:
    """A browser for one test. Whatever it complains about (blocked scripts, errors) fails the test."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=CHROMIUM)
        found = Visitor(browser, site)
        yield found
        browser.close()
    assert found.complaints == []
