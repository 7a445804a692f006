"""The tool that speaks HTTP with hosts of the policy's list, from outside of the sandbox and within bounds of its own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gpu_workers.browsing import BrowseError, Page, browse, find_browser
from gpu_workers.reach import Fetched, FetchError, Fetching, fetch
from gpu_workers.tools.bounds import shown
from gpu_workers.tools.contract import ActionClass, FunctionTool, Sensitivity, ToolContext, ToolRefused, ToolResult

BROWSE = "browse"
REQUEST = "http_request"
METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE")
HEADER = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,60}")
OURS = re.compile(
    r"(?i)(host|content-length|transfer-encoding|connection|te|trailer|upgrade|expect|proxy-.*|accept-encoding)"
)
TOLD = ("content-type", "location", "retry-after", "www-authenticate", "allow", "cache-control", "etag")
TEXT = re.compile(r"(?i)(text/|application/(json|xml|javascript|[\w.-]+\+(json|xml)|x-www-form-urlencoded))")


@dataclass(frozen=True, slots=True)
class WebTool(FunctionTool):
    """A tool that makes sense only where the policy lets tools reach a host."""

    def offered(self, ctx: ToolContext) -> bool:
        return ctx.reach is not None


def http_request(arguments: dict[str, Any], ctx: ToolContext) -> ToolResult:
    if ctx.reach is None:
        raise ToolRefused("network", "The policy lists no host.")
    wanted = Fetching(
        arguments.get("method", "GET"), arguments["url"], arguments.get("headers", {}), arguments.get("body", "")
    )
    if problem := _problem(wanted):
        return ToolResult(False, shown(problem, ctx))
    try:
        found = fetch(wanted, ctx.reach, ctx.cancel)
    except FetchError as why:
        if why.forbidden:
            raise ToolRefused("network", str(why)) from why
        return ToolResult(False, shown(str(why), ctx))
    return ToolResult(
        True, shown(_told(found), ctx), {"status": found.status, "bytes": len(found.body), "cut": found.cut}
    )


def sends(name: str, arguments: Mapping[str, Any]) -> bool:
    """Whether a call is a request that may change something at its host."""
    return name == REQUEST and arguments.get("method", "GET") not in ("GET", "HEAD")


def _problem(wanted: Fetching) -> str:
    for name, value in wanted.headers.items():
        if not HEADER.fullmatch(name) or OURS.fullmatch(name):
            return f"The header {name!r} cannot be given."
        if not value.isascii() or not value.isprintable():
            return f"The header {name!r} has a value that cannot be sent."
    return "A body goes with POST, PUT or PATCH." if wanted.body and wanted.method in ("GET", "HEAD", "OPTIONS") else ""


def _told(found: Fetched) -> str:
    lines = [f"status {found.status} from {found.url}"]
    lines += [f"{name}: {found.headers[name][:300]}" for name in TOLD if name in found.headers]
    packed = found.headers.get("content-encoding", "identity").lower() != "identity"
    if packed or (found.body and not TEXT.match(found.headers.get("content-type", "text/"))):
        return "\n".join([*lines, f"[{len(found.body)} bytes that are no text]"])
    return "\n".join([*lines, "", found.body.decode("utf-8", "replace"), *(["[cut]"] if found.cut else [])])


@dataclass(frozen=True, slots=True)
class BrowseTool(WebTool):
    """A tool that makes sense only where the installation has a browser as well."""

    def offered(self, ctx: ToolContext) -> bool:
        return ctx.reach is not None and ctx.sandbox.shows_host and find_browser() is not None


def browse_page(arguments: dict[str, Any], ctx: ToolContext) -> ToolResult:
    browser = find_browser()
    if ctx.reach is None:
        raise ToolRefused("network", "The policy lists no host.")
    if browser is None:
        return ToolResult(False, "Chromium is not installed here: without it no page can be shown.")
    try:
        page = browse(arguments["url"], ctx.reach, ctx.sandbox, browser, ctx.cancel)
    except FetchError as why:
        if why.forbidden:
            raise ToolRefused("network", str(why)) from why
        return ToolResult(False, shown(str(why), ctx))
    except BrowseError as why:
        return ToolResult(False, shown(str(why), ctx))
    data = {"asked": list(page.asked), "refused": len(page.refused), "cut": page.cut}
    return ToolResult(True, shown(_page(page), ctx), data)


SHOWN_REFUSALS = 20
SHOWN_LINKS = 60


def _page(page: Page) -> str:
    lines = [f"title: {page.title}", f"asked: {', '.join(page.asked)}"]
    lines += [f"refused: {one}" for one in page.refused[:SHOWN_REFUSALS]]
    if (more := len(page.refused) - SHOWN_REFUSALS) > 0:
        lines.append(f"refused: {more} more")
    lines += ["", page.text or "[it shows no text]", *(["[cut]"] if page.cut else [])]
    return "\n".join([*lines, "", *(f"link: {link}" for link in page.links[:SHOWN_LINKS])])


WEB_TOOLS = (
    BrowseTool(
        BROWSE,
        "Open a page of a host that the policy lists in a browser, and read what it shows once its scripts have run.",
        {"url": {"type": "string", "minLength": 8, "maxLength": 2000}},
        ("url",),
        ActionClass.USE_NETWORK,
        browse_page,
        Sensitivity.HIGH,
    ),
    WebTool(
        REQUEST,
        "Send one HTTP request to a host that the policy lists and read the answer.",
        {
            "url": {"type": "string", "minLength": 8, "maxLength": 2000},
            "method": {"enum": list(METHODS)},
            "headers": {
                "type": "object",
                "maxProperties": 20,
                "additionalProperties": {"type": "string", "maxLength": 2000},
            },
            "body": {"type": "string", "maxLength": 100_000},
        },
        ("url",),
        ActionClass.USE_NETWORK,
        http_request,
        Sensitivity.HIGH,
    ),
)
