"""What django-fsm's fields listen to."""

import pytest
from django.db.migrations.state import ModelState, ProjectState
from django.db.models import AutoField
from django.db.models.signals import class_prepared
from django_fsm import FSMField, FSMFieldMixin

pytestmark = pytest.mark.unit


def test_fields_of_models_of_the_past_are_not_told_of_models_made_later() -> None:
    state = ProjectState()
    state.add_model(ModelState("kernel", "Past", [("id", AutoField(primary_key=True)), ("state", FSMField())]))
    field = state.apps.get_model("kernel", "Past")._meta.get_field("state")
    assert isinstance(field, FSMFieldMixin)
    assert not class_prepared.disconnect(field._collect_transitions), "it still listened"
