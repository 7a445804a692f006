"""Which failures of a call say that there is no connection to its engine, and so that no other call gets one now."""

import socket
import threading
from collections.abc import Iterator

import pytest
import stamina

from gateway.chat import Request
from gateway.wire import CallFailed, Endpoint, call
from tests.fakes.openai_server import OpenAIServer
from tests.support.clock import Clock, clock

pytestmark = pytest.mark.unit
__all__ = ["clock"]
LOCAL = "127.0.0.1"


@pytest.fixture(autouse=True)
def at_once() -> Iterator[None]:
    """What is tried again is tried without a wait."""
    with stamina.set_testing(True, attempts=2):
        yield


def failure(port: int) -> CallFailed:
    request = Request(messages=[{"role": "user", "content": "Hello"}], max_tokens=20)
    with pytest.raises(CallFailed) as failed:
        call(Endpoint(f"http://{LOCAL}:{port}/v1", "scripted", "", 60), request, deadline_s=100_000)
    return failed.value


def test_one_that_refuses_connections_or_does_not_take_them_is_out_of_reach(clock: Clock) -> None:
    with socket.create_server((LOCAL, 0), backlog=0) as full:
        port = full.getsockname()[1]
        with socket.create_connection((LOCAL, port)):
            always = threading.Event()
            always.set()
            clock.skip(10_000, when=always)
            assert failure(port).unreachable
            clock.skip(0, when=always)
    refused = failure(port)
    assert (refused.unreachable, refused.retryable) == (True, True)


def test_one_that_answers_breaks_off_or_says_nothing_is_not(clock: Clock) -> None:
    with OpenAIServer([{"status": 503, "retry_after": 0}]) as server:
        assert not failure(server.port).unreachable
        server.script = [{"sends": []}]
        assert not failure(server.port).unreachable
        server.script = [{"reply": {"text": "too late"}, "hold": True}]
        clock.skip(90, when=server.holding)
        assert not failure(server.port).unreachable
