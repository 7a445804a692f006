"""People of a test's organisation at their browsers."""

from collections.abc import Callable

import pytest

from tests.support.clients import Browser, signed_in
from tests.support.tenants import TestTenant


@pytest.fixture(scope="module")
def browsers(house: TestTenant) -> Callable[[str], Browser]:
    """Somebody of a role in the module's `house`, signed in when first asked for."""
    known: dict[str, Browser] = {}

    def of(role: str) -> Browser:
        if role not in known:
            known[role] = signed_in(house, house.member(role))
        return known[role]

    return of
