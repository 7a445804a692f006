"""What of an error is the machine's, and says nothing of what it was doing."""

import errno

OF_THE_MACHINE = frozenset(
    (errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN, errno.EIO, errno.EROFS)
)
"""A full disk, no more memory, processes or open files, a disk that fails."""
