from django.apps import AppConfig

from guildhall.kernel.actions import register_check


class GatewayConfig(AppConfig):
    name = "gateway"
    label = "gateway"

    def ready(self) -> None:
        from gateway.holding import POSSIBLE, hold_alarms, platform_hold
        from gateway.policies import check_owner_actions
        from governance.selectors.holds import register_hold_source
        from guildhall.owner.alarms import register_alarms

        register_check(check_owner_actions)
        register_hold_source(platform_hold, possible=POSSIBLE)
        register_alarms(hold_alarms)
