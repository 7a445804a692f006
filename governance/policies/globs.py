"""Globs over paths inside a repository, as a policy writes them: the one matcher that all of the platform asks. Pure.

`*` stands for anything, folders included; `**/` for any number of folders, none included, so that `**/x` is also `x` and
`src/**/x` also `src/x`.
"""

import re
from collections.abc import Sequence
from fnmatch import translate
from functools import lru_cache

FOLDERS = re.compile(r"(?<![^/])\*\*/")


@lru_cache(maxsize=4096)
def _compiled(glob: str, any_case: bool) -> re.Pattern[str]:
    parts = [translate(part).removesuffix(r"\Z").removesuffix(r"\z") for part in FOLDERS.split(glob)]
    # Names of files may hold line ends, which a dot stands for too.
    return re.compile("(?:.*/)?".join(parts) + r"\Z", re.DOTALL | (re.IGNORECASE if any_case else re.NOFLAG))


def matches(path: str, globs: Sequence[str], *, any_case: bool) -> bool:
    """Whether one of `globs` fits `path`: relative, forward slashes, no dots for folders."""
    return any(_compiled(glob, any_case).match(path) for glob in globs)


def covers(path: str, globs: Sequence[str]) -> bool:
    """Whether one of `globs` fits `path` whatever the case, or everything below it: a link may stand for a folder."""
    return matches(path, globs, any_case=True) or matches(f"{path}/", globs, any_case=True)
