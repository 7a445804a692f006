from django.apps import AppConfig


class EmbeddedConfig(AppConfig):
    name = "guildhall.embedded"
    label = "embedded"
