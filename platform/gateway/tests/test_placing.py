"""Which of several engines with one model a call goes to, by the figures that they tell at `/metrics`."""

from typing import Any

import pytest

from gateway.engines import Load, in_order_of_load, read_metrics
from gateway.tests.metrics import llama, vllm

pytestmark = pytest.mark.unit
SILENT = Load(True, 0.0)


def told(text: str, tokens_per_s: float | None = None) -> Load:
    figures: dict[str, Any] = read_metrics(text)
    return Load(True, 0.0, tokens_per_s=tokens_per_s, **figures)


def order(**loads: Load) -> str:
    """By the last letters of the alphabet, whose order is that of their ranks."""
    return "".join(in_order_of_load([(name, "same") for name in sorted(loads)], loads, {}))


def shares(calls: int, **loads: Load) -> dict[str, int]:
    """How many of so many calls of one moment each gets."""
    begun = dict.fromkeys(loads, 0)
    for _ in range(calls):
        begun[in_order_of_load([(name, "same") for name in sorted(loads)], loads, begun)[0]] += 1
    return begun


def test_figures_are_read_as_the_engines_tell_them() -> None:
    assert read_metrics(vllm()) == {"running": 4, "waiting": 2, "cache_use": 0.2255845942228336, "written": 82}
    assert read_metrics(llama()) == {"running": 8, "waiting": 2, "written": 0}
    odd = 'vllm:num_requests_running{engine="0"} NaN\nllamacpp:requests_processing +Inf\nllamacpp:requests_deferred\n<html>'
    assert read_metrics(odd) == {}


def test_of_one_that_runs_several_inside_calls_are_added_and_the_share_of_the_cache_is_theirs_together() -> None:
    both = read_metrics(vllm(cache_use=0.75) + vllm(cache_use=0.5).replace('engine="0"', 'engine="1"'))
    assert both == {"running": 8, "waiting": 4, "cache_use": 0.625, "written": 164}


def test_of_equal_queues_waiting_calls_then_the_cache_then_the_speed_decide_and_the_rank_at_last() -> None:
    base = told(vllm(running=6, waiting=0, cache_use=0.3), 90.0)
    assert order(y=told(vllm(running=9, waiting=0)), z=told(vllm(running=3, waiting=5))) == "zy", "the queue is first"
    assert order(y=told(vllm(running=4, waiting=2, cache_use=0.1), 900.0), z=base) == "zy", "a call waits there"
    full = told(vllm(running=6, waiting=0, cache_use=0.97), 900.0)
    assert order(y=full, z=base) == "zy", "without room what runs is taken back, however fast"
    nearly = told(vllm(running=6, waiting=0, cache_use=0.28), 50.0)
    assert order(y=nearly, z=base) == "zy", "of about the same room the faster"
    assert order(y=base, z=base) == order(y=told(llama()), z=told(llama())) == "yz"


def test_an_engine_at_rest_is_no_slow_one_and_none_starves() -> None:
    resting, used = told(vllm(running=0, waiting=0, cache_use=0.0), 0.0), told(vllm(0, 0, 0.0), 80.0)
    assert order(y=resting, z=used) == "yz", "what it wrote before says nothing of one that has nothing to do"
    slow, fast = told(vllm(2, 0, 0.9), 10.0), told(vllm(2, 0, 0.1), 500.0)
    assert shares(9, y=slow, z=fast) == {"y": 4, "z": 5}


def test_an_engine_that_tells_nothing_is_taken_for_a_usual_one() -> None:
    low, high = told(vllm(running=2, waiting=0), 10.0), told(vllm(running=8, waiting=4), 900.0)
    assert order(x=SILENT, y=high, z=low) == "zxy", "silence does not win, nor lose"
    assert shares(30, y=SILENT, z=high) == {"y": 15, "z": 15}
    assert shares(30, y=SILENT, z=SILENT) == {"y": 15, "z": 15}
    full, tells_no_cache = told(vllm(running=8, waiting=2, cache_use=0.95)), told(llama())
    roomy = told(vllm(running=8, waiting=2, cache_use=0.15))
    assert order(x=tells_no_cache, y=full, z=roomy) == "zxy"
    ranked = [("x", "same"), ("y", "other"), ("z", "same")]
    assert in_order_of_load(ranked, {"y": low, "z": high}, {}) == ["x", "z", "y"]
    assert in_order_of_load(ranked, {"x": high, "z": low}, {}, {"z"}) == ["x", "y", "z"]
