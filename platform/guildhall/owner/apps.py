from django.contrib.admin.apps import AdminConfig


class OwnerConsoleConfig(AdminConfig):
    """Django's admin with the owner console as its one site."""

    default_site = "guildhall.owner.site.OwnerSite"
