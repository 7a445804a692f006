"""The collector of cycles while a process begins."""

import gc

import pytest

from guildhall.kernel.loading import collector_at_rest

pytestmark = pytest.mark.unit


def test_the_collector_rests_while_much_is_loaded_and_leaves_that_alone_afterwards() -> None:
    before = gc.get_freeze_count()
    with pytest.raises(ImportError), collector_at_rest():
        assert not gc.isenabled()
        loaded = [[each] for each in range(1000)]
        raise ImportError
    assert gc.isenabled()
    assert gc.get_freeze_count() >= before + len(loaded)


def test_who_has_it_rest_already_goes_on_loading() -> None:
    with collector_at_rest():
        with collector_at_rest():
            pass
        assert not gc.isenabled()
    assert gc.isenabled()
