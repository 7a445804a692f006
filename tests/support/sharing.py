"""Who of xdist's processes does what."""

import os
from argparse import Namespace


def only_hands_out(options: Namespace) -> bool:
    """Whether this process runs no test itself: xdist's controller, whose workers each have servers and counts of their own."""
    return bool(getattr(options, "numprocesses", None)) and "PYTEST_XDIST_WORKER" not in os.environ
