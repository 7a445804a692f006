from django.apps import AppConfig


class PortalConfig(AppConfig):
    name = "guildhall.portal"
    label = "portal"

    def ready(self) -> None:
        from guildhall.portal.registry import NavItem, register_nav

        register_nav(NavItem("Dashboard", "layout-dashboard", "/", 10, key="d", tab=True))
