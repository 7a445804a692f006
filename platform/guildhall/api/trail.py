"""Lines of the audit trail as the API shows them."""

from typing import Any

from rest_framework import serializers


class TrailActor(serializers.Serializer[Any]):
    ref = serializers.CharField()
    kind = serializers.CharField()
    name = serializers.CharField()


class TrailEntry(serializers.Serializer[Any]):
    """One line of the audit trail."""

    id = serializers.IntegerField()
    at = serializers.DateTimeField()
    kind = serializers.CharField()
    action = serializers.CharField()
    outcome = serializers.CharField(help_text="done or denied.")
    subject = serializers.CharField()
    actor = TrailActor()
    sentence = serializers.CharField(help_text="What happened, without the actor's name.")
    reason = serializers.CharField(allow_blank=True)
    operation_id = serializers.CharField()
    trace_id = serializers.CharField()
