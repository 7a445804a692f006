#!/usr/bin/env python
"""Guildhall's command line."""

import os
import sys
from pathlib import Path

from guildhall.embedded.running import adopt_environment
from guildhall.kernel.loading import collector_at_rest

OWNER_COMMANDS = {"migrate_platform"}
"""Commands that run as the database's owner; everything else runs as the application's login."""


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "guildhall.settings")
    if len(sys.argv) > 1 and sys.argv[1] in OWNER_COMMANDS:
        os.environ["GUILDHALL_DB_LOGIN"] = "owner"
    # A command given in a shell works on the stack that `make up` runs, unless the shell names a database.
    adopt_environment(Path(os.environ.get("GUILDHALL_VAR", Path(__file__).parent / "var")))
    import django
    from django.conf import settings
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line

    with collector_at_rest():
        try:
            known = bool(settings.INSTALLED_APPS)
        except ImproperlyConfigured:  # which the commands that need settings say
            known = False
        if known:
            django.setup()
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
