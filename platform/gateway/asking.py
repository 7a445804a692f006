"""One call at one deployment: set the worst case aside, ask without holding the database, say what the answer comes to."""

import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace

from gateway.actions.calls import record_failure
from gateway.calls import Completion, ModelCall, hash_of
from gateway.chat import Answer, Request
from gateway.clean import clean_calls, clean_deltas, clean_text
from gateway.cooling import note_answered, note_failed
from gateway.events import ModelCallFailed
from gateway.noting import Noting
from gateway.pace import Pace, keep_pace
from gateway.places import places
from gateway.routing import Target, note_begun
from gateway.salting import cache_salt
from gateway.wire import CallFailed, OnDelta, call
from governance.actions.money import release, reserve
from governance.pricing import Usage, cost, worst_case
from governance.views import ReservationRef
from guildhall.kernel.actor import Actor
from guildhall.kernel.tenancy import release_connection

CHARGE_MARGIN_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, how they stop it, and how they hear of it."""

    actor: Actor
    cancel: threading.Event | None
    on_delta: OnDelta | None


def ask(
    caller: Caller, model_call: ModelCall, target: Target, request: Request, keep_place: Callable[[], None]
) -> tuple[Completion, Exception | None]:
    """What one deployment answers to `request`. Its money is set aside before, and charged by whoever asks for this.

    With it comes what broke in whoever listened. Raises `CallFailed` when nothing was answered, and whatever keeps a call from
    being sent; either costs nothing.
    """
    note_begun(target.deployment)
    model_call = replace(model_call, request=request)
    reservation = _reserved(caller.actor, model_call, target)
    pace = _paced(caller.actor, model_call, target, reservation)
    release_connection()
    try:
        answer = _heard(caller, model_call, target, reservation, keep_place)
    except CallFailed as failure:
        pace.took(0)
        release(actor=caller.actor, reservation=reservation)
        record_failure(actor=caller.actor, event=_failed(model_call, target, failure))
        raise
    completion = _completion(model_call, target, answer, str(reservation.id))
    pace.took(completion.tokens_in + completion.tokens_out)
    return completion, answer.listener_error


def _reserved(actor: Actor, model_call: ModelCall, target: Target) -> ReservationRef:
    """The worst case, set aside. One key for all deployments: one that failed gave it back, and an answer uses it up."""
    request = model_call.request
    return reserve(
        actor=actor,
        key=model_call.key,
        amount=worst_case(request.prompt_bound(), request.max_tokens, target.prices),
        scopes=model_call.scopes,
        owner=model_call.owner,
        model=target.endpoint.model,
        price_version=target.price_version,
        ttl_s=model_call.timeout_s + CHARGE_MARGIN_SECONDS,
        provider=target.deployment,
        take_over=True,
    )


def _paced(actor: Actor, model_call: ModelCall, target: Target, reservation: ReservationRef) -> Pace:
    """The call, counted in this minute's tokens; where it may not be sent, its money is given back."""
    try:
        return keep_pace(model_call.request, target.endpoint.model)
    except Exception:
        release(actor=actor, reservation=reservation)
        raise


def _heard(
    caller: Caller, model_call: ModelCall, target: Target, reservation: ReservationRef, keep_place: Callable[[], None]
) -> Answer:
    """What the engine says, told to whoever listens. That it failed, or is there again, is noted for other calls."""
    listen, finish = clean_deltas(caller.on_delta)
    salt = cache_salt() if target.salts_cache else ""
    try:
        answer = call(
            replace(target.endpoint, call_id=str(reservation.id), cache_salt=salt),
            model_call.request,
            cancel=caller.cancel,
            deadline_s=model_call.timeout_s,
            on_delta=listen,
            on_progress=Noting(reservation, model_call.request, target.prices),
            on_look=keep_place,
        )
    except CallFailed as failure:
        if failure.retryable:
            note_failed(target.deployment)
        if failure.unreachable:
            places().send_away(target.endpoint.base_url, failure)
        raise
    if answer.broke:
        note_failed(target.deployment)
    elif target.failed and not answer.cut:
        note_answered(target.deployment)
    _finish(answer, finish)
    return answer


def _finish(answer: Answer, finish: Callable[[], None]) -> None:
    """Whoever listens may fail at the last piece too; the answer is charged first, then the caller hears of it."""
    try:
        finish()
    except Exception as error:
        answer.listener_error = answer.listener_error or error


def _failed(model_call: ModelCall, target: Target, failure: CallFailed) -> ModelCallFailed:
    return ModelCallFailed(
        subject=model_call.owner,
        key=model_call.key,
        owner=model_call.owner,
        route=model_call.route,
        deployment=target.deployment,
        error=str(failure)[:300],
    )


def _completion(model_call: ModelCall, target: Target, answer: Answer, reservation: str) -> Completion:
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
        prompt_hash=hash_of(model_call.request.messages),
        route=model_call.route,
        key=model_call.key,
        owner=model_call.owner,
        mean_logprob=answer.mean_logprob,
    )
