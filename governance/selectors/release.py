"""What release controls say of an environment now: the policy's and those that people began by hand."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase

from django.db import connection
from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from governance.models import ReleaseHold
from governance.selectors.policy import active_policy

LOOK_AGAIN = timedelta(minutes=1)
"""When something that is held back without an end is looked at again."""


@dataclass(frozen=True, slots=True)
class Block:
    """Why nothing goes to an environment now. `kind` is lock or freeze, `until` (UTC) where it has an end."""

    kind: str
    reason: str
    until: datetime | None = None

    @property
    def sentence(self) -> str:
        end = f" until {self.until.astimezone(UTC):%-d %b %Y, %H:%M} UTC" if self.until else ""
        return f"{self.kind}{end}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Controls:
    """What holds for one environment now; `required` are checks, `approvers` the least number of distinct people."""

    environment: str
    blocks: tuple[Block, ...]
    required: tuple[str, ...]
    approvers: int

    @property
    def block(self) -> Block | None:
        """What keeps it closed longest, or None."""
        endless = datetime.max.replace(tzinfo=UTC)
        return max(self.blocks, key=lambda block: block.until or endless, default=None)


def environment_name(repository: str, branch: str) -> str:
    """The environment that a branch of a repository is, as patterns are matched with it: `shop:main`."""
    return f"{repository}:{branch}"


def release_controls(environment: str) -> Controls:
    """Everything that the policy and people say of `environment` by the database's clock. Raises `Denied` without a policy."""
    release = active_policy().document.release
    now = _now()
    blocks = [Block("lock", reason) for reason in release.locked(environment)]
    blocks += [Block("freeze", reason, until) for reason, until in release.frozen(environment, now)]
    for hold in active_release_holds():
        if fnmatchcase(environment, hold.environment):
            blocks.append(Block(str(hold.kind), hold.reason, hold.until))
    return Controls(environment, tuple(blocks), release.required(environment), release.approvers_of(environment))


def active_release_holds() -> QuerySet[ReleaseHold]:
    """Locks and freezes that people began and that have not ended."""
    return ReleaseHold.objects.filter(Q(until=None) | Q(until__gt=Now()), lifted_at__isnull=True)


def _now() -> datetime:
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        (now,) = cursor.fetchone() or (datetime.now(UTC),)
    found: datetime = now
    return found
