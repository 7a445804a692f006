"""`python -m tests.sabotage [--only NAME] [--at-once N]`: break the code on purpose and see that the named tests notice.

Each patch beside this file is applied to a copy of the tree; the tests that `manifest.toml` names for it must fail there.
Tests that pass, tests that cannot be collected, and patches that do not apply any more are all failures.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

from tests.support.clusters import SHAPE, shape

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
CLUSTERS = ROOT / "var" / "test-clusters"
TESTS_FAILED = 1
"""Pytest's exit code when tests ran and some failed; others mean that they did not run."""

SECONDS = 300
AT_ONCE = 2
"""Each has a copy of the tree, a database and a Redis of its own; a lone one waits for them half of the time. Of more, each would
get on too slowly to be believed.
"""
NOT_NEEDED = ("cacheprovider", "schemathesis", "hypothesispytest")
"""Plugins of pytest that no named test needs; the latter two take long to load."""
PATCHED = re.compile(r"^(?:---|\+\+\+) [ab]/(\S+)", re.MULTILINE)
MIGRATIONS = re.compile(r"^\+\+\+ b/\S*/migrations/", re.MULTILINE)
LOADED_BEFORE = "ignore::pytest.PytestAssertRewriteWarning"
"""Of what is preloaded pytest cannot rewrite the assertions any more; none of it is a test."""
PROBE = "import guildhall.kernel, tenants, tests; print(*(m.__path__[0] for m in (guildhall.kernel, tenants, tests)))"


class NoticedNothing(Exception):
    """A sabotage went through, or could not be tried."""


@contextmanager
def copy_of_the_tree() -> Iterator[Path]:
    """Tracked and new files (not the ignored ones) in a temporary folder, with what Python has compiled of them."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    folder = Path(tempfile.mkdtemp(prefix="guildhall-sabotage-"))
    folder.chmod(0o755)
    try:
        for name in filter(None, listed.stdout.split("\0")):
            if (ROOT / name).is_file():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, folder / name)
        for compiled in {(ROOT / name).parent / "__pycache__" for name in listed.stdout.split("\0")}:
            if compiled.is_dir():  # bears the times of its sources, so that a sabotaged one is compiled anew
                shutil.copytree(compiled, folder / compiled.relative_to(ROOT), dirs_exist_ok=True)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def environment(folder: Path) -> dict[str, str]:
    """Both source roots of the copy come before the editable install's; migrated clusters of the same shape are shared."""
    return {
        **os.environ,
        "PYTHONPATH": f"{folder}{os.pathsep}{folder / 'platform'}",
        "GUILDHALL_TEST_CLUSTERS": str(CLUSTERS),
    }


def check_imports(folder: Path) -> None:
    """Raises `NoticedNothing` when Python would import the real tree instead of the copy."""
    run = subprocess.run(
        [sys.executable, "-c", PROBE], cwd=folder, env=environment(folder), capture_output=True, text=True, check=False
    )
    if run.returncode or any(not Path(found).is_relative_to(folder) for found in run.stdout.split()):
        raise NoticedNothing(f"imports do not come from the copy: {run.stdout}{run.stderr}")


@contextmanager
def applied(patch: Path, folder: Path) -> Iterator[None]:
    """With `patch` in the copy. Raises `NoticedNothing` when it does not fit.

    Files are put back as they were, and not by the patch: without lines around a hunk, git takes it back where its number says.
    """
    files = [folder / name for name in sorted(set(PATCHED.findall(patch.read_text())))]
    before = {file: (file.read_bytes(), file.stat().st_mtime_ns) for file in files if file.is_file()}
    try:
        run = subprocess.run(
            ["git", "apply", "--unidiff-zero", "--whitespace=nowarn", str(patch)],
            cwd=folder, env={**os.environ, "GIT_CEILING_DIRECTORIES": str(folder.parent)},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if run.returncode:
            raise NoticedNothing(f"the patch does not apply: {run.stderr.strip()}")
        yield
    finally:
        for file in files:
            if file not in before:
                file.unlink(missing_ok=True)
        for file, (content, when) in before.items():
            file.write_bytes(content)
            os.utime(file, ns=(when, when))


@dataclass(frozen=True, slots=True)
class Slot:
    """A copy of the tree, and the process that runs its tests; see `preloaded`."""

    folder: Path
    tests: subprocess.Popen[str]

    def run(self, tests: list[str], log: Path, more: dict[str, str]) -> str:
        """Run `tests` with `more` in their environment, their output in `log`: pytest's exit code, or "late"."""
        options = ["-q", "--no-header", "-W", LOADED_BEFORE, *(f"-pno:{name}" for name in NOT_NEEDED)]
        options += ["-x"] if len(tests) == 1 else []
        request = {"arguments": [*tests, *options], "log": str(log), "seconds": SECONDS, "environment": more}
        assert self.tests.stdin is not None
        assert self.tests.stdout is not None
        self.tests.stdin.write(json.dumps(request) + "\n")
        self.tests.stdin.flush()
        ended: str = self.tests.stdout.readline().strip()
        return ended


@contextmanager
def slot() -> Iterator[Slot]:
    """Raises `NoticedNothing` when the tests would be those of the real tree."""
    with copy_of_the_tree() as folder:
        check_imports(folder)
        command = [sys.executable, "-P", str(HERE / "preloaded.py")]
        with subprocess.Popen(
            command, cwd=folder, env=environment(folder), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as tests:
            assert tests.stdout is not None
            if tests.stdout.readline() != "ready\n":
                raise NoticedNothing("the process that runs the tests did not start")
            yield Slot(folder, tests)


def try_one(patch: Path, tests: list[str], slot: Slot) -> None:
    """Run `tests` in the sabotaged copy. Raises `NoticedNothing` unless each of them fails."""
    log = slot.folder / "sabotage.log"
    # What does its harm when it runs does it on the cluster that the tree as it is has made.
    kept = CLUSTERS / shape()
    more = {SHAPE: kept.name} if kept.is_dir() and not MIGRATIONS.search(patch.read_text()) else {}
    with applied(patch, slot.folder):
        ended = slot.run(tests, log, more)
        if ended == "late":
            raise NoticedNothing(f"{tests} did not end within {SECONDS} s")
        said = log.read_text(errors="replace").splitlines()
        passed = [test for test in tests if not any(line.startswith(f"FAILED {test}") for line in said)]
        if ended != str(TESTS_FAILED) or passed:
            raise NoticedNothing(f"{passed or tests} did not fail (exit {ended}):\n" + "\n".join(said[-15:]))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.sabotage")
    parser.add_argument("--only", help="one sabotage by its name")
    parser.add_argument("--at-once", type=int, choices=(1, AT_ONCE), default=AT_ONCE, help="how many at a time")
    asked = parser.parse_args()
    only: str | None = asked.only
    manifest: dict[str, list[str]] = tomllib.loads((HERE / "manifest.toml").read_text())["sabotage"]
    patches = {patch.stem: patch for patch in sorted(HERE.glob("*.patch"))}
    problems = dict.fromkeys(manifest.keys() - patches.keys(), "no patch of that name")
    problems |= dict.fromkeys(patches.keys() - manifest.keys(), "the manifest names no test for it")
    if only is not None and only not in patches:
        parser.error(f"no sabotage {only!r}; there are {', '.join(patches)}")
    chosen = [name for name in manifest if name in patches and only in (None, name)]
    with ExitStack() as stack:
        slots: SimpleQueue[Slot] = SimpleQueue()
        for _ in range(min(asked.at_once, len(chosen))):
            slots.put(stack.enter_context(slot()))

        def tried(name: str) -> str | None:
            free = slots.get()
            try:
                try_one(patches[name], manifest[name], free)
            except NoticedNothing as problem:
                return str(problem)
            finally:
                slots.put(free)
            print(f"{name}: noticed", flush=True)
            return None

        outcomes = dict(zip(chosen, ThreadPoolExecutor(asked.at_once).map(tried, chosen), strict=True))
    problems |= {name: problem for name, problem in outcomes.items() if problem is not None}
    noticed = list(outcomes.values()).count(None)
    if only is not None:
        problems = {name: problem for name, problem in problems.items() if name == only}
    for name, said in problems.items():
        print(f"{name}: {said}")
    print(f"{noticed} passed, {len(problems)} failed")
    return 1 if problems or not noticed else 0


if __name__ == "__main__":
    sys.exit(main())
