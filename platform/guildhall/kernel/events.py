"""The closed event vocabulary: frozen, versioned classes that refuse extra fields, each with a sentence for people."""

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict

_registry: dict[tuple[str, int], type["Event"]] = {}


class Event(BaseModel):
    """Something that happened to `subject` (a plain reference such as `story:SHOP-142`).

    Subclasses set `kind` ("area.thing.happened") and `version`; defining a second class for the same pair is an error.
    `example` gives the catalogue values for fields whose made-up ones would not do.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: ClassVar[str] = ""
    version: ClassVar[int] = 1
    example: ClassVar[dict[str, Any]] = {}

    subject: str

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        if not cls.kind:
            return
        key = (cls.kind, cls.version)
        known = _registry.get(key)
        if known is not None and (known.__module__, known.__qualname__) != (cls.__module__, cls.__qualname__):
            raise TypeError(f"event {cls.kind} v{cls.version} is defined twice: {known!r} and {cls!r}")
        _registry[key] = cls

    def sentence(self) -> str:
        """What happened, in plain words, without the actor's name."""
        return f"{self.kind} {self.subject}"


class UnknownEvent(LookupError):
    """A stored event's kind or version is not in this release's vocabulary."""


def load_event(kind: str, version: int, payload: dict[str, Any]) -> Event:
    """The typed event of a stored row."""
    cls = _registry.get((kind, version))
    if cls is None:
        known = [f"v{other}" for name, other in sorted(_registry) if name == kind]
        words = f"knows {', '.join(known)}" if known else "knows no such kind"
        raise UnknownEvent(f"no event {kind} v{version}: this release {words}")
    return cls.model_validate(payload)


def check_known(event: Event) -> None:
    """Raises `UnknownEvent` for an event whose class is not the one registered for its kind and version."""
    cls = type(event)
    if _registry.get((cls.kind, cls.version)) is not cls:
        raise UnknownEvent(f"{cls.__qualname__} ({cls.kind or 'no kind'} v{cls.version}) is not in the vocabulary")


def vocabulary() -> dict[tuple[str, int], type[Event]]:
    """All event classes by kind and version."""
    return dict(_registry)
