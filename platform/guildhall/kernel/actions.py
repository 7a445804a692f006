"""The one door for change: a durable transaction around a locked row, checked before and recorded before it commits."""

import logging
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, ClassVar, ParamSpec, Protocol, TypeVar

from django.db import DatabaseError, connection, models, transaction

from guildhall.kernel.actor import Actor
from guildhall.kernel.clashes import clash_of
from guildhall.kernel.errors import Denied, NotFound
from guildhall.kernel.events import Event
from guildhall.kernel.postgres.commit import send_with_commit
from guildhall.kernel.tenancy import current_scope_name

logger = logging.getLogger(__name__)
P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class ActionContext:
    """What a check sees: the action's name, who acts, on which locked row, with which arguments."""

    name: str
    actor: Actor
    target: Any
    arguments: dict[str, Any]


class Recorder(Protocol):
    """Writes one audit row and one outbox row in the open transaction."""

    def __call__(
        self, event: Event, *, actor: Actor, action: str, outcome: str, reason: str, before: Any, after: Any
    ) -> None: ...


Check = Callable[[ActionContext], None]


class Unrecorded(RuntimeError):
    """An action changed something without recording it; it was rolled back."""


class ActionDenied(Event):
    """An actor was refused."""

    kind: ClassVar[str] = "platform.action.denied"
    action: str
    reason: str

    def sentence(self) -> str:
        return f"was refused {self.action} on {self.subject}: {self.reason}"


@dataclass(slots=True, eq=False)
class LastStatement:
    """What an action ends with; `rows` are its rows once the action has returned."""

    statement: str
    parameters: Mapping[str, Any]
    rows: list[Any] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class _OpenAction:
    name: str
    last: LastStatement | None = None

    def recorded(self) -> None:
        """Called when a record of this action is committed; until then Django keeps it with the record's savepoint."""


_open: ContextVar[_OpenAction | None] = ContextVar("open_action", default=None)
_checks: list[Check] = []
_recorders: list[Recorder] = []
_names: dict[str, str] = {}


def register_check(check: Check) -> Check:
    """Have `check` asked before every action; it raises `Denied` to refuse."""
    if check not in _checks:
        _checks.append(check)
    return check


def register_recorder(recorder: Recorder) -> None:
    """Name the one writer of evidence; `guildhall.evidence` does so when it is ready."""
    _recorders[:] = [recorder]


def action_names() -> frozenset[str]:
    """Names of all governed actions, for permission tables and their tests."""
    return frozenset(_names)


def record(
    event: Event, *, actor: Actor, before: Any = None, after: Any = None, reason: str = "", step: str = ""
) -> None:
    """Write `event` to audit and outbox in the open action's transaction, under the action's name.

    `step` is the name instead where the row is of something that the platform does by itself as a part of the action.
    Raises RuntimeError outside a governed action (nothing changes without one) and for another tenant's actor.
    """
    action = _open.get()
    if action is None:
        raise RuntimeError(f"record({event.kind}) outside a governed action")
    _refuse_foreign(actor)
    name = step or action.name
    _write(event, actor=actor, action=name, outcome="done", reason=reason, before=before, after=after)
    transaction.on_commit(action.recorded)


def end_with(statement: str, parameters: Mapping[str, Any]) -> LastStatement:
    """Have the open action end with `statement`, sent together with its COMMIT, so that its locks are held briefly.

    It is sent after the body, if that recorded something; where it raises, the action is rolled back. Raises RuntimeError
    outside of a governed action and for a second one.
    """
    action = _open.get()
    if action is None or action.last is not None:
        raise RuntimeError("an action ends with one statement")
    action.last = LastStatement(statement, parameters)
    return action.last


def _write(event: Event, **about: Any) -> None:
    if not _recorders:
        raise RuntimeError("no recorder is registered: guildhall.evidence is not installed")
    _recorders[0](event, **about)


def governed(name: str, *, lock: str | None) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Make a keyword-only function `fn(*, actor, ...)` an action called `name` (verb after a dot: `story.submit`).

    The keyword argument named by `lock` is re-read FOR NO KEY UPDATE before anything else, so the body and the checks see
    the committed row; None is for creations. Raises `NotFound` when that row is gone, `Denied` as the checks decide (the
    denial is recorded in a transaction of its own), `Clash` when another act at the same moment was let through instead,
    and `Unrecorded` when the body recorded nothing.
    """

    def wrap(fn: Callable[P, R]) -> Callable[P, R]:
        place = f"{fn.__module__}.{fn.__qualname__}"
        if _names.setdefault(name, place) != place:
            raise TypeError(f"action {name} is defined twice: {_names[name]} and {place}")

        @wraps(fn)
        def inner(*args: P.args, **kwargs: P.kwargs) -> R:
            if args:
                raise TypeError(f"action {name} takes keyword arguments only")
            arguments: dict[str, Any] = kwargs
            actor: Actor = arguments["actor"]
            if _open.get() is not None:
                raise RuntimeError(f"action {name} called from an action: chains go through events")
            _refuse_foreign(actor)
            try:
                return _run(name, fn, actor, lock, arguments)
            except Denied as denial:
                target = arguments.get(lock) if lock else None
                record_denial(name, str(getattr(target, "ref", None) or f"action:{name}"), actor=actor, denial=denial)
                raise

        return inner

    return wrap


def _run(name: str, fn: Callable[..., R], actor: Actor, lock: str | None, arguments: dict[str, Any]) -> R:
    action = _OpenAction(name)
    token = _open.set(action)
    try:
        with transaction.atomic(durable=True):
            target = _locked(arguments[lock]) if lock else None
            if lock:
                arguments = {**arguments, lock: target}
            context = ActionContext(name=name, actor=actor, target=target, arguments=arguments)
            for check in _checks:
                check(context)
            result = fn(**arguments)
            # A record made in a savepoint that was rolled back is gone, and Django has forgotten its callback with it.
            if not any(entry[1] == action.recorded for entry in connection.run_on_commit):
                raise Unrecorded(f"{name} recorded nothing")
            if action.last is not None:
                action.last.rows = send_with_commit(action.last.statement, action.last.parameters)
            return result
    except DatabaseError as error:
        if clash := clash_of(error):
            logger.info("%s met another act at the same moment: %s", name, error)
            raise clash from error.__cause__
        raise
    finally:
        _open.reset(token)


def _locked(row: models.Model) -> models.Model:
    manager = type(row)._default_manager
    # Its key is not to change: rows that only name it, by a foreign key, need not wait and cannot be waited for in turn.
    fresh = manager.select_for_update(of=("self",), no_key=True).filter(pk=row.pk).first()
    if fresh is None:
        raise NotFound(f"{type(row)._meta.verbose_name} does not exist any more")
    return fresh


def _refuse_foreign(actor: Actor) -> None:
    """An actor of one tenant acting in another's scope is a programming error that must never get as far as a row."""
    if actor.tenant != current_scope_name():
        raise RuntimeError(f"{actor.ref} of {actor.tenant} cannot act in {current_scope_name() or 'no tenant'}")


def record_denial(name: str, subject: str, *, actor: Actor, denial: Denied) -> None:
    """Write down that `actor` was refused `name` (an action, or a way of reading) on `subject`, in a transaction of its own."""
    event = ActionDenied(subject=subject, action=name, reason=denial.detail)
    with transaction.atomic(durable=True):
        _write(event, actor=actor, action=name, outcome="denied", reason=denial.detail, before=None, after=None)
    denial.recorded = True
