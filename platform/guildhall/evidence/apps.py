from django.apps import AppConfig

from guildhall.kernel.actions import register_check, register_recorder


class EvidenceConfig(AppConfig):
    name = "guildhall.evidence"
    label = "evidence"

    def ready(self) -> None:
        from guildhall.evidence import subscribers  # noqa: F401
        from guildhall.evidence.policies import check_stream_action
        from guildhall.evidence.writer import write

        register_recorder(write)
        register_check(check_stream_action)
