"""The agent loop: plain Python over three protocols, without Django and without knowing where it runs."""

from gpu_workers.loop.loop import run_loop
from gpu_workers.loop.protocols import (
    Approver,
    Closing,
    Environment,
    LoopLimits,
    LoopResult,
    Model,
    ModelReply,
    Observation,
    Outcome,
    Permission,
    ToolCall,
    ToolSpec,
    Verdict,
)

__all__ = [
    "Approver",
    "Closing",
    "Environment",
    "LoopLimits",
    "LoopResult",
    "Model",
    "ModelReply",
    "Observation",
    "Outcome",
    "Permission",
    "ToolCall",
    "ToolSpec",
    "Verdict",
    "run_loop",
]
