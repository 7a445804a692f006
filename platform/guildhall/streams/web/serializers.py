"""What the API says and takes about consumers and dead letters."""

from typing import Any

from rest_framework import serializers

from guildhall.evidence.actions import AT_ONCE
from guildhall.kernel.reasons import MOST

BIGGEST = 2**63 - 1


class ConsumerAnswer(serializers.Serializer[Any]):
    """A durable consumer and how far it is."""

    name = serializers.CharField()
    about = serializers.CharField(help_text="What it does.")
    kinds = serializers.ListField(child=serializers.CharField(), help_text="Kinds of events that it handles.")
    state = serializers.CharField(help_text="up_to_date, reading, behind or failing.")
    position = serializers.IntegerField(help_text="The last position that it has passed.")
    lag = serializers.IntegerField(help_text="Positions that it has not passed yet.")
    attempts = serializers.IntegerField(help_text="Failed tries of the event that it stands at.")
    error = serializers.CharField(allow_blank=True, help_text="Of the last failed try, empty when there was none.")
    retry_at = serializers.DateTimeField(allow_null=True)
    reading = serializers.BooleanField(help_text="Whether a worker reads for it now.")
    dead_letters = serializers.IntegerField()


class LetterAnswer(serializers.Serializer[Any]):
    """An event that its consumer could not handle."""

    consumer = serializers.CharField()
    position = serializers.IntegerField()
    kind = serializers.CharField()
    version = serializers.IntegerField()
    subject = serializers.CharField()
    sentence = serializers.CharField(help_text="What happened, without the actor's name.")
    actor = serializers.DictField()
    happened_at = serializers.DateTimeField()
    error = serializers.CharField()
    given_up_at = serializers.DateTimeField()


class LetterQuery(serializers.Serializer[Any]):
    consumer = serializers.CharField(required=False, max_length=80)


class RetryBody(serializers.Serializer[Any]):
    consumer = serializers.CharField(max_length=80)
    positions = serializers.ListField(
        child=serializers.IntegerField(min_value=1, max_value=BIGGEST),
        required=False,
        min_length=1,
        max_length=AT_ONCE,
        help_text=f"Which dead letters; all of the consumer's that wait, {AT_ONCE} at most, when left out.",
    )


class DismissBody(RetryBody):
    reason = serializers.CharField(max_length=MOST)


class ReplayBody(serializers.Serializer[Any]):
    position = serializers.IntegerField(
        min_value=1, max_value=BIGGEST, help_text="The first event that it shall get again."
    )
    reason = serializers.CharField(max_length=MOST)


class PositionsAnswer(serializers.Serializer[Any]):
    consumer = serializers.CharField()
    positions = serializers.ListField(child=serializers.IntegerField())


class ReplayAnswer(ConsumerAnswer):
    """The consumer, standing before the first event that it gets again."""

    events = serializers.IntegerField(help_text="Positions that it will pass once more.")
