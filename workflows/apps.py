from django.apps import AppConfig

from guildhall.kernel.actions import register_check


class WorkflowsConfig(AppConfig):
    name = "workflows"
    label = "workflows"

    def ready(self) -> None:
        from guildhall.evidence.reading import register_sensitive
        from workflows import (  # noqa: F401
            comfort_events,
            comfort_subscribers,
            council_events,
            events,
            live,
            plan_subscribers,
            subscribers,
        )
        from workflows.policies import check_workflow_action
        from workflows.selectors import references
        from workflows.web import panels, plan_panels

        register_sensitive("attachments", "(?:.*/)?(?:files|attachments)/")
        register_check(check_workflow_action)
        panels.register()
        plan_panels.register()
        references.register()
        live.register()
