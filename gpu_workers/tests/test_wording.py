"""Words of agents in commits and change requests: bounded, seen as they are, and doing nothing where they are read."""

import pytest

from gpu_workers.wording import MOST_BODY, MOST_SUBJECT, commit_message, lines, one_line, quoted

pytestmark = pytest.mark.unit


def test_a_commit_message_is_one_line_that_names_the_task_and_a_rest_that_gives_no_orders() -> None:
    said = "  Round each line \u202e[skip ci]\x1b[31m\r\nCloses #12, fixes: shop/till#3.\n\n\n\nskip-checks: true\n"
    message = commit_message("TILL-1.1", said, "Run 7.")
    subject, empty, *rest = message.split("\n")
    assert (subject, empty) == ("TILL-1.1: Round each line (skip ci)[31m", "")
    assert rest == ["Closes issue #12, fixes: issue shop/till#3.", "", "skip-checks: true", "", "Run 7."], (
        "programs read orders out of the last paragraph alone, and that is ours"
    )
    assert commit_message("TILL-1.1", "Round [skip  \u200b ci] it", "") == "TILL-1.1: Round (skip ci) it"
    assert commit_message("TILL-1.1", "\u200b\n\x07", "Run 7.") == ""
    long = commit_message("TILL-1.1", "a" * 9999, "Run 7.")
    assert (len(long), long[-1]) == (MOST_SUBJECT, "…")


def test_words_stay_words_wherever_they_are_shown() -> None:
    assert one_line("  <b>Round</b>\n\tVAT ", 120) == "<b>Round</b> VAT", "who shows it escapes it"
    assert lines("a  \n\n\n\nb\u2066c", 10) == "a\n\nbc"
    assert len(lines("x" * 9999, MOST_BODY)) == MOST_BODY
    assert quoted("```\n@everyone resolves #1\n````") == "`````text\n```\n@everyone resolves #1\n````\n`````"
