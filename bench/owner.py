"""Run as the database's owner: for each number read, make a schema by its migrations and print the milliseconds."""

import os
import sys
import time

import psycopg


def main() -> None:
    os.environ["GUILDHALL_DB_LOGIN"] = "owner"
    import django

    django.setup()
    from django.conf import settings
    from django.core.management import call_command

    for number in sys.stdin:
        schema = f"org_migrated{int(number)}"
        began = time.perf_counter()
        with psycopg.connect(settings.DATABASE_ADMIN_URL, autocommit=True) as db:
            db.execute(f'CREATE SCHEMA "{schema}"'.encode())
        call_command("migrate_schemas", schema_name=schema, verbosity=0)
        print((time.perf_counter() - began) * 1000, flush=True)


if __name__ == "__main__":
    main()
