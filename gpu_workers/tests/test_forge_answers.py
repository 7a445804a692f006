"""What a forge may answer: slowly, without end, anything but what was asked for. None of it holds a thread or breaks a run."""

import gzip
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from gpu_workers.forges import rest
from gpu_workers.forges.checks import judged
from gpu_workers.forges.protocol import CheckStatus
from gpu_workers.forges.rest import Api
from guildhall.kernel.errors import Unavailable

pytestmark = pytest.mark.integration
LONG = b"early\n" + b"x" * rest.MAX_BYTES + b"\nFAILED till/test_till.py"
FAILED = b"""{"total_count": 1, "check_runs": [{"id": 7, "name": "build", "status": "completed", "conclusion": "failure",
"output": "odd", "app": {"slug": "github-actions"}}]}"""


class Forge(BaseHTTPRequestHandler):
    """Answers by path; `over` ends what drips."""

    over: threading.Event

    def log_message(self, *_: object) -> None:
        """Quiet."""

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        known = {"/list": b'["x"]', "/deep": b"[" * 100_000, "/blob": LONG, "/r/commits/abc/check-runs": FAILED}
        known |= {"/r/commits/abc/status": b'{"state": "pending", "total_count": 0, "statuses": []}'}
        if path.endswith("/secret/logs"):
            self._say(403, b'{"message": "Resource not accessible by personal access token"}')
        elif path.endswith("/logs"):
            self.send_response(302)
            self.send_header("Location", f"http://{self.headers['Host']}/blob")
            self.end_headers()
        elif path == "/drips":
            self._drip()
        elif path == "/packed":
            self._say(200, gzip.compress(gzip.compress(bytes(64 * 1024 * 1024))), {"Content-Encoding": "gzip, gzip"})
        else:
            self._say(200, known[path])

    def _say(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _drip(self) -> None:
        self.send_response(200)
        self.end_headers()
        while not self.over.wait(0.05):
            self.wfile.write(b" ")


@pytest.fixture(scope="module")
def api() -> Iterator[Api]:
    over = threading.Event()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Now", (Forge,), {"over": over}))
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    yield Api(f"http://127.0.0.1:{server.server_port}", "a-token", loopback=True)
    over.set()
    server.shutdown()
    server.server_close()


def test_a_forge_that_answers_byte_by_byte_is_given_up(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rest, "TOTAL_S", 0.5)
    with pytest.raises(Unavailable, match="too slow"):
        api.call("GET", "/drips")


def test_an_answer_that_unpacks_to_more_than_it_says_is_not_unpacked(api: Api) -> None:
    with pytest.raises(Unavailable, match="packed"):
        api.call("GET", "/packed")


def test_lists_of_anything_else_and_bottomless_ones_are_refused(api: Api) -> None:
    with pytest.raises(Unavailable, match="no list"):
        list(api.pages("/list"))
    with pytest.raises(Unavailable, match="cannot be read"):
        api.call("GET", "/deep").data()


def test_the_end_of_a_log_is_kept_and_one_that_may_not_be_read_costs_nothing(api: Api) -> None:
    log = api.text("/r/actions/jobs/7/logs")
    assert log.endswith("FAILED till/test_till.py")
    assert "early" not in log
    assert "not accessible" in api.text("/r/actions/jobs/secret/logs")
    found = judged(api, "/r", "abc")
    assert found.status is CheckStatus.FAILED
    assert "FAILED till/test_till.py" in found.log
