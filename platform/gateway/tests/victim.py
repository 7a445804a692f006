"""A process of its own that asks a model, prints the answer before it is charged, and waits to be killed."""

import json
import sys

import django


def main() -> None:
    django.setup()
    from gateway.calls import Completion, ModelCall
    from gateway.chat import Request
    from gateway.completion import complete
    from guildhall.kernel.actor import system_actor
    from guildhall.kernel.tenancy import tenant_scope

    def keep(completion: Completion) -> None:
        sys.stdout.write(json.dumps(completion.as_dict()) + "\n")
        sys.stdout.flush()
        sys.stdin.read()

    schema = sys.argv[1]
    request = Request(messages=[{"role": "user", "content": "When are returns free?"}], max_tokens=50)
    with tenant_scope(schema):
        complete(
            actor=system_actor("victim", schema),
            model_call=ModelCall(route="test", key="victim", owner="run:318", request=request),
            on_answer=keep,
        )


if __name__ == "__main__":
    main()
