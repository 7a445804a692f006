from django.apps import AppConfig

from guildhall.kernel.actions import register_check
from guildhall.kernel.seeds import register_seed


class GovernanceConfig(AppConfig):
    name = "governance"
    label = "governance"

    def ready(self) -> None:
        from governance import approval_events, events, live, subscribers, violation_events  # noqa: F401
        from governance.actions.seeding import seed_governance
        from governance.policies.grants import check_grant
        from governance.web import panels

        register_check(check_grant)
        register_seed(seed_governance)
        panels.register()
        live.register()
