"""A process of its own that calls a model from many threads: `python -m gateway.tests.caller SCHEMA PREFIX COUNT`.

Prints a line for each call that came back (its key), and waits for its standard input to close before it ends.
"""

import sys
from concurrent.futures import ThreadPoolExecutor

import django


def ask(schema: str, key: str) -> str:
    """The key when the call was paid for, "" when no budget allowed it."""
    from django.db import connection

    from gateway.completion import ModelCall, complete
    from gateway.wire import Request
    from governance.scopes import Scope, ScopeKind
    from guildhall.kernel.actor import system_actor
    from guildhall.kernel.errors import LimitExceeded
    from guildhall.kernel.tenancy import tenant_scope

    request = Request(messages=[{"role": "user", "content": "When are returns free?"}], max_tokens=200)
    scopes = [Scope(ScopeKind.RUN, key)]
    call = ModelCall(route="storm", key=key, owner=f"run:{key}", request=request, scopes=scopes, timeout_s=60)
    try:
        with tenant_scope(schema):
            complete(actor=system_actor("caller", schema), model_call=call)
            return key
    except LimitExceeded:
        return ""
    finally:
        connection.close()


def main() -> None:
    django.setup()
    schema, prefix, count = sys.argv[1:]
    keys = [f"{prefix}-{number}" for number in range(int(count))]
    with ThreadPoolExecutor(int(count)) as pool:
        for key in pool.map(lambda key: ask(schema, key), keys):
            sys.stdout.write(f"{key or 'refused'}\n")
            sys.stdout.flush()
    sys.stdout.write("done\n")
    sys.stdout.flush()
    from guildhall.kernel.postgres.base import close_pools

    close_pools()


if __name__ == "__main__":
    main()
