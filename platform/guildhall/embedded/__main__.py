"""`python -m guildhall.embedded up|down|status`; `make up` and `make down` call it."""

import argparse
import logging
import os
import sys
from pathlib import Path

from guildhall.embedded import up
from guildhall.embedded.static import REPOSITORY

DEFAULT_PORT = 8000


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m guildhall.embedded")
    parser.add_argument("command", choices=("up", "down", "status"))
    parser.add_argument("--detach", action="store_true", help="return once everything is ready")
    parser.add_argument("--port", type=int, default=int(os.environ.get("PORT") or DEFAULT_PORT))
    parser.add_argument("--var", type=Path, default=Path(os.environ.get("GUILDHALL_VAR") or REPOSITORY / "var"))
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    var = options.var.resolve()
    if options.command == "down":
        return up.down(var)
    if options.command == "status":
        return up.status(var)
    return up.up_detached(var, options.port) if options.detach else up.up(var, options.port)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
