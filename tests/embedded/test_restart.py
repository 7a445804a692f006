"""When a dead service is started again."""

import pytest

from guildhall.embedded.restart import (
    ATTEMPTS_AT_START,
    CALM_SECONDS,
    FIRST_DELAY,
    LONGEST_DELAY,
    History,
    after_exit,
)

pytestmark = pytest.mark.unit

UP = History(was_ready=True)


def test_delay_doubles_with_each_failure_in_a_row_up_to_the_longest() -> None:
    history, delays = UP, []
    for _ in range(200):
        verdict = after_exit(history, ran_for=1.0, once=False)
        history = verdict.history
        delays.append(verdict.delay)
    assert delays[:4] == [FIRST_DELAY, FIRST_DELAY * 2, FIRST_DELAY * 4, FIRST_DELAY * 8]
    assert delays[-1] == LONGEST_DELAY


def test_a_long_run_wipes_out_earlier_failures() -> None:
    tired = History(failures=9, was_ready=True)
    assert after_exit(tired, ran_for=CALM_SECONDS, once=False).delay == FIRST_DELAY
    assert after_exit(tired, ran_for=CALM_SECONDS - 1, once=False).delay == LONGEST_DELAY


def test_a_service_that_was_never_ready_is_given_up_after_some_attempts() -> None:
    history = History()
    for _ in range(ATTEMPTS_AT_START - 1):
        verdict = after_exit(history, ran_for=0.1, once=False)
        assert verdict.delay is not None
        history = verdict.history
    assert after_exit(history, ran_for=0.1, once=False).delay is None


def test_a_service_that_was_ready_once_is_never_given_up() -> None:
    assert after_exit(History(failures=1000, was_ready=True), ran_for=0.1, once=False).delay == LONGEST_DELAY


def test_a_failed_step_is_not_repeated() -> None:
    assert after_exit(UP, ran_for=0.1, once=True).delay is None
