from django.apps import AppConfig

from guildhall.kernel.actions import register_check


class GatewayConfig(AppConfig):
    name = "gateway"
    label = "gateway"

    def ready(self) -> None:
        from gateway.policies import check_owner_actions

        register_check(check_owner_actions)
