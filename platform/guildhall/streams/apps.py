from django.apps import AppConfig


class StreamsConfig(AppConfig):
    """The doors to event streams: pages and API of consumers and dead letters, and the catalogue of events."""

    name = "guildhall.streams"
    label = "streams"

    def ready(self) -> None:
        from guildhall.streams.web import panels

        panels.register()
