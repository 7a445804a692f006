from django.apps import AppConfig


class RealtimeConfig(AppConfig):
    name = "guildhall.realtime"
    label = "realtime"
