from django.apps import AppConfig


class GpuWorkersConfig(AppConfig):
    name = "gpu_workers"
    label = "gpu_workers"

    def ready(self) -> None:
        from gpu_workers import wiring

        wiring.register()
