"""Timing, judging by ratios, and printing with the load that the machine was under."""

import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import psutil


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured thing: its median and 95th percentile in milliseconds, and the CPU it took per call."""

    name: str
    median_ms: float
    p95_ms: float
    cpu_ms: float

    def line(self) -> str:
        return f"  {self.name:48} {self.median_ms:9.2f} {self.p95_ms:9.2f} {self.cpu_ms:9.2f}"


HEAD = f"  {'':48} {'p50 ms':>9} {'p95 ms':>9} {'CPU ms':>9}"


def measure(name: str, call: Callable[[], object], rounds: int) -> Figure:
    """Call `rounds` times after one call that does not count. The CPU is this process's."""
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


def show(title: str, *figures: Figure) -> None:
    """Print the figures under `title`."""
    print("\n".join([f"\n{title}", HEAD, *(figure.line() for figure in figures)]), flush=True)


def judge(what: str, value: float, *, at_least: float | None = None, at_most: float | None = None) -> None:
    """Print a ratio, its bar, and whether it is met."""
    bar, met = "none, for comparison", ""
    if at_least is not None:
        bar, met = f"at least {at_least:g}", "met" if value >= at_least else "NOT MET"
    if at_most is not None:
        bar, met = f"at most {at_most:g}", "met" if value <= at_most else "NOT MET"
    print(f"  {what:48} {value:9.2f}   bar: {bar}   {met}".rstrip(), flush=True)


class Load:
    """What others took of the machine while something was measured."""

    def __init__(self) -> None:
        self._busy, self._own, self._began = _busy(), _own(), time.monotonic()

    def line(self) -> str:
        """The load average, and the share of all cores that processes which are not ours took meanwhile, in percent."""
        cores = os.cpu_count() or 1
        seconds = (time.monotonic() - self._began) * cores
        foreign = max(0.0, (_busy() - self._busy) - (_own() - self._own))
        return (
            f"  load {os.getloadavg()[0]:.1f} on {cores} cores, {foreign / seconds:.0%} of the machine taken by others"
        )


def _busy() -> float:
    times = psutil.cpu_times()
    return float(times.user + times.nice + times.system + times.irq + times.softirq)


def _own() -> float:
    """CPU seconds of this process and of everything it started, what has ended included."""
    total = 0.0
    me = psutil.Process()
    for process in (me, *me.children(recursive=True)):
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system + times.children_user + times.children_system
    return total
