"""What goes into the sandbox and what comes out of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

MIB = 1024 * 1024
OUTPUT_FACTOR = 16

ENVIRONMENT_ALLOWED = frozenset(
    {"CI", "LANG", "LC_ALL", "NO_COLOR", "PYTHONHASHSEED", "PYTHONPATH", "SOURCE_DATE_EPOCH", "TERM", "TZ"}
)


class SandboxUnavailable(RuntimeError):
    """No usable sandbox on this host: the command was not run. The message names the reason."""


class WallKind(StrEnum):
    """What isolates commands."""

    BUBBLEWRAP = "bubblewrap"
    PODMAN = "podman"


class KilledBy(StrEnum):
    """Why a command did not end by itself."""

    WALL = "wall"
    CPU = "cpu"
    MEMORY = "memory"
    DISK = "disk"
    PROCESSES = "processes"
    OUTPUT = "output"
    CANCEL = "cancel"


@dataclass(frozen=True, slots=True)
class SandboxLimits:
    """Hard limits of one command.

    Seconds for `cpu_s` (per process) and `wall_s`; bytes for `memory` (what all processes hold together, and what each
    may have to write to unless `data` says another; addresses that are only reserved count for nothing), `file_size` (one
    file), `disk` (what the workspace may grow by, with files without a name that are held), `scratch` (/tmp), `output`
    (kept; sixteen times as much ends the command) and `live` (of it, handed on as it comes); counts for `processes`,
    `open_files` and `entries` (what the workspace may grow by). However it grew before: no workspace holds more than
    `tree` and `tree_entries`, which are what a checkout may have, and once what a command may add.
    """

    cpu_s: int = 120
    wall_s: float = 300.0
    memory: int = 2048 * MIB
    processes: int = 128
    open_files: int = 512
    file_size: int = 128 * MIB
    disk: int = 512 * MIB
    entries: int = 100_000
    tree: int = 2048 * MIB
    tree_entries: int = 200_000
    scratch: int = 128 * MIB
    output: int = 1 * MIB
    live: int = 256 * 1024
    data: int = 0

    @property
    def most_output(self) -> int:
        """Bytes of output that end the command."""
        return OUTPUT_FACTOR * self.output

    def ended_by(self, limit: KilledBy) -> str:
        """In words: which limit ended a command, and what it allows."""
        allowed = {
            KilledBy.WALL: f"{self.wall_s:g} seconds",
            KilledBy.CPU: f"{self.cpu_s} seconds of processor time of each process",
            KilledBy.MEMORY: f"{self.memory // MIB} MiB for all processes together",
            KilledBy.DISK: f"{self.disk // MIB} MiB and {self.entries:,} files and folders may be added",
            KilledBy.PROCESSES: f"{self.processes} processes and threads",
            KilledBy.OUTPUT: f"{self.most_output // 1024} KiB of output",
        }
        return f"ended by the {limit} limit{f': {allowed[limit]}' if limit in allowed else ''}"

    def spoiled(self, result: SandboxResult) -> str:
        """In words: the limit for which what a command said is not whole; "" where none is in the way."""
        if result.killed_by is not None:
            return self.ended_by(result.killed_by)
        return f"it said more than the {self.output // 1024} KiB that are kept" if result.truncated else ""

    @property
    def most_data(self) -> int:
        """Memory that one process may have to write to, as the kernel counts it when it is asked for."""
        return self.data or self.memory


@dataclass(frozen=True, slots=True)
class RootInside:
    """The command is root of a user namespace of its own, for a builder of images, and cannot make another one.

    `first` is the user and group of the host that are 0 inside, `count` how many follow; the workspace belongs to `first`.
    Nothing that has to stay readable may belong to others than everybody. `shown` are folders of the host by the absolute
    place at which they appear, read-only.
    """

    first: int
    count: int
    shown: Mapping[str, Path] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SandboxCommand:
    """One command. A string goes to `/bin/sh -c`; a sequence is executed as it stands.

    `workspace` is the only writable folder of the host and appears as /workspace. `git_dir`, where given, appears
    read-only as /workspace/.git. `env` may only name variables of `ENVIRONMENT_ALLOWED`. `programs` are files of the
    host that appear read-only as /programs/NAME. Without `root`, the command has no privilege even inside.
    `door` is a Unix socket of the host at which a proxy answers: what the command finds in HTTP_PROXY leads there. There is no
    network beside it, and none at all without it.
    """

    argv: str | Sequence[str]
    workspace: Path
    env: Mapping[str, str] = field(default_factory=dict)
    limits: SandboxLimits = field(default_factory=SandboxLimits)
    git_dir: Path | None = None
    programs: Mapping[str, Path] = field(default_factory=dict)
    root: RootInside | None = None
    door: Path | None = None

    def __post_init__(self) -> None:
        refused = sorted(set(self.env) - ENVIRONMENT_ALLOWED)
        if refused:
            raise ValueError(f"Environment variables {', '.join(refused)} are not on the sandbox's allow-list.")
        if self.door is not None and self.root is not None:
            raise ValueError("What is root inside has no network.")
        if not self.argv:
            raise ValueError("The command is empty.")
        words = [self.argv] if isinstance(self.argv, str) else self.argv
        if any("\0" in word for word in (*words, *self.env.values())):
            raise ValueError("A command cannot contain a NUL character.")

    @property
    def words(self) -> list[str]:
        return ["/bin/sh", "-c", self.argv] if isinstance(self.argv, str) else list(self.argv)


@dataclass(frozen=True, slots=True)
class SandboxResult:
    """The end of one command. `exit_code` is None where it was killed; `output` is stdout and stderr together."""

    exit_code: int | None
    output: str
    truncated: bool
    timed_out: bool
    killed_by: KilledBy | None
    duration_s: float

    @property
    def ok(self) -> bool:
        return self.exit_code == 0 and self.killed_by is None


@dataclass(frozen=True, slots=True)
class SandboxSettings:
    """How this host sandboxes.

    As root, commands run as `uid`:`gid`, which must reach the workspaces; an ordinary user's run as that user.
    `runtime` is a folder that `uid` can reach, where a bwrap binary from an unreachable environment is copied to.
    `read_only` lists more host paths to show, at the same place, read-only. `walls` says what isolates commands. A container
    engine shows them the system of `image`, one of those in its store `images`, in place of the host's.
    """

    uid: int = 65534
    gid: int = 65534
    bwrap: Path | None = None
    runtime: Path | None = None
    read_only: tuple[Path, ...] = ()
    walls: WallKind = WallKind.BUBBLEWRAP
    image: str = ""
    images: Path = Path("/var/lib/containers/storage")
