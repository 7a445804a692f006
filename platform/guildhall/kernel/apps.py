from django.apps import AppConfig


class KernelConfig(AppConfig):
    name = "guildhall.kernel"
    label = "kernel"

    def ready(self) -> None:
        from guildhall.kernel import rows, stateful
        from guildhall.kernel.logs import watch_crashes
        from guildhall.kernel.own_secrets import keep_settings

        keep_settings()
        rows.listen()
        stateful.listen()
        watch_crashes()
