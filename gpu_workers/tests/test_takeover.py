"""How long a run can stay with a worker that is gone follows from settings; no clock is asked."""

from datetime import timedelta
from typing import Any

import pytest
from annotated_types import Ge, Le
from django.conf import settings

from gpu_workers.runs import keeper
from gpu_workers.tasks import wake_waiting_work
from guildhall.embedded.supervisor import WANTED_SECONDS
from guildhall.kernel.offers import SHORTEST_S
from guildhall.settings.env import Environment

pytestmark = pytest.mark.unit
BOUND_SECONDS = 60.0
LEASE = {type(rule): rule for rule in Environment.model_fields["guildhall_lease_seconds"].metadata}


def test_a_run_without_a_heartbeat_is_offered_to_others_within_a_minute() -> None:
    """At worst the lease was prolonged just before the end, the look's message died with the worker that had it, and the
    others sleep."""
    longest = LEASE[Le].le
    schedule: Any = settings.CELERY["beat_schedule"]
    looks = schedule["wake-waiting-work"]
    assert looks["task"] == wake_waiting_work.name
    assert longest + looks["schedule"] + SHORTEST_S + WANTED_SECONDS < BOUND_SECONDS
    assert timedelta(seconds=longest) >= settings.RUN_LEASE


def test_a_worker_that_lives_prolongs_even_the_shortest_lease_in_time() -> None:
    assert LEASE[Ge].ge > 2 * keeper.BEAT_SECONDS, "one look may be missed"
