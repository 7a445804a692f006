"""A column that comes to a table that is there has a default in the database.

While an installation is brought up to date, a process of the version before still inserts rows, without that column.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from django.apps import apps
from django.core.exceptions import FieldDoesNotExist
from django.db.migrations import AddField, CreateModel, Migration, SeparateDatabaseAndState
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations.base import Operation
from django.db.models import NOT_PROVIDED, Field

from tests.test_layout import OUR_NAMES

pytestmark = pytest.mark.unit
OLDER = {
    ("gateway", "0004_deployment_usage_url"),
    ("gateway", "0005_deployment_supports_logprobs"),
    ("gateway", "0007_deployment_slots"),
    ("governance", "0003_release_controls"),
    ("governance", "0005_what_a_hold_stopped"),
    ("workflows", "0002_planning"),
    ("workflows", "0004_comfort"),
    ("workflows", "0007_story_in_epic"),
}
"""From before this was asked for: no process that runs is of a version without them. There is nothing to add here."""


def test_a_process_of_the_version_before_can_insert_into_every_table() -> None:
    disk = MigrationLoader(None).disk_migrations
    ours = {key: made for key, made in disk.items() if apps.get_app_config(key[0]).name.partition(".")[0] in OUR_NAMES}
    wanting = {key: names for key, made in ours.items() if (names := sorted(set(_wanting(key[0], made))))}
    assert set(OLDER) <= set(wanting), "what is mended needs no exemption"
    assert {key: names for key, names in wanting.items() if key not in OLDER} == {}, "give them a db_default"


def _wanting(app: str, migration: Migration) -> Iterator[str]:
    """Columns that a migration adds to tables that were there, and that are still without a default in the database."""
    operations = list(_operations(migration.operations))
    new = {made.name.lower() for made in operations if isinstance(made, CreateModel)}
    for added in operations:
        if isinstance(added, AddField) and added.model_name_lower not in new:
            field = _field(app, added)
            if field is not None and not field.null and field.db_default is NOT_PROVIDED and field.column:
                yield f"{added.model_name_lower}.{added.name}"


def _operations(given: Sequence[Operation]) -> Iterator[Operation]:
    for one in given:
        yield from _operations(one.database_operations) if isinstance(one, SeparateDatabaseAndState) else [one]


def _field(app: str, added: AddField) -> Field[Any, Any] | None:
    """As it is now; None where it has gone."""
    try:
        found = apps.get_model(app, added.model_name)._meta.get_field(added.name)
    except (LookupError, FieldDoesNotExist):
        return None
    return found if isinstance(found, Field) else None
