"""What a process of its own does that calls a model from many threads."""

from concurrent.futures import ThreadPoolExecutor
from typing import TextIO

from django.db import connection

from gateway.calls import ModelCall
from gateway.chat import Request
from gateway.completion import complete
from governance.scopes import Scope, ScopeKind
from guildhall.kernel.actor import system_actor
from guildhall.kernel.errors import LimitExceeded
from guildhall.kernel.tenancy import tenant_scope


def ask(schema: str, key: str) -> str:
    """The key when the call was paid for, "" when no budget allowed it."""
    request = Request(messages=[{"role": "user", "content": f"When are returns free? ({key})"}], max_tokens=200)
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


def ask_often(schema: str, prefix: str, count: int, out: TextIO) -> None:
    """Call as often as `count` at once; a line for each call that came back (its key, or "refused"), and "done"."""
    keys = [f"{prefix}-{number}" for number in range(count)]
    with ThreadPoolExecutor(count) as pool:
        for key in pool.map(lambda key: ask(schema, key), keys):
            out.write(f"{key or 'refused'}\n")
    out.write("done\n")
