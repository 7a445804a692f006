"""The API of durable consumers and dead letters, and the catalogue of events."""

from dataclasses import asdict

from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from guildhall.api.inputs import checked, checked_query
from guildhall.api.views import View, answer
from guildhall.evidence.actions import dismiss_letters, retry_letters, rewind_consumer, wake_consumer
from guildhall.evidence.policies import refuse_others
from guildhall.evidence.streams import consumer_for, consumers_for, letters_for
from guildhall.streams import catalogue
from guildhall.streams.web import serializers


class ConsumersView(View):
    @extend_schema(responses=serializers.ConsumerAnswer(many=True))
    def get(self, request: Request) -> Response:
        """Durable consumers by name: position, lag, last error, dead letters. For admins."""
        return answer(serializers.ConsumerAnswer(consumers_for(self.actor), many=True))


class ConsumerView(View):
    @extend_schema(responses=serializers.ConsumerAnswer)
    def get(self, request: Request, consumer: str) -> Response:
        """One durable consumer."""
        return answer(serializers.ConsumerAnswer(consumer_for(self.actor, consumer)))


class WakeView(View):
    @extend_schema(request=None, responses=serializers.ConsumerAnswer)
    def post(self, request: Request, consumer: str) -> Response:
        """Have a consumer that waits for its next try do it at once. 409 when it does not wait."""
        consumer_for(self.actor, consumer)
        wake_consumer(actor=self.actor, consumer=consumer)
        return answer(serializers.ConsumerAnswer(consumer_for(self.actor, consumer)))


class ReplayView(View):
    @extend_schema(request=serializers.ReplayBody, responses=serializers.ReplayAnswer)
    def post(self, request: Request, consumer: str) -> Response:
        """Have a consumer read everything from a position on again.

        Consumers handle an event that comes twice like one that came once; work that was undone by hand may be done anew.
        """
        consumer_for(self.actor, consumer)
        given = checked(serializers.ReplayBody, request)
        events = rewind_consumer(actor=self.actor, consumer=consumer, **given)
        state = consumer_for(self.actor, consumer)
        return answer(serializers.ReplayAnswer({**asdict(state), "state": state.state, "events": events}))


class LettersView(View):
    @extend_schema(parameters=[serializers.LetterQuery], responses=serializers.LetterAnswer(many=True))
    def get(self, request: Request) -> Response:
        """Dead letters that wait, newest first, 200 at most."""
        wanted = checked_query(serializers.LetterQuery, request)
        return answer(serializers.LetterAnswer(letters_for(self.actor, wanted.get("consumer", "")), many=True))


class LettersRetryView(View):
    @extend_schema(request=serializers.RetryBody, responses={202: serializers.PositionsAnswer})
    def post(self, request: Request) -> Response:
        """Have dead letters handed to their consumer once more. The answer names them; how it went is an event each."""
        refuse_others(self.actor)
        given = checked(serializers.RetryBody, request)
        positions = retry_letters(actor=self.actor, **given)
        return answer(serializers.PositionsAnswer({"consumer": given["consumer"], "positions": positions}), status=202)


class LettersDismissView(View):
    @extend_schema(request=serializers.DismissBody, responses=serializers.PositionsAnswer)
    def post(self, request: Request) -> Response:
        """Set dead letters aside for good; their events stay in the stream."""
        refuse_others(self.actor)
        given = checked(serializers.DismissBody, request)
        positions = dismiss_letters(actor=self.actor, **given)
        return answer(serializers.PositionsAnswer({"consumer": given["consumer"], "positions": positions}))


@require_safe
@cache_control(max_age=300)
def events_yaml(request: HttpRequest) -> HttpResponse:
    """The catalogue of events as AsyncAPI 3.0 in YAML."""
    return HttpResponse(catalogue.as_yaml(), content_type="application/vnd.aai.asyncapi+yaml;version=3.0.0")


@require_safe
@cache_control(max_age=300)
def events_json(request: HttpRequest) -> HttpResponse:
    """The catalogue of events as AsyncAPI 3.0 in JSON."""
    return HttpResponse(catalogue.as_json(), content_type="application/vnd.aai.asyncapi+json;version=3.0.0")
