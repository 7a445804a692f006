"""What an agent's call that people are asked about would do: the call itself, what it cost so far, and where it comes from."""

import json
from typing import Any

from governance.policies.answers import QUESTION
from governance.views import ApprovalView
from gpu_workers.ceilings import spent_on
from gpu_workers.selectors import has_team_role, runs_visible_to
from gpu_workers.web.shown import diff_of
from guildhall.kernel.actor import Actor
from guildhall.kernel.unseen import seen
from guildhall.portal.registry import Panel, register_panel

OF_CHANGE = ("open_change_request", "give_verdict")
"""Calls that name a change by the two commits which it lies between."""


def call_evidence(actor: Actor, view: ApprovalView) -> dict[str, Any] | None:
    """The call in full, the diff of what would be proposed or let through, the run and its cost."""
    kind, _, number = view.subject.partition(":")
    run = runs_visible_to(actor).filter(number=int(number)).first() if kind == "run" else None
    if run is None or not has_team_role(actor):
        return None
    call = json.loads(str(view.binding.get("call", "{}")))
    arguments = dict(call.get("arguments", {}))
    of_change = call.get("tool") in OF_CHANGE
    base, head = str(arguments.get("base_sha", "")), str(arguments.get("head_sha", ""))
    task = str(view.binding.get("task", ""))
    return {
        "run": run,
        "task": task if run.subject == f"task:{task}" else "",
        "words": said(view.binding.get(QUESTION, "")),
        "tool": str(call.get("tool", "")).replace("_", " "),
        "arguments": [(seen(name.replace("_", " "), ""), said(value)) for name, value in sorted(arguments.items())],
        "cost": spent_on(task),
        "ceiling": view.binding.get("cost_ceiling_usd", ""),
        "files": diff_of(run.repository, base, head) if of_change and run.repository else [],
    }


def said(value: object) -> str:
    """An argument as people can see all of it: with the codes of characters that hide."""
    return seen(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=1))


def register() -> None:
    """Called once the apps are ready."""
    template = "gpu_workers/_call_evidence.html"
    register_panel(Panel("call-evidence", "approval.agent_action", template, 10, call_evidence, "run:*"))
    register_panel(Panel("secret-evidence", "approval.secret_access", template, 10, call_evidence, "run:*"))
