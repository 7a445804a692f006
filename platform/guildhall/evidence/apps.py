from django.apps import AppConfig

from guildhall.kernel.actions import register_recorder


class EvidenceConfig(AppConfig):
    name = "guildhall.evidence"
    label = "evidence"

    def ready(self) -> None:
        from guildhall.evidence.writer import write

        register_recorder(write)
