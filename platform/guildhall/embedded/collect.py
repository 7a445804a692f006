"""Collecting the static files: `python -m guildhall.embedded.collect`."""

import django
from django.core.management import call_command

from guildhall.embedded.static import STAMP, fingerprint


def main() -> None:
    found = fingerprint()
    django.setup()
    call_command("collectstatic", interactive=False, clear=True, verbosity=0)
    STAMP.write_text(found)


if __name__ == "__main__":
    main()
