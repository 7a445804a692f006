"""Run as the database's owner: make schemas by their migrations and print how long each took, in milliseconds."""

import os
import sys
import time

import psycopg


def main(rounds: int) -> None:
    os.environ["GUILDHALL_DB_LOGIN"] = "owner"
    import django

    django.setup()
    from django.conf import settings
    from django.core.management import call_command

    for number in range(rounds):
        schema = f"org_migrated{number}"
        began = time.perf_counter()
        with psycopg.connect(settings.DATABASE_ADMIN_URL, autocommit=True) as db:
            db.execute(f'CREATE SCHEMA "{schema}"'.encode())
        call_command("migrate_schemas", schema_name=schema, verbosity=0)
        print((time.perf_counter() - began) * 1000, flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]))
