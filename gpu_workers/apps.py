from django.apps import AppConfig

from guildhall.kernel.seeds import register_seed


class GpuWorkersConfig(AppConfig):
    name = "gpu_workers"
    label = "gpu_workers"

    def ready(self) -> None:
        from gpu_workers.seeds import seed_agents

        register_seed(seed_agents)
