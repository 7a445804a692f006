"""What the gateway did."""

from decimal import Decimal
from typing import Any, ClassVar

from guildhall.kernel.events import Event


class ModelCalled(Event):
    """One model call. No prompt and no answer: their hashes stand for them."""

    kind: ClassVar[str] = "gateway.call.completed"
    key: str
    owner: str
    route: str
    deployment: str
    model: str
    tokens_in: int
    tokens_out: int
    tokens_cached: int
    cost: str
    finish_reason: str
    cut: str
    prompt_hash: str
    answer_hash: str

    def sentence(self) -> str:
        ended = f", cut: {self.cut}" if self.cut else ""
        return f"called {self.model} for {self.owner} ({self.tokens_in} + {self.tokens_out} tokens{ended})"


class ModelCallFailed(Event):
    kind: ClassVar[str] = "gateway.call.failed"
    key: str
    owner: str
    route: str
    deployment: str
    error: str

    def sentence(self) -> str:
        return f"could not reach {self.deployment} for {self.owner}: {self.error}"


class DeploymentAdded(Event):
    kind: ClassVar[str] = "gateway.deployment.added"
    name: str
    model: str

    def sentence(self) -> str:
        return f"added the deployment {self.name} of {self.model}"


class DeploymentChanged(Event):
    kind: ClassVar[str] = "gateway.deployment.changed"
    name: str
    changed: list[str]

    def sentence(self) -> str:
        return f"changed {', '.join(self.changed)} of the deployment {self.name}"


class KeyRead(Event):
    """A process has a key of the platform's in use from now on; once a day for each deployment and purpose."""

    kind: ClassVar[str] = "gateway.key.read"
    name: str
    credential: str
    purpose: str

    def sentence(self) -> str:
        return f"read {self.credential} for {self.purpose} at {self.name}"


class RouteAdded(Event):
    kind: ClassVar[str] = "gateway.route.added"
    name: str
    rank: int
    deployment: str

    def sentence(self) -> str:
        return f"let {self.deployment} serve the route {self.name} at rank {self.rank}"


class RouteChanged(Event):
    kind: ClassVar[str] = "gateway.route.changed"
    name: str
    rank: int
    deployment: str

    def sentence(self) -> str:
        return f"changed the route {self.name}: {self.deployment} serves it at rank {self.rank}"


class RouteRemoved(Event):
    kind: ClassVar[str] = "gateway.route.removed"
    name: str
    rank: int
    deployment: str

    def sentence(self) -> str:
        return f"ended {self.deployment}'s service of the route {self.name} at rank {self.rank}"


class PriceAdded(Event):
    """US dollars per million tokens, as decimal strings."""

    kind: ClassVar[str] = "gateway.price.added"
    example: ClassVar[dict[str, Any]] = {"tokens_in": "0.25", "tokens_out": "1", "tokens_cached": "0.125"}
    model: str
    price_version: str
    valid_from: str
    tokens_in: str
    tokens_out: str
    tokens_cached: str

    def sentence(self) -> str:
        read, written = (f"${Decimal(price).normalize():f}" for price in (self.tokens_in, self.tokens_out))
        return f"set the price of {self.model} from {self.valid_from} on: {read} in, {written} out"


class PlatformHeld(Event):
    kind: ClassVar[str] = "gateway.platform.held"
    reason: str

    def sentence(self) -> str:
        return f"stopped the agents of every organisation: {self.reason}"


class PlatformReleased(Event):
    kind: ClassVar[str] = "gateway.platform.released"
    reason: str

    def sentence(self) -> str:
        return f"let the agents of every organisation go on after: {self.reason}"
