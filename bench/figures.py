"""Timing and printing."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured thing: its median and 95th percentile in milliseconds, and the CPU it took per call."""

    name: str
    median_ms: float
    p95_ms: float
    cpu_ms: float

    def line(self) -> str:
        return f"  {self.name:44} {self.median_ms:9.2f} {self.p95_ms:9.2f} {self.cpu_ms:9.2f}"


HEAD = f"  {'':44} {'p50 ms':>9} {'p95 ms':>9} {'CPU ms':>9}"


def measure(name: str, call: Callable[[], object], rounds: int) -> Figure:
    """Call `rounds` times after one call that does not count."""
    call()
    took = []
    cpu = time.process_time()
    for _ in range(rounds):
        began = time.perf_counter()
        call()
        took.append((time.perf_counter() - began) * 1000)
    cpu_ms = (time.process_time() - cpu) * 1000 / rounds
    return of(name, took, cpu_ms)


def of(name: str, took_ms: list[float], cpu_ms: float = 0.0) -> Figure:
    """The figure of times that were measured elsewhere."""
    ordered = sorted(took_ms)
    return Figure(name, statistics.median(ordered), ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))], cpu_ms)


def show(title: str, ours: Figure, peer: Figure, *, wanted: str) -> None:
    """Print both and their ratio."""
    ratio = peer.median_ms / ours.median_ms if ours.median_ms else float("inf")
    print(f"{title}\n{HEAD}\n{ours.line()}\n{peer.line()}")
    print(f"  {'peer / ours, p50':44} {ratio:9.2f}   wanted: {wanted}\n")
