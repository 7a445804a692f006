#!/usr/bin/env python
"""Guildhall's command line."""

import os
import sys
from pathlib import Path

from guildhall.embedded.running import adopt_environment

OWNER_COMMANDS = {"migrate_platform"}
"""Commands that run as the database's owner; everything else runs as the application's login."""


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "guildhall.settings")
    if len(sys.argv) > 1 and sys.argv[1] in OWNER_COMMANDS:
        os.environ["GUILDHALL_DB_LOGIN"] = "owner"
    # A command given in a shell works on the stack that `make up` runs, unless the shell names a database.
    adopt_environment(Path(os.environ.get("GUILDHALL_VAR", Path(__file__).parent / "var")))
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
