"""What a patch that a person hands in may look like; looked at before anything is kept of it. Pure; no Django."""

import re

from gpu_workers.unified import HEAD, MOST_DIGITS, Left, head_of, path_in, without_side
from guildhall.kernel.errors import Invalid, TooLarge
from guildhall.kernel.redaction import reveals

MAX_BYTES = 512 * 1024
NAMES = ("--- ", "+++ ", "rename from ", "rename to ", "copy from ", "copy to ")
MODES = ("new file mode ", "new mode ", "deleted file mode ", "old mode ", "index ")
ODD_MODES = ("120000", "160000")
BRANCH = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._/-]{0,119}")


def check_patch(patch: str) -> None:
    """Raises `TooLarge`, and `Invalid` for what is no unified diff of text files, or names files outside of the tree.

    `git diff` and the mails of `git format-patch` are taken, several after one another too. One that adds a secret is
    not; what it takes out, or leaves as it is, may be one.
    """
    size = len(patch.encode("utf-8", "replace"))
    if size > MAX_BYTES:
        raise TooLarge(f"The patch has {size} bytes; at most {MAX_BYTES} are taken. Push a branch, or cut the task.")
    if "\0" in patch:
        raise _wrong("The patch holds bytes that are no text.")
    left, files = Left(0, 0), 0
    brought: list[tuple[int, str]] = []
    for number, line in enumerate(patch.removesuffix("\n").split("\n"), 1):
        if left:
            left.take(line[:1])
            brought += [(number, line[1:])] if line.startswith("+") else []
        elif head := head_of(line):
            # What git writes behind it is a line that the file has already.
            left = head.left()
        elif HEAD.match(line):
            raise _wrong(f"Line {number}: numbers in the head of a hunk have at most {MOST_DIGITS} digits.")
        else:
            brought.append((number, line))
            files += line.startswith(("+++ ", "diff --git "))
            _check_header(number, line)
    if left:
        raise _wrong("The patch ends in the middle of a hunk.")
    if not files:
        raise _wrong("This is no patch: give what git diff or git format-patch writes.")
    _refuse_secrets(brought)


def _refuse_secrets(brought: list[tuple[int, str]]) -> None:
    """Lines that are added, without their sign, and those around the hunks, with their numbers."""
    if reveals("\n".join(line for _, line in brought)):
        lines = [str(number) for number, line in brought if reveals(line)][:5]
        where = f"Line {', '.join(lines)}" if lines else "Something that it adds"
        raise _wrong(f"{where} reads like a secret, which is neither kept nor committed here. Take it out.")


def _check_header(number: int, line: str) -> None:
    if line.startswith(("GIT binary patch", "Binary files ")):
        raise _wrong(f"Line {number}: binary files cannot be handed in as a patch; push a branch for them.")
    if line.startswith(MODES) and line.split()[-1] in ODD_MODES:
        raise _wrong(f"Line {number}: links and submodules are not taken.")
    if line.startswith(NAMES) or line.startswith("diff --git "):
        for name in _names(line):
            parts = name.split("/")
            if name.startswith("/") or ".." in parts or any(part.lower() == ".git" for part in parts):
                raise _wrong(f"Line {number}: {name[:200]!r} lies outside of the repository's files.")


def _names(line: str) -> list[str]:
    if line.startswith("diff --git "):
        return [_plain(word) for word in line.removeprefix("diff --git ").split(" ")]
    name = path_in(next(line.removeprefix(start) for start in NAMES if line.startswith(start)))
    return [] if name is None else [_plain(name)]


def _plain(name: str) -> str:
    return without_side(name.strip().strip('"'))


def check_branch(name: str) -> None:
    """Raises `Invalid` for what is no branch that a person can have pushed work to."""
    if not BRANCH.fullmatch(name) or ".." in name or "//" in name or name.endswith((".lock", "/", ".")):
        raise Invalid(
            "That is no name of a branch.", fields={"branch": ["Give the name of a branch, such as fix-vat."]}
        )
    if name.startswith("guildhall/"):
        problem = "Branches below guildhall/ are the platform's own; push to another one."
        raise Invalid(problem, fields={"branch": [problem]})


def _wrong(problem: str) -> Invalid:
    return Invalid(problem, fields={"patch": [problem]})
