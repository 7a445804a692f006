"""A real browser in a real sandbox, against real servers: what it shows, and what a page cannot have it do."""

from __future__ import annotations

import socket
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from gpu_workers.browsing import BrowseError, browse, find_browser, looking
from gpu_workers.browsing.looking import LOAD_S
from gpu_workers.reach import Reach, networks
from gpu_workers.reach.door import NAME, Door
from gpu_workers.repos import Workspace
from gpu_workers.sandbox import Sandbox
from gpu_workers.tools import TaskBrief, ToolContext, ToolRefused, execute, offered_tools
from tests.fakes.site import Site

pytestmark = pytest.mark.integration
HERE = networks("127.0.0.0/8")
PLANTED = "planted-words-of-the-host"


@pytest.fixture
def sites() -> Iterator[tuple[Site, Site]]:
    """One whose host is listed, as `localhost`, and a neighbour that is not, as `127.0.0.1`."""
    with Site() as listed, Site() as neighbour:
        yield listed, neighbour


def reach(site: Site) -> Reach:
    return Reach(lambda host, port: (host, port) == ("localhost", site.port), HERE)


def context(bounds: Reach | None, role: str = "devops") -> ToolContext:
    return ToolContext(Workspace(Path(tempfile.gettempdir())), Sandbox(), role, TaskBrief("Look"), "", reach=bounds)


def test_a_page_is_read_as_it_shows_and_reaches_nothing_that_is_not_listed(
    sites: tuple[Site, Site], ground: Path
) -> None:
    listed, neighbour = sites
    (ground / "planted.txt").write_text(PLANTED)
    inside = f"http://127.0.0.1:{neighbour.port}"
    listed.page("/words.js", "document.getElementById('x').textContent = 'loaded ' + 6 * 7", "text/javascript")
    listed.page("/away", f"{inside}/after-a-redirect", status=302)
    listed.page(
        "/",
        f"""<title>Shop  status</title><h1>All   is well</h1><p id=x>not yet</p><p id=y></p>
        <a href="/more">more</a><input name=q><script src="/words.js"></script><style>p {{ color: red }}</style>
        <img src="{inside}/picture"><iframe src="{inside}/frame"></iframe><iframe src="file://{ground}/planted.txt"></iframe>
        <iframe src="/away"></iframe><img src="http://169.254.169.254/latest/meta-data/"><img src="http://[::1]:{neighbour.port}/six">
        <script>
          fetch("{inside}/fetched").catch(() => 0); new WebSocket("ws://127.0.0.1:{neighbour.port}/socket");
          fetch("file://{ground}/planted.txt").then(r => r.text()).then(t => document.getElementById('y').textContent = t)
            .catch(() => document.getElementById('y').textContent = 'no file');
          new RTCPeerConnection({{iceServers: [{{urls: "stun:127.0.0.1:{neighbour.port}"}}]}}).createDataChannel("x");
          navigator.sendBeacon("{inside}/beacon", "password=hunter2hunter2");
        </script><p>The key is password=hunter2hunter2.</p>""",
    )
    assert "browse" in {spec.name for spec in offered_tools(context(reach(listed)))}
    found = execute("browse", {"url": f"http://localhost:{listed.port}/"}, context(reach(listed)))
    assert found.ok, found.text
    for said in ("title: Shop status", "All is well", "loaded 42", "no file", "link: /more", "[input q]"):
        assert said in found.text, (said, found.text)
    assert "color: red" not in found.text
    assert PLANTED not in found.text
    assert "hunter2" not in found.text
    assert neighbour.asked == []
    assert found.data["asked"] == [f"localhost:{listed.port}"]
    for said in ("/picture", "/frame", "/after-a-redirect", "/fetched", "169.254.169.254"):
        assert any(line.startswith("refused: ") and said in line for line in found.text.splitlines()), (
            said,
            found.text,
        )


def test_a_page_without_end_is_left_in_time(sites: tuple[Site, Site], monkeypatch: pytest.MonkeyPatch) -> None:
    listed, _ = sites
    listed.page(
        "/", "<p id=x>begun</p><script>setInterval(() => document.body.append('more '), 10); while (true) {}</script>"
    )
    browser = find_browser()
    assert browser is not None
    with pytest.raises(BrowseError, match="did not come to rest within 4 seconds"):
        browse(f"http://localhost:{listed.port}/", reach(listed), Sandbox(), browser, seconds=4)
    monkeypatch.setattr(looking, "LIMITS", replace(looking.LIMITS, wall_s=1.0))
    told = execute("browse", {"url": f"http://localhost:{listed.port}/"}, context(reach(listed)))
    assert (told.ok, told.text) == (False, "The browser showed no page: ended by the wall limit: 1 seconds.")
    stopped = threading.Event()
    stopped.set()
    with pytest.raises(BrowseError, match="cancel"):
        browse(f"http://localhost:{listed.port}/", reach(listed), Sandbox(), browser, stopped)


class WithProgram(Sandbox):
    """Its workspaces hold a program that does not end by itself, in a browser's place."""

    def prepare_workspace(self, path: Path) -> Path:
        folder = super().prepare_workspace(path)
        (folder / "busy").write_text("#!/bin/sh\nwhile :; do :; done\n")
        (folder / "busy").chmod(0o755)
        return folder


def test_a_browser_out_of_processor_time_is_told_as_that(
    sites: tuple[Site, Site], monkeypatch: pytest.MonkeyPatch
) -> None:
    listed, _ = sites
    monkeypatch.setattr(looking, "LIMITS", replace(looking.LIMITS, cpu_s=1))
    with pytest.raises(BrowseError) as caught:
        browse(
            f"http://localhost:{listed.port}/",
            reach(listed),
            WithProgram(),
            Path("/workspace/busy"),
            seconds=LOAD_S * 2,
        )
    said = "ended by the cpu limit: 1 seconds of processor time of each process"
    assert str(caught.value) == f"The browser showed no page: {said}."


def test_addresses_outside_of_the_list_are_refused_before_a_browser_starts(sites: tuple[Site, Site]) -> None:
    listed, neighbour = sites
    for url in (
        f"http://127.0.0.1:{neighbour.port}/", f"http://localhost:{neighbour.port}/", "http://10.0.0.1/", "file:///etc/passwd",
        "chrome://version", "javascript:alert(1)", f"http://user@localhost:{listed.port}/", "http://169.254.169.254/",
    ):  # fmt: skip
        with pytest.raises(ToolRefused) as caught:
            execute("browse", {"url": url}, context(reach(listed)))
        assert caught.value.kind == "network"
    private = Reach(lambda host, port: True)
    with pytest.raises(ToolRefused):
        execute("browse", {"url": f"http://localhost:{listed.port}/"}, context(private))
    assert listed.asked == neighbour.asked == []
    for role in ("developer", "architect", "qa", "data", "planner"):
        with pytest.raises(ToolRefused) as caught:
            execute("browse", {"url": f"http://localhost:{listed.port}/"}, context(reach(listed), role))
        assert caught.value.kind == "role"
    assert not {spec.name for spec in offered_tools(context(None))} & {"browse"}
    assert find_browser() is not None


def test_the_door_judges_each_request_and_passes_no_second_one(sites: tuple[Site, Site], ground: Path) -> None:
    listed, neighbour = sites
    listed.page("/", "listed")

    def say(text: str) -> str:
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(ground / NAME))
            client.settimeout(10)
            client.sendall(text.replace("\n", "\r\n").encode())
            answer = b""
            while piece := client.recv(65536):
                answer += piece
        return answer.decode()

    good = f"GET http://localhost:{listed.port}/ HTTP/1.1\nHost: 127.0.0.1:{neighbour.port}\n\n"
    second = f"GET http://127.0.0.1:{neighbour.port}/second HTTP/1.1\n\n"
    with Door(ground, reach(listed)) as door:
        assert say(good).endswith("listed")
        assert say(good + second).count("HTTP/1.1 ") == 1
        for refused in (
            second,
            f"CONNECT 127.0.0.1:{neighbour.port} HTTP/1.1\n\n",
            f"CONNECT localhost:{neighbour.port} HTTP/1.1\n\n",
            "GET file:///etc/passwd HTTP/1.1\n\n",
            "GET / HTTP/1.1\n\n",
            f"GET http://localhost:{listed.port}@127.0.0.1:{neighbour.port}/ HTTP/1.1\n\n",
        ):
            assert say(refused).startswith("HTTP/1.1 403"), refused
        assert say("nonsense\n\n") == ""
        assert (door.asked, len(door.refused)) == ([f"localhost:{listed.port}"], 6)
        with socket.socket(socket.AF_UNIX) as waiting:
            waiting.connect(str(ground / NAME))
    assert neighbour.asked == []
    with socket.socket(socket.AF_UNIX) as late, pytest.raises(OSError, match="refused"):
        late.connect(str(ground / NAME))
