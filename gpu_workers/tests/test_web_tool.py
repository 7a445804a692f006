"""HTTP by a tool, against a real server: the policy's list, private networks, redirects, size, time and headers."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from gpu_workers.forges.addresses import refuse_private
from gpu_workers.reach import FetchError, Fetching, Reach, fetch, networks
from gpu_workers.reach.fetching import MAX_BYTES, checked
from gpu_workers.repos import Workspace
from gpu_workers.sandbox import Sandbox
from gpu_workers.tools import TaskBrief, ToolContext, ToolRefused, execute, offered_tools
from guildhall.kernel.errors import Invalid
from guildhall.settings.env import Environment
from tests.fakes.serving import Answering, Serving

pytestmark = pytest.mark.integration
LOOPBACK = networks("127.0.0.0/8")


class Shop(Answering):
    """A server that answers as its paths say and remembers what it was asked."""

    protocol_version = "HTTP/1.0"
    asked: list[tuple[str, str, dict[str, str], bytes]] = []
    elsewhere = ""
    go_on = threading.Event()

    def take(self) -> None:
        self.asked.append((self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, self.body()))
        getattr(self, self.path.strip("/").partition("/")[0] or "home", self.home)()

    def home(self) -> None:
        self.send(200, b'{"ok": true, "password": "hunter2hunter2"}', {"Content-Type": "application/json"})

    def away(self) -> None:
        self.send(307, b"", {"Location": self.elsewhere})

    def nowhere(self) -> None:
        self.send(302, b"", {"Location": "//["})

    def round(self) -> None:
        self.send(302, b"", {"Location": "/round"})

    def big(self) -> None:
        self.send(200, b"x" * (MAX_BYTES + 5000), {"Content-Type": "text/plain"})

    def bomb(self) -> None:
        self.send(200, b"\x1f\x8b" + b"\0" * 100, {"Content-Type": "text/plain", "Content-Encoding": "gzip"})

    def slow(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.flush()
        self.go_on.wait(20)


@pytest.fixture
def shop() -> Iterator[str]:
    Shop.asked.clear()
    Shop.go_on.clear()
    with Serving(Shop) as server:
        yield server.at
        Shop.go_on.set()


@pytest.fixture
def ctx(tmp_path: Path) -> ToolContext:
    reach = Reach(lambda host, port: host in ("127.0.0.1", "localhost"), LOOPBACK)
    return ToolContext(Workspace(tmp_path), Sandbox(), "qa", TaskBrief("Test"), "", reach=reach)


def test_a_listed_host_is_asked_and_its_answer_redacted(ctx: ToolContext, shop: str) -> None:
    call = {"url": f"{shop}/a?b=c", "method": "POST", "headers": {"Content-Type": "text/plain"}, "body": "hello"}
    result = execute("http_request", call, ctx)
    assert result.ok
    assert result.data["status"] == 200
    assert "hunter2" not in result.text
    assert '"ok": true' in result.text
    [(method, path, headers, body)] = Shop.asked
    assert (method, path, body, headers["content-type"]) == ("POST", "/a?b=c", b"hello", "text/plain")


def test_other_roles_are_refused_and_without_a_list_it_is_not_offered(ctx: ToolContext, shop: str) -> None:
    for role in ("developer", "architect", "planner"):
        with pytest.raises(ToolRefused) as caught:
            execute("http_request", {"url": shop}, replace(ctx, role=role))
        assert caught.value.kind == "role"
    bare = replace(ctx, reach=None)
    assert "http_request" not in [tool.name for tool in offered_tools(bare)]
    assert not execute("http_request", {"url": shop}, bare).ok
    assert Shop.asked == []


def test_what_is_not_on_the_list_is_refused_before_anything_is_sent(ctx: ToolContext, shop: str) -> None:
    nobody = replace(ctx, reach=Reach(lambda host, port: False, LOOPBACK))
    public_only = replace(ctx, reach=Reach(lambda host, port: True))
    port = shop.rpartition(":")[2]
    for context, url in (
        (nobody, shop),
        (public_only, shop),
        (public_only, f"http://localhost:{port}/"),
        (public_only, f"https://[::ffff:127.0.0.1]:{port}/"),
        (public_only, f"https://[::1]:{port}/"),
        (public_only, f"http://0x7f000001:{port}/"),
        (public_only, f"https://2130706433:{port}/"),
        (public_only, "https://169.254.169.254/latest/meta-data/"),
        (public_only, "https://10.0.0.1/"),
        (ctx, f"http://user:pass@127.0.0.1:{port}/"),
        (ctx, "file:///etc/passwd"),
        (ctx, f"http://127.0.0.1:{port}9999/"),
        (ctx, f"gopher://127.0.0.1:{port}/"),
    ):
        with pytest.raises(ToolRefused) as caught:
            execute("http_request", {"url": url}, context)
        assert caught.value.kind == "network", url
    assert Shop.asked == []


def test_a_redirect_is_judged_like_a_first_address(ctx: ToolContext, shop: str) -> None:
    with Serving(Shop) as other:
        Shop.elsewhere = f"{other.at}/secret"
        assert ctx.reach is not None
        here = int(shop.rpartition(":")[2])
        narrow = replace(ctx, reach=Reach(lambda host, port: port == here, LOOPBACK))
        with pytest.raises(ToolRefused):
            execute("http_request", {"url": f"{shop}/away"}, narrow)
        assert [path for _, path, _, _ in Shop.asked] == ["/away"]
        sent = {"url": f"{shop}/away", "headers": {"Authorization": "Bearer tok-1"}}
        assert execute("http_request", sent, ctx).ok
        assert "authorization" in Shop.asked[-2][2]
        assert "authorization" not in Shop.asked[-1][2]
        with_body = {"url": f"{shop}/away", "method": "POST", "body": "secret"}
        assert not execute("http_request", with_body, ctx).ok
        assert Shop.asked[-1][1] == "/away"
    assert "sent on more than" in execute("http_request", {"url": f"{shop}/round"}, ctx).text
    with pytest.raises(ToolRefused, match="sent on to '//\\[', which is no address"):
        execute("http_request", {"url": f"{shop}/nowhere"}, ctx)


def test_size_and_time_are_bounded(ctx: ToolContext, shop: str) -> None:
    big = execute("http_request", {"url": f"{shop}/big"}, ctx)
    assert (big.data["bytes"], big.data["cut"]) == (MAX_BYTES, True)
    assert len(big.text) < ctx.output_chars + 200
    assert "no text" in execute("http_request", {"url": f"{shop}/bomb"}, ctx).text
    stopped = threading.Event()
    timer = threading.Timer(0.3, stopped.set)
    timer.start()
    with pytest.raises(FetchError, match="stopped"):
        fetch(Fetching("GET", f"{shop}/slow"), Reach(lambda host, port: True, LOOPBACK), stopped)
    timer.join()


@pytest.mark.parametrize(
    "headers", [{"Host": "internal"}, {"Transfer-Encoding": "chunked"}, {"X-A": "1\r\nX-B: 2"}, {"X A": "1"}]
)
def test_headers_cannot_make_another_request_of_it(ctx: ToolContext, shop: str, headers: dict[str, str]) -> None:
    assert not execute("http_request", {"url": shop, "headers": headers}, ctx).ok
    assert Shop.asked == []


def test_a_network_that_is_none_keeps_the_platform_from_starting() -> None:
    assert Environment(guildhall_tool_networks="10.1.0.0/16, fd00::/8").guildhall_tool_networks
    for wrong in ("10.1.0.1/16", "everything", "10.0.0.0/8;::/0"):
        with pytest.raises(ValueError, match="guildhall_tool_networks"):
            Environment(guildhall_tool_networks=wrong)


def test_a_name_is_connected_to_where_it_was_looked_at(shop: str) -> None:
    """The address that was judged is in the place, so that a second answer of a name server changes nothing."""
    place = checked(
        shop.replace("127.0.0.1", "localhost"), Reach(lambda host, port: True, networks("127.0.0.0/8,::1/128"))
    )
    assert place.host == "localhost"
    assert place.at.startswith(("127.0.0.1:", "[::1]:"))


@pytest.mark.parametrize(
    "inside",
    ["64:ff9b::a9fe:a9fe", "64:ff9b::a00:1", "64:ff9b:1::1", "2002:a9fe:a9fe::", "2001:0:a9fe:a9fe::", "::ffff:10.0.0.1",
     "::ffff:0:7f00:1", "::127.0.0.1", "::8.8.8.8", "fec0::1", "fd00::1", "fe80::1", "ff0e::1", "::", "::1"],
)  # fmt: skip
def test_an_address_of_our_network_is_refused_in_any_coat(inside: str) -> None:
    with pytest.raises(Invalid):
        refuse_private("shop.example", ["2606:4700::1111", inside], loopback=False)


def test_public_addresses_and_networks_that_were_opened_are_called() -> None:
    refuse_private("shop.example", ["1.1.1.1", "2606:4700::1111", "64:ff9b::101:101", "2002:101:101::"], loopback=False)
    opened = networks("10.0.0.0/8, fec0::/10, fd00::/8")
    refuse_private("shop.example", ["64:ff9b::a00:1", "fec0::1", "fd00::1"], loopback=False, private=opened)
