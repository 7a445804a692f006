"""Run a program as another user that dies with its parent.

Use: `python -I -S guard.py PARENT SIGNAL UID GID PROGRAM [ARGUMENT...]`.

The kernel forgets the wish to die with the parent when a process changes its user, so the user is changed first. This
file is run by path and imports only the standard library: it must work in any folder and start in milliseconds.
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1
PR_SET_NAME = 15
KEEP = -1


def die_with(parent: int, signal_number: int) -> None:
    """Ask the kernel to send `signal_number` to this process when process `parent`, which started it, ends."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, signal_number, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent:
        sys.exit("the parent ended before the guard was up")


def rename(name: str) -> None:
    """Call this process `name` (15 bytes of it) where processes are listed by name."""
    ctypes.CDLL(None).prctl(PR_SET_NAME, name.encode()[:15], 0, 0, 0)


def main(arguments: list[str]) -> None:
    parent, signal_number, uid, gid = (int(argument) for argument in arguments[:4])
    if uid != KEEP:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    die_with(parent, signal_number)
    os.execv(arguments[4], arguments[4:])  # noqa: S606  the point is to become this program, without a shell


if __name__ == "__main__":
    main(sys.argv[1:])
