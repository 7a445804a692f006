"""What CI of a repository may take: what its project says, within what the installation allows."""

from collections.abc import Mapping
from dataclasses import dataclass

from django.conf import settings

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Limit:
    """One of them. `setting` is the installation's, in units of `size` bytes or seconds; `least` what a project may say."""

    name: str
    label: str
    unit: str
    setting: str
    size: int
    least: int

    @property
    def most(self) -> int:
        """The installation's own: the most that a project may say, and what holds where it says nothing."""
        return int(getattr(settings, self.setting)) // self.size

    @property
    def accepted(self) -> str:
        return f"{self.least} to {self.most} {self.unit}"


LIMITS = (
    Limit("seconds", "Time", "seconds", "COMMAND_SECONDS", 1, 10),
    Limit("cpu_seconds", "Processor time of each process", "seconds", "COMMAND_CPU_SECONDS", 1, 10),
    Limit("memory_mib", "Memory of all processes", "MiB", "COMMAND_MEMORY", MIB, 256),
    Limit("disk_mib", "Disk", "MiB", "COMMAND_DISK", MIB, 64),
)


def said(given: Mapping[str, int | None]) -> dict[str, int]:
    """What is kept of limits that somebody gives: none of those that are the installation's."""
    return {name: value for name, value in given.items() if value is not None}


def wrong_with(given: Mapping[str, int | None]) -> dict[str, str]:
    """What is wrong with limits that somebody gives, by name."""
    named = {limit.name: limit for limit in LIMITS}
    problems = {}
    for name, value in said(given).items():
        limit = named.get(name)
        if limit is None:
            problems[name[:40]] = f"There is no such limit; there are {', '.join(named)}."
        elif not limit.least <= value <= limit.most:
            problems[name] = (
                f"{limit.label}: give {limit.accepted}, or nothing for the {limit.most} of this installation."
            )
    return problems


def tightest(rows: list[dict[str, int]]) -> dict[str, int]:
    """What holds where several projects say something of one repository, never more than the installation allows."""
    held = {
        limit.name: min((row[limit.name] for row in rows if limit.name in row), default=limit.most) for limit in LIMITS
    }
    return {limit.name: min(held[limit.name], limit.most) for limit in LIMITS}
