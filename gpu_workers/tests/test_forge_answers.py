"""What a forge may answer: slowly, without end, anything but what was asked for. None of it holds a thread or breaks a run."""

import gzip
import threading
from collections.abc import Iterator

import pytest

from gpu_workers.forges import rest
from gpu_workers.forges.checks import judged
from gpu_workers.forges.protocol import CheckStatus
from gpu_workers.forges.rest import Api
from guildhall.kernel.errors import Unavailable
from tests.fakes.serving import Answering, Serving

pytestmark = pytest.mark.integration
LONG = b"early\n" + b"x" * rest.MAX_BYTES + b"\nFAILED till/test_till.py"
FAILED = b"""{"total_count": 1, "check_runs": [{"id": 7, "name": "build", "status": "completed", "conclusion": "failure",
"output": "odd", "app": {"slug": "github-actions"}}]}"""


class Forge(Answering):
    """Answers by path; `over` ends what drips."""

    protocol_version = "HTTP/1.0"
    wbufsize = 0
    over: threading.Event

    def take(self) -> None:
        path = self.path.partition("?")[0]
        known = {"/list": b'["x"]', "/deep": b"[" * 100_000, "/blob": LONG, "/r/commits/abc/check-runs": FAILED}
        known |= {"/null": rb'{"title": "a\u0000b"}', "/half": rb'[{"title": "\ud800"}]'}
        known |= {"/r/commits/abc/status": b'{"state": "pending", "total_count": 0, "statuses": []}'}
        if path.endswith("/secret/logs"):
            self.send(403, b'{"message": "Resource not accessible by personal access token"}')
        elif path.endswith("/logs"):
            self.send(302, b"", {"Location": f"http://{self.headers['Host']}/blob"})
        elif path == "/drips":
            self._drip()
        elif path == "/packed":
            self.send(200, gzip.compress(gzip.compress(bytes(64 * 1024 * 1024))), {"Content-Encoding": "gzip, gzip"})
        else:
            self.send(200, known[path])

    def _drip(self) -> None:
        self.send_response(200)
        self.end_headers()
        while not self.over.wait(0.05):
            self.wfile.write(b" ")


@pytest.fixture(scope="module")
def api() -> Iterator[Api]:
    Forge.over = threading.Event()
    with Serving(Forge) as server:
        yield Api(server.at, "a-token", loopback=True)
        Forge.over.set()


def test_a_forge_that_answers_byte_by_byte_is_given_up(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rest, "TOTAL_S", 0.5)
    with pytest.raises(Unavailable, match="too slow"):
        api.call("GET", "/drips")


def test_an_answer_that_unpacks_to_more_than_it_says_is_not_unpacked(api: Api) -> None:
    with pytest.raises(Unavailable, match="packed"):
        api.call("GET", "/packed")


def test_lists_of_anything_else_and_what_no_row_can_hold_are_refused(api: Api) -> None:
    with pytest.raises(Unavailable, match="no list"):
        list(api.pages("/list"))
    for path in ("/deep", "/null", "/half"):
        with pytest.raises(Unavailable, match="cannot be read"):
            api.call("GET", path).data()


def test_the_end_of_a_log_is_kept_and_one_that_may_not_be_read_costs_nothing(api: Api) -> None:
    log = api.text("/r/actions/jobs/7/logs")
    assert log.endswith("FAILED till/test_till.py")
    assert "early" not in log
    assert "not accessible" in api.text("/r/actions/jobs/secret/logs")
    found = judged(api, "/r", "abc")
    assert found.status is CheckStatus.FAILED
    assert "FAILED till/test_till.py" in found.log
