"""Fail where what is committed is not what the code makes of itself: `python -m tests.support.drift`.

Migrations and the API's description in one process, as starting Django is most of the work. No database is asked.
"""

import difflib
import os
import sys
import warnings
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "docs" / "reference" / "openapi.yaml"
MADE = ROOT / "var" / "openapi.yaml"
ENVIRONMENT = {
    "DJANGO_SETTINGS_MODULE": "guildhall.settings",
    "SECRET_KEY": "only-for-drift-0123456789-0123456789-0123456789",
    # Django looks for a history of migrations. The owner's login has no pool, which would look for a server for long.
    "GUILDHALL_DB_LOGIN": "owner",
    "DATABASE_ADMIN_URL": "postgresql://nobody@127.0.0.1:1/nowhere",
}


def migrations_are_complete() -> bool:
    from django.core.management import call_command

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Got an error checking a consistent migration history", RuntimeWarning)
        try:
            call_command("makemigrations", check_changes=True, dry_run=True)
        except SystemExit:
            return False
    return True


def description_is_committed() -> bool:
    """Whether the API's description is valid, without warnings, and the committed one; the new one stays in `var`."""
    from django.core.management import CommandError, call_command

    MADE.parent.mkdir(parents=True, exist_ok=True)
    try:
        call_command("spectacular", validate=True, fail_on_warn=True, file=str(MADE))
    except CommandError as error:
        print(error)
        return False
    before, after = (path.read_text().splitlines(keepends=True) for path in (REFERENCE, MADE))
    changes = list(difflib.unified_diff(before, after, str(REFERENCE), str(MADE)))
    sys.stdout.writelines(changes)
    if changes:
        print(f"Write it anew: manage.py spectacular --file {REFERENCE.relative_to(ROOT)}")
    return not changes


def main() -> int:
    os.environ.update(ENVIRONMENT)
    import django

    from guildhall.kernel.loading import collector_at_rest

    with collector_at_rest():
        django.setup()
    found = [migrations_are_complete(), description_is_committed()]
    return int(not all(found))


if __name__ == "__main__":
    sys.exit(main())
