"""The sandbox as this installation is set up."""

from django.conf import settings

from gpu_workers.sandbox import SandboxSettings, WallKind


def sandbox_settings() -> SandboxSettings:
    """What isolates commands here, and where files for it may be put."""
    return SandboxSettings(
        runtime=settings.WORK_DIR,
        walls=WallKind(settings.SANDBOX),
        image=settings.SANDBOX_IMAGE,
        images=settings.SANDBOX_IMAGES,
    )
