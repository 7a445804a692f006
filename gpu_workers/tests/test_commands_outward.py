"""Commands that may reach the hosts of the policy's list: those and nothing else, by a door that ends with the command."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import chain, repeat
from pathlib import Path
from typing import Any

import pytest

from gpu_workers.reach import Reach, networks
from gpu_workers.reach.door import NAME, Door, DoorLimits, opened_door
from gpu_workers.repos import Workspace
from gpu_workers.sandbox import RootInside, Sandbox, SandboxCommand, WallKind
from gpu_workers.tools import TaskBrief, ToolContext, execute, offered_tools
from tests.fakes.site import Site

pytestmark = pytest.mark.integration
HERE = networks("127.0.0.0/8")
TRIES = """
import http.client, json, os, socket, sys, urllib.request
told = json.loads(sys.argv[1])
way = os.environ["HTTP_PROXY"].removeprefix("http://")

def asked(target, method="GET"):
    client = http.client.HTTPConnection(way, timeout=10)
    try:
        if method == "CONNECT":
            client.set_tunnel(*target)
            client.request("GET", "/tunnel")
        else:
            client.request(method, target)
        answer = client.getresponse()
        return f"{answer.status} {answer.read().decode()}"
    except OSError as refused:
        return f"{refused}"
    finally:
        client.close()

def straight(family, kind, place):
    try:
        with socket.socket(family, kind) as client:
            client.settimeout(3)
            client.connect(place)
            client.send(b"x")
            return "reached"
    except OSError as refused:
        return "refused"

def usual(url):
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.read().decode()
    except OSError as refused:
        return str(refused)

listed, neighbour = told["listed"], told["neighbour"]
found = {
    "listed": asked(f"http://localhost:{listed}/"),
    "tunnel": asked(("localhost", listed), "CONNECT"),
    "another port": asked(f"http://localhost:{neighbour}/"),
    "tunnel to another port": asked(("localhost", neighbour), "CONNECT"),
    "its address": asked(f"http://127.0.0.1:{listed}/"),
    "tunnel to its address": asked(("127.0.0.1", listed), "CONNECT"),
    "address as a number": asked(("2130706433", listed), "CONNECT"),
    "metadata": asked("http://169.254.169.254/latest/meta-data/"),
    "private": asked(("10.0.0.1", 443), "CONNECT"),
    "loopback of six": asked(("::1", listed), "CONNECT"),
    "another host": asked(("example.org", 443), "CONNECT"),
    "with a user": asked(f"http://localhost:{listed}@127.0.0.1:{neighbour}/"),
    "straight": straight(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", listed)),
    "straight out": straight(socket.AF_INET, socket.SOCK_STREAM, ("1.1.1.1", 443)),
    "names": straight(socket.AF_INET, socket.SOCK_DGRAM, ("1.1.1.1", 53)),
    "another run": straight(socket.AF_UNIX, socket.SOCK_STREAM, told["other"]),
    "its own server": os.environ["NO_PROXY"],
    "sockets": [name for name in os.listdir("/") if name == "door"],
}
del os.environ["NO_PROXY"], os.environ["no_proxy"]
found["as programs do"] = usual(f"http://localhost:{listed}/")
found["sent on"] = usual(f"http://localhost:{listed}/away")
print(json.dumps(found))
"""


@pytest.fixture
def sites() -> Iterator[tuple[Site, Site]]:
    """One whose host is listed, as `localhost`, and a neighbour that is not."""
    with Site() as listed, Site() as neighbour:
        listed.page("/", "listed")
        listed.page("/tunnel", "through")
        listed.page("/away", f"http://127.0.0.1:{neighbour.port}/after", status=302)
        yield listed, neighbour


@pytest.fixture
def ctx(ground: Path, sandbox: Sandbox, sites: tuple[Site, Site]) -> ToolContext:
    workspace = Workspace(ground / "work")
    workspace.git_dir.mkdir(parents=True)
    sandbox.prepare_workspace(workspace.tree)
    reach = Reach(lambda host, port: (host, port) == ("localhost", sites[0].port), HERE)
    return ToolContext(workspace, sandbox, "qa", TaskBrief("Test"), "", reach=reach)


@pytest.mark.parametrize("sandbox", list(WallKind), indirect=True)
def test_a_command_reaches_what_is_listed_and_nothing_else(
    ctx: ToolContext, sites: tuple[Site, Site], ground: Path
) -> None:
    listed, neighbour = sites
    (ctx.workspace.tree / "tries.py").write_text(TRIES)
    seen: list[bytes] = []
    assert ctx.reach is not None
    with opened_door(ctx.reach, ground, ctx.sandbox.owner, DoorLimits()) as other:
        told = json.dumps({"listed": listed.port, "neighbour": neighbour.port, "other": str(other.place)})
        asked = {"command": f"python3 tries.py '{told}'", "network": True}
        result = execute("run_command", asked, replace(ctx, on_output=seen.append))
    assert result.ok, result.text
    found = json.loads(result.text.splitlines()[-1])
    assert (found.pop("listed"), found.pop("tunnel"), found.pop("as programs do")) == (
        "200 listed", "200 through", "listed"
    )  # fmt: skip
    assert (found.pop("its own server"), found.pop("sockets")) == ("localhost,127.0.0.1,::1", ["door"])
    for name in ("straight", "straight out", "names", "another run"):
        assert found.pop(name) == "refused", name
    assert found.pop("sent on") == "HTTP Error 403: Forbidden"
    assert {name: said for name, said in found.items() if "403" not in said} == {}
    assert neighbour.asked == []
    assert set(listed.asked) == {"/", "/tunnel", "/away"}
    assert result.data["asked"] == [f"localhost:{listed.port}"]
    assert len(result.data["refused"]) == 11
    for said in (f"[network: localhost:{listed.port}: ", "refused 169.254.169.254", "refused example.org:443"):
        assert said.replace("refused 169", "refused http://169") in result.text
        assert said.replace("refused 169", "refused http://169") in b"".join(seen).decode()


def test_without_a_list_or_the_wish_there_is_no_network_at_all(ctx: ToolContext, sites: tuple[Site, Site]) -> None:
    look = "env; ls /; python3 -c 'import socket; socket.create_connection((\"127.0.0.1\", {}))'"
    command = {"command": look.format(sites[0].port)}
    for bounds in (ctx, replace(ctx, reach=None)):
        result = execute("run_command", command, bounds)
        assert "ConnectionRefusedError" in result.text
        assert "PROXY" not in result.text.upper()
        assert "door" not in result.text.split()
    specs = {spec.name: spec for spec in offered_tools(replace(ctx, reach=None))}
    assert "network" not in specs["run_command"].parameters["properties"]
    refused = execute("run_command", {**command, "network": True}, replace(ctx, reach=None))
    assert (refused.ok, "not accepted" in refused.text) == (False, True)
    tests = execute("run_tests", {"network": True}, replace(ctx, ci_command="echo $HTTPS_PROXY"))
    assert "http://127.0.0.1:" in tests.text
    assert sites[0].asked == []


def test_the_way_out_ends_with_its_command(ctx: ToolContext, ground: Path) -> None:
    assert ctx.reach is not None
    box = replace(ctx.sandbox.settings, runtime=ground)
    command = {"command": "(sleep 60; echo late) & echo $$; exit 7", "network": True}
    result = execute("run_command", command, replace(ctx, sandbox=Sandbox(box)))
    assert result.data["exit_code"] == 7
    assert [place.name for place in ground.iterdir() if "door" in place.name] == []
    assert "door" not in [thread.name for thread in threading.enumerate()]
    stopped = threading.Event()
    stopped.set()
    assert execute("run_command", command, replace(ctx, cancel=stopped)).data["killed_by"] == "cancel"
    with pytest.raises(ValueError, match="no network"):
        SandboxCommand("true", ground, root=RootInside(200_000, 10), door=ground / NAME)


def test_a_name_is_looked_up_once_and_its_address_kept_to(
    ctx: ToolContext, sites: tuple[Site, Site], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name server that says another address the second time leads nobody there."""
    said = chain(["127.0.0.1"], repeat("10.0.0.1"))
    real = socket.getaddrinfo

    def rebinding(host: Any, *more: Any, **named: Any) -> Any:
        return real(next(said) if host == "shop.example" else host, *more, **named)

    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    port = sites[0].port
    ours = replace(ctx, reach=Reach(lambda host, _: host == "shop.example", HERE))
    get = f"curl --silent --show-error --max-time 20 --proxy $HTTP_PROXY http://shop.example:{port}/"
    first = execute("run_command", {"command": get, "network": True}, ours)
    assert first.text.endswith("listed"), first.text
    second = execute("run_command", {"command": get, "network": True}, ours)
    assert "shop.example is not a public host" in second.text


def test_a_door_lets_so_much_through_and_no_more(sites: tuple[Site, Site], ground: Path) -> None:
    listed, _ = sites
    listed.page("/much", "x" * 300_000)
    reach = Reach(lambda host, port: port == listed.port, HERE)

    def say(text: str) -> bytes:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(10)
            answer = b""
            try:
                client.connect(str(ground / NAME))
                client.sendall(text.encode())
                while piece := client.recv(65536):
                    answer += piece
            except ConnectionError:
                return answer
        return answer

    get = f"GET http://localhost:{listed.port}/much HTTP/1.1\r\n\r\n"
    with Door(ground, reach, limits=DoorLimits(received=200_000)):
        assert len(say(get)) < 200_000
        assert say(get) == b"", "nothing more is let in"
    with Door(ground, reach, limits=DoorLimits(sent=1000)):
        tunnel = f"CONNECT localhost:{listed.port} HTTP/1.1\r\n\r\nGET /much HTTP/1.1\r\nX: {'y' * 5000}\r\n\r\n"
        assert b"xxx" not in say(tunnel)
    with Door(ground, reach, limits=DoorLimits(connections=1)) as door:
        assert say(f"GET http://localhost:{listed.port}/ HTTP/1.1\r\nA: b\nHost: 127.0.0.1\r\n\r\n").startswith(
            b"HTTP/1.1 403"
        )
        assert say(get) == b""
        assert "garbled" in door.refused[0]
    with Door(ground, reach, limits=DoorLimits(at_once=0)):
        assert say(get).startswith(b"HTTP/1.1 503")


def test_a_door_keeps_nothing_of_what_is_over_and_judges_all_that_it_passes_on(ground: Path) -> None:
    came: list[bytes] = []

    def take(listening: socket.socket) -> None:
        with suppress(OSError):
            while True:
                client, _ = listening.accept()
                with client:
                    client.settimeout(10)
                    client.sendall(b"HTTP/1.0 200 OK\r\n\r\n")
                    client.shutdown(socket.SHUT_WR)
                    came.append(b"")
                    while piece := client.recv(65536):
                        came[-1] += piece

    def tell(head: str, body: str = "") -> bytes:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(10)
            client.connect(str(ground / NAME))
            client.sendall(f"{head}\r\n\r\n{body}".replace("\n", "\r\n").replace("\r\r", "\r").encode())
            client.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: client.recv(65536), b""))

    reach = Reach(lambda host, _: host in ("127.0.0.1", "unknown.invalid"), HERE)
    with (
        socket.create_server(("127.0.0.1", 0)) as listening,
        Door(ground, reach, limits=DoorLimits(connections=60)) as door,
    ):
        host = threading.Thread(target=take, args=(listening,), daemon=True)
        host.start()
        name = f"127.0.0.1:{listening.getsockname()[1]}"
        post = f"POST http://{name}/ HTTP/1.1"
        second = "abcdGET /second HTTP/1.1\nHost: other.example\n\n"
        assert b" 200 " in tell(f"{post}\nContent-Length: 4", second)
        assert b" 200 " in tell(post, second[4:])
        for odd in ("Host : other.example", "A: b\n folded: yes", "Content-Length: 4\nContent-Length: 40", ": x"):
            assert b" 403 " in tell(f"{post}\n{odd}", second), odd
        assert len(door.refused) == 1, "the same address, refused for the same reason"
        for away in ("POST http://unknown.invalid/ HTTP/1.1", f"{post}\nTransfer-Encoding: chunked"):
            assert b" 502 " in tell(away, second)
        with socket.create_server(("127.0.0.1", 0)) as gone:
            closed = f"GET http://127.0.0.1:{gone.getsockname()[1]}/ HTTP/1.1"
        assert b" 502 " in tell(closed)
        assert [len(door.refused), len(door.failed)] == [1, 3]
        assert [request.partition(b"\r\n\r\n")[2] for request in came] == [b"abcd", b""]
        for _ in range(60 - 9):
            tell(post)
        with pytest.raises(OSError, match="refused"):
            tell(post)
        deadline = time.monotonic() + 120
        while door._open and time.monotonic() < deadline:
            threading.Event().wait(0.02)
        assert not door._open
        listening.shutdown(socket.SHUT_RDWR)
        host.join()
        went = sum(map(len, came))
        assert door.connections == [f"{name}: 53 connections, {53 * 19} bytes came, {went} went"]
