"""Commands in a sandbox, of bubblewrap or a container engine: no network, read-only system, one writable workspace, hard limits.

Free of Django: configuration is passed in. Where the sandbox cannot be used, commands are refused, never run bare.
"""

from gpu_workers.sandbox.command import (
    ENVIRONMENT_ALLOWED,
    KilledBy,
    RootInside,
    SandboxCommand,
    SandboxLimits,
    SandboxResult,
    SandboxSettings,
    SandboxUnavailable,
    WallKind,
)
from gpu_workers.sandbox.sandbox import Sandbox, sandbox_available
from gpu_workers.sandbox.workspace import prepare_workspace

__all__ = [
    "ENVIRONMENT_ALLOWED",
    "KilledBy",
    "RootInside",
    "Sandbox",
    "SandboxCommand",
    "SandboxLimits",
    "SandboxResult",
    "SandboxSettings",
    "SandboxUnavailable",
    "WallKind",
    "prepare_workspace",
    "sandbox_available",
]
