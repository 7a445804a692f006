from django.apps import AppConfig
from guildhall.kernel.actions import register_check


class TenantsConfig(AppConfig):
    name = "tenants"
    label = "tenants"

    def ready(self) -> None:
        from tenants.policies import check_platform_actions

        register_check(check_platform_actions)
