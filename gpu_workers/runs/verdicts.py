"""What is said of a commit that CI did not take: said as CI came to it, which may be to nothing. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from gpu_workers.ci import CIStatus
from gpu_workers.wording import one_line

LONGEST_WHY = 200
JUDGED = (CIStatus.PASSED, CIStatus.FAILED)


@dataclass(frozen=True, slots=True)
class Judged:
    """What one attempt came to: CI's `status`, "" where there was nothing for it to run on; and what was wrong, in words."""

    status: str
    problem: str


def why_given_up(attempts: Sequence[Judged]) -> str:
    """One sentence on all attempts, the first of which was no mending yet."""
    asked = [one for one in attempts if one.status]
    mending = len(attempts) - 1
    if not asked:
        return f"CI never ran{_counted(len(attempts), ', in {} attempts')}: {_first(attempts[-1].problem)}"
    if asked[-1].status in JUDGED:
        return f"CI is still red after {mending} attempt{'' if mending == 1 else 's'} to fix it."
    judged = [number for number, one in enumerate(asked, 1) if one.status in JUDGED]
    times = len(asked) - max(judged, default=0)
    return f"CI came to no verdict{_counted(times, ', {} times')}: {_last(asked[-1].problem)}"


def not_green(status: str, log: str, where: str) -> str:
    """What CI came to on a commit that it did not pass, without a full stop; `where` says which, such as "on 1a2b3c"."""
    return f"CI is red {where}" if status in JUDGED else f"CI came to no verdict {where}: {_last(log).rstrip('.')}"


def _counted(number: int, words: str) -> str:
    return words.format(number) if number > 1 else ""


def _first(text: str) -> str:
    """Our own sentence comes first, what an agent said of it after that."""
    return one_line(text, LONGEST_WHY)


def _last(log: str) -> str:
    """The end of a log says how it ended."""
    said = [line for line in log.splitlines() if line.strip()]
    return one_line(said[-1].strip("[] "), LONGEST_WHY) if said else "it wrote nothing."
