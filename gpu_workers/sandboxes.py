"""The sandbox as this installation is set up."""

from dataclasses import replace

from django.conf import settings

from gpu_workers.sandbox import SandboxLimits, SandboxSettings, WallKind
from gpu_workers.sandbox.command import MIB
from workflows.selectors.tree import ci_limits_of


def sandbox_settings() -> SandboxSettings:
    """What isolates commands here, and where files for it may be put."""
    return SandboxSettings(
        runtime=settings.WORK_DIR,
        walls=WallKind(settings.SANDBOX),
        image=settings.SANDBOX_IMAGE,
        images=settings.SANDBOX_IMAGES,
    )


def ci_limits(repository: str) -> SandboxLimits:
    """What CI of a repository may take: what its project says, within what commands may take here."""
    own = ci_limits_of(repository)
    return replace(
        command_limits(),
        wall_s=float(own["seconds"]),
        cpu_s=own["cpu_seconds"],
        memory=own["memory_mib"] * MIB,
        disk=own["disk_mib"] * MIB,
    )


def command_limits() -> SandboxLimits:
    """What agents' commands may take here, and CI at most."""
    return SandboxLimits(
        wall_s=float(settings.COMMAND_SECONDS),
        cpu_s=settings.COMMAND_CPU_SECONDS,
        memory=settings.COMMAND_MEMORY,
        disk=settings.COMMAND_DISK,
    )
