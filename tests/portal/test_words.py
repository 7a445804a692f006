"""The audit trail's sentences as people read them: no reference that only programs use."""

from decimal import Decimal

import pytest

from guildhall.portal.activity import in_words
from guildhall.portal.templatetags.guildhall_charts import spent

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("said", "read"),
    [
        ("gave agent:mason -5 for run failed: 95 points", "gave Mason -5 for run failed: 95 points"),
        ("queued run 2 for task:TILL-1.1", "queued run 2 for TILL-1.1"),
        ("reserved up to 0.01 USD for run:2.", "reserved up to 0.01 USD for run 2."),
        ("set the total limit of budget:story:TILL-1:total to 2", "set the total limit of TILL-1 to 2"),
        ("set the total limit of budget:task:*:total to 2", "set the total limit of each task to 2"),
        ("set the day limit of budget:tenant:*:day to 2", "set the day limit of the organisation to 2"),
        ("used 80 % of the hour limit of budget:run:7:hour", "used 80 % of the hour limit of run 7"),
        ("asked for policy_draft:3", "asked for policy draft 3"),
        ("wrote story TILL-1: Round the sum", "wrote story TILL-1: Round the sum"),
    ],
)
def test_sentences_name_things_as_people_do(said: str, read: str) -> None:
    assert in_words(said) == read


@pytest.mark.parametrize(
    ("amount", "shown"),
    [
        ("0", "$0.00"),
        ("0.0000000021", "< $0.000001"),
        ("0.0004761234", "$0.000476"),
        ("0.25", "$0.2500"),
        ("1234.5", "$1,234.50"),
    ],
)
def test_a_small_amount_is_never_called_nothing(amount: str, shown: str) -> None:
    assert spent(Decimal(amount)) == shown
