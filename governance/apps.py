from django.apps import AppConfig

from guildhall.kernel.actions import register_check
from guildhall.kernel.seeds import register_seed


class GovernanceConfig(AppConfig):
    name = "governance"
    label = "governance"

    def ready(self) -> None:
        from governance import (  # noqa: F401
            approval_events,
            budget_events,
            budget_subscribers,
            confidence_events,
            confidence_subscribers,
            events,
            live,
            policy_events,
            policy_subscribers,
            subscribers,
            violation_events,
        )
        from governance.actions.seeding import seed_governance
        from governance.policies.grants import check_grant
        from governance.policies.stale import refuse_stale_policy
        from governance.selectors import simulation
        from governance.web import panels, policy_panels, violation_panels
        from guildhall.evidence.reading import register_sensitive

        register_sensitive("the audit trail", "audit/")
        register_sensitive("what was spent", "costs/|ledger/|budgets/")
        register_check(check_grant)
        register_check(refuse_stale_policy)
        register_seed(seed_governance)
        panels.register()
        policy_panels.register()
        violation_panels.register()
        simulation.register()
        live.register()
