from django.apps import AppConfig


class PortalConfig(AppConfig):
    name = "guildhall.portal"
    label = "portal"
