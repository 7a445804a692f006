"""The diff of a change as people see it: on pages, through the API, and where they remark on its lines."""

from gpu_workers.folders import repository_folder
from gpu_workers.repos import DiffLimits, FileDiff, GitError, diff
from guildhall.kernel.errors import Unavailable
from guildhall.kernel.tenancy import release_connection

SHOWN = DiffLimits(file_bytes=64 * 1024, total_bytes=512 * 1024, files=200)
"""What is not shown can be said nothing of, so there is one limit for both."""


def shown_diff(repository: str, base: str, head: str) -> list[FileDiff]:
    """What changed between two commits of a repository, within `SHOWN`. The database connection is given back meanwhile.

    Raises `Unavailable` where the repository does not have them, or git cannot hold what differs.
    """
    folder = repository_folder(repository)
    release_connection()
    try:
        return diff(folder, base, head, SHOWN)
    except GitError as trouble:
        raise Unavailable("The change's diff cannot be read now.") from trouble
