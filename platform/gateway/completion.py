"""The one way to a model: wait for a place, reserve the worst case, call without holding the database, charge what it cost.

A call is charged also when it was cancelled, cut or interrupted; it costs nothing only when no provider began to answer.
A process that dies in between leaves a reservation that runs out, and what had come of its answer is charged (`noting.py`).
`on_answer` is told the answer before it is charged, so
that a caller who keeps it can go on after a crash: it repeats `charge` for a stored answer, which charges only once.
"""

import hashlib
import json
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field, replace
from decimal import Decimal
from typing import Any
from uuid import UUID

from gateway.actions.calls import record_failure
from gateway.chat import Answer, Request
from gateway.clean import clean_calls, clean_deltas, clean_request, clean_text
from gateway.cooling import note_answered, note_failed
from gateway.events import ModelCalled, ModelCallFailed
from gateway.fitting import fitting
from gateway.noting import Noting
from gateway.pace import keep_pace
from gateway.places import Engine, places
from gateway.routing import Needs, Target, alike, note_begun
from gateway.wire import CallFailed, OnDelta, call
from governance.actions.money import release, reserve, settle
from governance.pricing import UnitPrices, Usage, cost, worst_case
from governance.scopes import Scope
from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import Unavailable
from guildhall.kernel.tenancy import release_connection

CHARGE_MARGIN_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class ModelCall:
    """What to ask, for whom and on whose account. `key` names the call: it is charged at most once under it.

    It goes to no deployment that lacks what it `needs`: where those that have it are away, it is not answered.
    `wait_s` is for a free place at the engine; `timeout_s` begins once it has one, and is for the whole answer. How long an
    engine may say nothing in between is its deployment's to say.
    """

    route: str
    key: str
    owner: str
    request: Request
    scopes: Sequence[Scope] = ()
    timeout_s: float = 600.0
    wait_s: float = 1800.0
    needs: Needs = field(default_factory=Needs)


@dataclass(frozen=True, slots=True)
class Completion:
    """An answer with everything that charging and proving it needs; JSON through `as_dict` and `from_dict`.

    `queued_ms` is how long the call stood in line for a free place.
    """

    text: str
    tool_calls: list[dict[str, Any]]
    finish_reason: str
    cut: str
    tokens_in: int
    tokens_out: int
    tokens_cached: int
    estimated: bool
    cost: Decimal
    model: str
    deployment: str
    may_judge: bool
    reservation: str
    price_version: str
    prices: dict[str, str]
    prompt_hash: str
    route: str = ""
    key: str = ""
    owner: str = ""
    mean_logprob: float | None = None
    queued_ms: int = 0

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "cost": str(self.cost)}

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> "Completion":
        return cls(**{**stored, "cost": Decimal(stored["cost"])})


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
    problems: list[str] = []
    refused, queued = True, 0.0
    model_call = replace(model_call, request=clean_request(model_call.request))
    left, left_out = fitting(model_call.route, model_call.needs, model_call.request)
    while left:
        tried = left[: alike([target for target, _ in left])]
        began = time.monotonic()
        try:
            with _place(model_call, tried, cancel) as (found, keep_place):
                queued += time.monotonic() - began
                tried = tried[found : found + 1]
                ((target, request),) = tried
                note_begun(target.deployment)
                fit = replace(model_call, request=request)
                completion, listener_error = _ask(actor, fit, target, cancel, on_delta, keep_place)
        except CallFailed as failure:
            # Engines differ in what they take and whom they know: whatever one says, the next may answer.
            names = [target.deployment for target, _ in tried]
            problems.append(f"{', '.join(names)}: {failure}")
            refused &= not failure.retryable
            if cancel is not None and cancel.is_set():
                break
            left = [one for one in left if one[0].deployment not in names]
            continue
        completion = replace(completion, queued_ms=round(queued * 1000))
        try:
            if on_answer is not None:
                on_answer(completion)
        finally:
            # Whoever lost the right to keep the answer has still asked for it.
            charge(actor=actor, completion=completion)
        if listener_error is not None:
            raise listener_error
        return completion
    detail = f"No model of the route {model_call.route!r} answered. {'; '.join([*problems, *left_out])}"
    told: dict[str, Any] = {"route": model_call.route} | ({"refused": True} if refused else {})
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


def _ask(
    actor: Actor,
    model_call: ModelCall,
    target: Target,
    cancel: threading.Event | None,
    on_delta: OnDelta | None,
    keep_place: Callable[[], None],
) -> tuple[Completion, Exception | None]:
    request = model_call.request
    prompt_bound = request.prompt_bound()
    # One key for all deployments: the failed one gave it back, and an answer of any of them uses it up.
    key = model_call.key
    reservation = reserve(
        actor=actor,
        key=key,
        amount=worst_case(prompt_bound, request.max_tokens, target.prices),
        scopes=model_call.scopes,
        owner=model_call.owner,
        model=target.endpoint.model,
        price_version=target.price_version,
        ttl_s=model_call.timeout_s + CHARGE_MARGIN_SECONDS,
        provider=target.deployment,
        take_over=True,
    )
    try:
        pace = keep_pace(request, target.endpoint.model)
    except Exception:
        # Nothing was sent.
        release(actor=actor, reservation=reservation)
        raise
    release_connection()
    listen, finish = clean_deltas(on_delta)
    endpoint = replace(target.endpoint, call_id=str(reservation.id))
    try:
        answer = call(
            endpoint,
            request,
            cancel=cancel,
            deadline_s=model_call.timeout_s,
            on_delta=listen,
            on_progress=Noting(reservation, request, target.prices),
            on_look=keep_place,
        )
    except CallFailed as failure:
        if failure.retryable:
            note_failed(target.deployment)
        pace.took(0)
        release(actor=actor, reservation=reservation)
        event = ModelCallFailed(
            subject=model_call.owner,
            key=key,
            owner=model_call.owner,
            route=model_call.route,
            deployment=target.deployment,
            error=str(failure)[:300],
        )
        record_failure(actor=actor, event=event)
        raise
    if answer.broke:
        note_failed(target.deployment)
    elif target.failed and not answer.cut:
        note_answered(target.deployment)
    try:
        finish()
    except Exception as error:
        # Whoever listens may fail at the last piece too; the answer is charged first, then the caller hears of it.
        answer.listener_error = answer.listener_error or error
    completion = _completion(model_call, key, target, answer, str(reservation.id))
    pace.took(completion.tokens_in + completion.tokens_out)
    return completion, answer.listener_error


def _completion(model_call: ModelCall, key: str, target: Target, answer: Answer, reservation: str) -> Completion:
    tokens = answer.usage or answer.estimated(model_call.request)
    usage = Usage(tokens[0], tokens[1], min(tokens[2], tokens[0]), estimated=answer.usage is None)
    return Completion(
        text=clean_text(answer.text),
        tool_calls=clean_calls(answer.tool_calls),
        finish_reason=answer.finish_reason,
        cut=answer.cut,
        tokens_in=usage.tokens_in,
        tokens_out=usage.tokens_out,
        tokens_cached=usage.tokens_cached,
        estimated=usage.estimated,
        cost=cost(usage, target.prices),
        model=target.endpoint.model,
        deployment=target.deployment,
        may_judge=target.may_judge,
        reservation=reservation,
        price_version=target.price_version,
        prices={name: str(value) for name, value in asdict(target.prices).items()},
        prompt_hash=_hash(model_call.request.messages),
        route=model_call.route,
        key=key,
        owner=model_call.owner,
        mean_logprob=answer.mean_logprob,
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
        answer_hash=_hash([completion.text, completion.tool_calls]),
    )


def _hash(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, ensure_ascii=False).encode()).hexdigest()
