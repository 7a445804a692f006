"""What is said of work that CI did not take is true: also where CI never ran, or came to nothing."""

import pytest

from gpu_workers.runs.verdicts import Judged, not_green, why_given_up

pytestmark = pytest.mark.unit
RED = Judged("failed", "2 tests failed")
ENDED = Judged("error", "collecting\n\n[ended by the memory limit: 2048 MiB for all processes together]\n")
SLOW = Judged("timeout", "tests/slow.py\n[ended by the wall limit: 300 seconds]")
NOTHING = Judged("", "Nothing was changed in the repository. It all looks fine.")


@pytest.mark.parametrize(
    ("attempts", "said"),
    [
        ([RED, RED, RED], "CI is still red after 2 attempts to fix it."),
        ([RED, NOTHING], "CI is still red after 1 attempt to fix it."),
        ([RED], "CI is still red after 0 attempts to fix it."),
        ([ENDED, RED], "CI is still red after 1 attempt to fix it."),
        ([NOTHING], f"CI never ran: {NOTHING.problem}"),
        ([NOTHING, NOTHING], f"CI never ran, in 2 attempts: {NOTHING.problem}"),
        (
            [RED, SLOW, NOTHING, ENDED],
            "CI came to no verdict, 2 times: ended by the memory limit: 2048 MiB for all processes together",
        ),
        ([RED, SLOW], "CI came to no verdict: ended by the wall limit: 300 seconds"),
        (
            [Judged("error", "CI ended as error and wrote nothing.")],
            "CI came to no verdict: CI ended as error and wrote",
        ),
        ([Judged("error", " \n")], "CI came to no verdict: it wrote nothing."),
        ([Judged("error", "x" * 900)], "CI came to no verdict: xxxx"),
    ],
)
def test_why_work_goes_to_a_person_says_what_ci_came_to(attempts: list[Judged], said: str) -> None:
    told = why_given_up(attempts)
    assert told.startswith(said)
    assert len(told) < 300


def test_what_ended_before_ci_judged_it_is_not_called_red() -> None:
    assert not_green("failed", "1 test failed.", "on abc") == "CI is red on abc"
    assert not_green("timeout", "x\n[ended by the wall limit: 300 seconds]\n", "on abc") == (
        "CI came to no verdict on abc: ended by the wall limit: 300 seconds"
    )
