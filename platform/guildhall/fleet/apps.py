from django.apps import AppConfig

from guildhall.kernel.actions import register_check


class FleetConfig(AppConfig):
    """Workers and queues of the whole platform: what each is doing, and the owner's orders to them."""

    name = "guildhall.fleet"
    label = "fleet"

    def ready(self) -> None:
        from guildhall.fleet.policies import check_fleet_action

        register_check(check_fleet_action)
