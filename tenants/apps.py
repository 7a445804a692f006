from importlib import import_module

from django.apps import AppConfig
from django.contrib.auth.signals import user_logged_in

from governance.people import register_people
from governance.scopes import ScopeKind
from governance.spenders import register_spenders
from guildhall.kernel.actions import register_check
from guildhall.kernel.jobs import register_gate


class TenantsConfig(AppConfig):
    name = "tenants"
    label = "tenants"
    keeps_secrets = True  # as digests; see guildhall.kernel.rows

    def ready(self) -> None:
        from governance.selectors.holds import register_hold_source
        from guildhall.evidence.reading import register_sensitive
        from guildhall.owner.alarms import register_alarms
        from guildhall.owner.streams import register_tenant_names
        from tenants import subscribers  # noqa: F401
        from tenants.policies import check_identity_action
        from tenants.selectors import (
            POSSIBLY_CLOSED,
            closed_hold,
            known_keys,
            names_of_tenants,
            roles_of_members,
            why_closed,
        )
        from tenants.web import faces
        from tenants.web.owner_alarms import stalled_alarms

        register_sensitive("people", "settings/members/|members/")
        register_check(check_identity_action)
        register_gate(why_closed)
        register_hold_source(closed_hold, possible=POSSIBLY_CLOSED)
        register_people(roles_of_members)
        register_spenders(ScopeKind.API_KEY, known_keys)
        register_tenant_names(names_of_tenants)
        register_alarms(stalled_alarms)
        faces.register()
        import_module("tenants.auth.openapi")
        # Django's own receiver would write `last_login` under a tenant's role, which may not touch users; sign-ins are
        # listed from sessions and recorded in the audit trail instead.
        user_logged_in.disconnect(dispatch_uid="update_last_login")
