"""The shape of the repository, as ARCHITECTURE asks for it."""

import importlib.util
import platform
import re
import subprocess
import sysconfig
from pathlib import Path

import pytest

pytestmark = pytest.mark.unit

REPOSITORY = Path(__file__).resolve().parents[1]
OUR_NAMES = {
    "guildhall": "platform/guildhall",
    "gateway": "platform/gateway",
    "tenants": "tenants",
    "governance": "governance",
    "workflows": "workflows",
    "gpu_workers": "gpu_workers",
    "tests": "tests",
}
OTHERS_FILES = re.compile(r"^(platform/guildhall/demo|gpu_workers/suite)/repositories/")
"""Repositories that agents work on: their layout is their own."""
LONGEST_FILE = 300
LONGEST_TEST = 400
"""Modules of tests may be longer: one list of attacks reads better in one place."""
MARKED = re.compile(r"mark\.(unit|integration|e2e)\b")
GENERATED = re.compile(r"(/migrations/|^requirements/|^static/src/vendor/|^docs/reference/|\.svg$|\.woff2$)")
LEFT_FOR_LATER = re.compile(r"\b(TO" r"DO|FIX" r"ME|X" r"XX|HA" r"CK)\b")
MACHINE_PATHS = re.compile(r"(?<![\w.])/(work/(main|shared)|root/\w\w|opt/\w\w)|/tmp/plan|\.library/")
PATH_TRICKS = re.compile(r"sys\.path\.(insert|append|extend)|sys\.path\s*\+?=")


def files(*endings: str) -> list[str]:
    """Tracked and new files of the repository with one of the endings, relative to it."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout.splitlines()
    return [name for name in listed if name.endswith(endings) and (REPOSITORY / name).is_file()]


def text(name: str) -> str:
    return (REPOSITORY / name).read_text()


def test_platform_is_the_standard_librarys() -> None:
    assert Path(platform.__file__).parent == Path(sysconfig.get_path("stdlib"))


@pytest.mark.parametrize(("name", "folder"), OUR_NAMES.items())
def test_our_names_resolve_in_this_checkout(name: str, folder: str) -> None:
    spec = importlib.util.find_spec(name)
    assert spec is not None
    assert spec.origin is not None, f"{name} is a namespace package"
    assert Path(spec.origin).parent == REPOSITORY / folder


@pytest.mark.parametrize("name", ["__init__.py", "conftest.py"])
def test_platform_is_a_source_root_and_no_package(name: str) -> None:
    assert not (REPOSITORY / "platform" / name).exists()


def test_every_package_says_so() -> None:
    """A folder of modules without `__init__.py` would be found by chance or not at all."""
    roots = tuple(f"{folder}/" for folder in OUR_NAMES.values())
    folders = {Path(name).parent for name in files(".py") if name.startswith(roots) and not OTHERS_FILES.search(name)}
    assert [str(folder) for folder in sorted(folders) if not (REPOSITORY / folder / "__init__.py").exists()] == []


def test_no_file_is_longer_than_one_can_take_in() -> None:
    sizes = {name: text(name).count("\n") for name in files(".py", ".html", ".js") if not GENERATED.search(name)}
    tests = re.compile(r"(^|/)tests/")
    allowed = {name: LONGEST_TEST if tests.search(name) else LONGEST_FILE for name in sizes}
    assert {name: size for name, size in sizes.items() if size > allowed[name]} == {}


def test_each_file_of_tests_says_what_it_needs() -> None:
    """Without a mark `make test` runs it, and neither of its parts does."""
    ours = [name for name in files(".py") if Path(name).name.startswith("test_") and not OTHERS_FILES.search(name)]
    unmarked = [name for name in ours if not MARKED.search(text(name))]
    assert [name for name in unmarked if not name.startswith("tests/vllm/")] == []


def test_nothing_is_left_for_later() -> None:
    written = files(".py", ".html", ".js", ".css", ".toml", ".md", "Makefile", "run")
    found = [name for name in written if not GENERATED.search(name) and LEFT_FOR_LATER.search(text(name))]
    assert found == []


def test_no_import_path_is_tampered_with() -> None:
    own = Path(__file__).relative_to(REPOSITORY).as_posix()
    assert [name for name in files(".py") if name != own and PATH_TRICKS.search(text(name))] == []


def test_nothing_names_a_path_of_one_machine() -> None:
    own = Path(__file__).relative_to(REPOSITORY).as_posix()
    written = files(".py", ".html", ".js", ".toml", ".txt", ".in", ".md", ".yml", ".yaml", "Makefile", "run")
    assert [name for name in written if name != own and MACHINE_PATHS.search(text(name))] == []


def test_locks_have_hashes_and_no_addresses() -> None:
    for lock in files(".txt"):
        if lock.startswith("requirements/"):
            pinned = re.findall(r"^\S+==\S+", text(lock), re.MULTILINE)
            assert pinned
            assert text(lock).count("--hash=sha256:") >= len(pinned), lock
            assert not re.search(r"https?://|--index-url|--find-links", text(lock)), lock
