"""The sandbox as this installation is set up."""

from django.conf import settings

from gpu_workers.sandbox import SandboxLimits, SandboxSettings, WallKind


def sandbox_settings() -> SandboxSettings:
    """What isolates commands here, and where files for it may be put."""
    return SandboxSettings(
        runtime=settings.WORK_DIR,
        walls=WallKind(settings.SANDBOX),
        image=settings.SANDBOX_IMAGE,
        images=settings.SANDBOX_IMAGES,
    )


def command_limits() -> SandboxLimits:
    """What CI and agents' commands may take here."""
    return SandboxLimits(
        wall_s=float(settings.COMMAND_SECONDS),
        cpu_s=settings.COMMAND_CPU_SECONDS,
        memory=settings.COMMAND_MEMORY,
        disk=settings.COMMAND_DISK,
    )
