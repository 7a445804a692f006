"""The one way to a model: wait for a place, reserve the worst case, call without holding the database, charge what it cost.

A call is charged also when it was cancelled, cut or interrupted; it costs nothing only when no provider began to answer.
A process that dies in between leaves a reservation that runs out, and what had come of its answer is charged (`noting.py`).
`on_answer` is told the answer before it is charged, so that a caller who keeps it can go on after a crash: it repeats
`charge` for a stored answer, which charges only once.
"""

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any
from uuid import UUID

from gateway.asking import Caller, ask
from gateway.calls import Completion, ModelCall, hash_of
from gateway.chat import Request
from gateway.clean import clean_request
from gateway.events import ModelCalled
from gateway.fitting import fitting
from gateway.places import Engine, places
from gateway.routing import Target, alike
from gateway.wire import CallFailed, OnDelta
from governance.actions.money import settle
from governance.pricing import UnitPrices, Usage
from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import Unavailable
from guildhall.kernel.tenancy import release_connection


@dataclass(slots=True)
class _Way:
    """One call along its route: who is left to be asked, what those said who were, and how long it stood in line.

    `refused` is whether each of them took no such request.
    """

    left: list[tuple[Target, Request]]
    problems: list[str] = field(default_factory=list)
    refused: bool = True
    queued: float = 0.0

    def strike(self, asked: Sequence[tuple[Target, Request]], failure: CallFailed) -> None:
        """Engines differ in what they take and whom they know: whatever one says, the next may answer."""
        names = [target.deployment for target, _ in asked]
        self.problems.append(f"{', '.join(names)}: {failure}")
        self.refused &= not failure.retryable
        self.left = [one for one in self.left if one[0].deployment not in names]


def complete(
    *,
    actor: Actor,
    model_call: ModelCall,
    cancel: threading.Event | None = None,
    on_delta: OnDelta | None = None,
    on_answer: Callable[[Completion], None] | None = None,
) -> Completion:
    """Ask the first deployment of the route that answers.

    Waits for a free place there, or at any other that is the same to it, without the database. Raises `LimitExceeded` before
    anything is sent when a budget does not allow the worst case, `TooLarge` when the request fits no deployment's window,
    `RateLimited` when this minute's tokens are used up, `Unavailable` when none that can do what it needs answers or has a
    place (with `refused` where each was asked and took no such request; `route` is the one that was asked for), `Conflict`
    when `key` has paid for a call.
    """
    model_call = replace(model_call, request=clean_request(model_call.request))
    completion, listener_error = _answered(Caller(actor, cancel, on_delta), model_call)
    try:
        if on_answer is not None:
            on_answer(completion)
    finally:
        # Whoever lost the right to keep the answer has still asked for it.
        charge(actor=actor, completion=completion)
    if listener_error is not None:
        raise listener_error
    return completion


def _answered(caller: Caller, model_call: ModelCall) -> tuple[Completion, Exception | None]:
    """The answer of the first that gives one, and what broke in whoever listened to it. Raises as `complete` does."""
    left, left_out = fitting(model_call.route, model_call.needs, model_call.request)
    way = _Way(left)
    while way.left:
        asked = way.left[: alike([target for target, _ in way.left])]
        began = time.monotonic()
        try:
            with _place(model_call, asked, caller.cancel) as (found, keep_place):
                way.queued += time.monotonic() - began
                asked = asked[found : found + 1]
                completion, listener_error = ask(caller, model_call, *asked[0], keep_place)
        except CallFailed as failure:
            way.strike(asked, failure)
            if caller.cancel is not None and caller.cancel.is_set():
                break
            continue
        return replace(completion, queued_ms=round(way.queued * 1000)), listener_error
    detail = f"No model of the route {model_call.route!r} answered. {'; '.join([*way.problems, *left_out])}"
    told: dict[str, Any] = {"route": model_call.route} | ({"refused": True} if way.refused else {})
    raise Unavailable(detail, **told)


def _place(
    model_call: ModelCall, tried: Sequence[tuple[Target, Request]], cancel: threading.Event | None
) -> AbstractContextManager[tuple[int, Callable[[], None]]]:
    """A place at whichever of these has one first."""
    engines = [Engine(target.endpoint.base_url, target.slots) for target, _ in tried]
    return places().one_at(engines, wait_s=model_call.wait_s, cancel=cancel, on_wait=release_connection)


def charge(*, actor: Actor, completion: Completion) -> None:
    """Charge an answer and write it into the audit trail, both or neither. Charging it again changes nothing."""
    usage = Usage(completion.tokens_in, completion.tokens_out, completion.tokens_cached, completion.estimated)
    prices = UnitPrices(**{name: Decimal(price) for name, price in completion.prices.items()})
    settle(
        actor=actor,
        reservation=UUID(completion.reservation),
        usage=usage,
        cost=completion.cost,
        prices=prices,
        proof=_called(completion),
    )


def _called(completion: Completion) -> ModelCalled:
    return ModelCalled(
        subject=completion.owner,
        key=completion.key,
        owner=completion.owner,
        route=completion.route,
        deployment=completion.deployment,
        model=completion.model,
        tokens_in=completion.tokens_in,
        tokens_out=completion.tokens_out,
        tokens_cached=completion.tokens_cached,
        cost=str(completion.cost),
        finish_reason=completion.finish_reason,
        cut=completion.cut,
        prompt_hash=completion.prompt_hash,
        answer_hash=hash_of([completion.text, completion.tool_calls]),
    )
