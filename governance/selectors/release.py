"""What release controls say of an environment now: the policy's and those that people began by hand."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db import connection
from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from governance.models import Approval, ApprovalState, ReleaseHold
from governance.models.approvals import ApprovalKind
from governance.policies.release import Release
from governance.selectors.lists import refuse_outsider
from governance.selectors.policy import active_policy
from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import NotFound

LOOK_AGAIN = timedelta(minutes=1)
"""When something that is held back without an end is looked at again."""

ASKED_LATELY = 500
"""So many of the newest questions tell which environments there are."""


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
    (controls,) = controls_of([environment])
    return controls


def controls_of(environments: Sequence[str]) -> list[Controls]:
    """The same of several, in their order; three queries however many they are."""
    release = active_policy().document.release
    now, holds = _now(), list(active_release_holds())
    return [_controls(environment, release, now, holds) for environment in environments]


def _controls(environment: str, release: Release, now: datetime, holds: Sequence[ReleaseHold]) -> Controls:
    blocks = [Block("lock", reason) for reason in release.locked(environment)]
    blocks += [Block("freeze", reason, until) for reason, until in release.frozen(environment, now)]
    for hold in holds:
        if hold.covers(environment):
            blocks.append(Block(str(hold.kind), hold.reason, hold.until))
    return Controls(environment, tuple(blocks), release.required(environment), release.approvers_of(environment))


def waiting_to_land() -> dict[str, int]:
    """Environments that something was asked for lately, by name, with how many approved changes wait to land there."""
    asked = Approval.objects.filter(
        kind__in=[ApprovalKind.MERGE, ApprovalKind.DEPLOYMENT], binding__has_key="environment"
    )
    newest = asked.order_by("-id").values_list("binding__environment", "state")[:ASKED_LATELY]
    found: dict[str, int] = {}
    for environment, state in newest:
        found[str(environment)] = found.get(str(environment), 0) + (state == ApprovalState.APPROVED)
    return dict(sorted(found.items()))


def ended_release_holds() -> QuerySet[ReleaseHold]:
    """Those that were lifted or are over, the last to be begun first."""
    return ReleaseHold.objects.filter(Q(lifted_at__isnull=False) | Q(until__lte=Now()))


def find_release_hold(actor: Actor, pk: int) -> ReleaseHold:
    """A lock or a freeze, on or over. Raises `NotFound`, and `Denied` for clients."""
    refuse_outsider(actor)
    row = ReleaseHold.objects.filter(pk=pk).first()
    if row is None:
        raise NotFound("There is no such lock or freeze.")
    return row


def active_release_holds() -> QuerySet[ReleaseHold]:
    """Locks and freezes that people began and that have not ended."""
    return ReleaseHold.objects.filter(Q(until=None) | Q(until__gt=Now()), lifted_at__isnull=True)


def _now() -> datetime:
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        (now,) = cursor.fetchone() or (datetime.now(UTC),)
    found: datetime = now
    return found
