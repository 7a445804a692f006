"""Routes of event streams on a tenant's host."""

from django.urls import path

from guildhall.streams.web import apis, pages

api_urlpatterns = [
    path("consumers/", apis.ConsumersView.as_view(), name="api-consumers"),
    path("consumers/<str:consumer>/", apis.ConsumerView.as_view(), name="api-consumer"),
    path("consumers/<str:consumer>/wake/", apis.WakeView.as_view(), name="api-consumer-wake"),
    path("consumers/<str:consumer>/replay/", apis.ReplayView.as_view(), name="api-consumer-replay"),
    path("dead-letters/", apis.LettersView.as_view(), name="api-dead-letters"),
    path("dead-letters/retry/", apis.LettersRetryView.as_view(), name="api-dead-letters-retry"),
    path("dead-letters/dismiss/", apis.LettersDismissView.as_view(), name="api-dead-letters-dismiss"),
]
catalogue_urlpatterns = [
    path("api/events.yaml", apis.events_yaml, name="events-yaml"),
    path("api/events.json", apis.events_json, name="events-json"),
]
page_urlpatterns = [
    path("events/", pages.overview, name="consumers"),
    path("events/<str:consumer>/", pages.consumer, name="consumer"),
    path("events/<str:consumer>/replay/", pages.replay, name="consumer-replay"),
    path("events/<str:consumer>/<int:position>/", pages.letter, name="dead-letter"),
]
