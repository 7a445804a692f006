from django.apps import AppConfig

from guildhall.kernel.actions import register_check


class WorkflowsConfig(AppConfig):
    name = "workflows"
    label = "workflows"

    def ready(self) -> None:
        from workflows import comfort_events, comfort_subscribers, council_events, events, live, subscribers  # noqa: F401
        from workflows.policies import check_workflow_action
        from workflows.web import panels

        register_check(check_workflow_action)
        panels.register()
        live.register()
