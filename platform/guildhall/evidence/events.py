"""What happens to the delivery of events, in words. `subject` is `consumer:NAME`; positions are of the tenant's stream."""

from typing import ClassVar

from guildhall.kernel.events import Event


class PayloadsErased(Event):
    """What entries said is to be forgotten: names, reasons, addresses, before and after. The entries stay."""

    kind: ClassVar[str] = "evidence.payloads.erased"
    count: int
    reason: str

    def sentence(self) -> str:
        return f"had what {self.count} audit entries of {self.subject} say erased: {self.reason}"


class AuditExported(Event):
    """Somebody took a part of the audit trail out of the house. `filters` is what was asked for."""

    kind: ClassVar[str] = "evidence.audit.exported"
    form: str
    filters: dict[str, str]

    def sentence(self) -> str:
        asked = ", ".join(f"{name} {value}" for name, value in self.filters.items())
        return f"exported the audit trail as {self.form}{f' ({asked})' if asked else ''}"


class AuditVerified(Event):
    """Somebody had the audit chain recomputed."""

    kind: ClassVar[str] = "evidence.audit.verified"
    entries: int
    erased: int
    problem: str = ""

    def sentence(self) -> str:
        return f"had {self.entries} audit entries verified: {self.problem or 'the chain is whole'}"


class SensitiveRead(Event):
    """Somebody read something sensitive; recorded where the platform is set to audit level 3. `what` names it in words."""

    kind: ClassVar[str] = "evidence.read.noted"
    what: str

    def sentence(self) -> str:
        return f"read {self.what} at {self.subject.removeprefix('page:')}"


class LetterKept(Event):
    """A consumer gave an event up. `problem` is the kind of error; its words stay with the letter, they may quote data."""

    kind: ClassVar[str] = "stream.letter.kept"
    consumer: str
    position: int
    problem: str

    def sentence(self) -> str:
        return f"gave up on event {self.position} for {self.consumer} after its last try: {self.problem}"


class RetryAsked(Event):
    """Somebody wants these dead letters to be handed to their consumer once more."""

    kind: ClassVar[str] = "stream.letter.retry_asked"
    consumer: str
    positions: list[int]

    def sentence(self) -> str:
        what = f"event {self.positions[0]}" if len(self.positions) == 1 else f"{len(self.positions)} events"
        return f"had {what} handed to {self.consumer} once more"


class LetterRetried(Event):
    """A dead letter was handed over once more; `problem` is empty when it was handled."""

    kind: ClassVar[str] = "stream.letter.retried"
    consumer: str
    position: int
    problem: str = ""

    def sentence(self) -> str:
        if self.problem:
            return f"could not hand event {self.position} to {self.consumer}, again: {self.problem}"
        return f"handed event {self.position} to {self.consumer} after all"


class LettersDismissed(Event):
    """These events will not reach this consumer; they stay in the stream."""

    kind: ClassVar[str] = "stream.letter.dismissed"
    consumer: str
    positions: list[int]
    reason: str

    def sentence(self) -> str:
        which = ", ".join(map(str, self.positions[:5]))
        return f"set event {which} aside for {self.consumer}: {self.reason}"


class ConsumerRewound(Event):
    """The consumer reads everything after `to_position` again; it stood at `from_position`."""

    kind: ClassVar[str] = "stream.consumer.rewound"
    consumer: str
    from_position: int
    to_position: int
    reason: str

    def sentence(self) -> str:
        first = self.to_position + 1
        return f"had {self.consumer} read events {first} to {self.from_position} again: {self.reason}"


class ConsumerWoken(Event):
    """A consumer that waits for its next try shall not wait longer."""

    kind: ClassVar[str] = "stream.consumer.woken"
    consumer: str

    def sentence(self) -> str:
        return f"had {self.consumer} try again at once"


class TenantRetryAsked(Event):
    """An owner wants a tenant's dead letters of one consumer handed over once more; on the platform's own stream."""

    kind: ClassVar[str] = "stream.tenant.retry_asked"
    schema_name: str
    consumer: str
    reason: str

    def sentence(self) -> str:
        return f"had {self.consumer} of {self.schema_name} take its dead letters once more: {self.reason}"
