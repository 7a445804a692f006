"""What people read before they allow a plan to be applied: all of its text, as it is kept, and where it would go."""

from typing import Any

from governance.views import ApprovalView
from gpu_workers.applying.plans import Garbled, kept_in
from gpu_workers.ceilings import spent_on
from gpu_workers.clusters.looking import LIVE, SEALED
from gpu_workers.models import Run, RunStep
from gpu_workers.selectors import has_team_role, runs_visible_to
from guildhall.kernel.actor import Actor
from guildhall.portal.registry import Panel, register_panel


def plan_evidence(actor: Actor, view: ApprovalView) -> dict[str, Any] | None:
    """The plan that an approval is bound to, part by part; in its place why not, where it is not the one any more."""
    kind, _, number = view.subject.partition(":")
    run = runs_visible_to(actor).filter(number=int(number)).first() if kind == "run" else None
    if run is None or not has_team_role(actor):
        return None
    task = str(view.binding.get("task", ""))
    return {
        "run": run,
        "task": task if run.subject == f"task:{task}" else "",
        "step": view.binding.get("plan", ""),
        "place": view.binding.get("place", ""),
        "commit": str(view.binding.get("commit_sha", ""))[:12],
        "cost": spent_on(task),
        "ceiling": view.binding.get("cost_ceiling_usd", ""),
        **_read(run, view),
    }


def _read(run: Run, view: ApprovalView) -> dict[str, Any]:
    step = RunStep.objects.filter(run=run, key=str(view.binding.get("plan", ""))).first()
    response = step.response if step else None
    try:
        kept = kept_in(response)
    except Garbled as wrong:
        return {"problem": str(wrong)}
    if kept is None or kept.plan.digest != view.binding.get("plan_hash"):
        return {"problem": "What is kept is not the plan that this approval is bound to."}
    parts = [
        (
            part,
            [
                (name.replace("_", " "), _said(value))
                for name, value in part.facts.items()
                if name not in (SEALED, LIVE)
            ],
        )
        for part in kept.plan.parts
    ]
    return {"parts": parts, "told": str((response or {}).get("text", ""))}


def _said(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "none"
    return str(value)


def register() -> None:
    """Called once the apps are ready."""
    template = "gpu_workers/_plan_evidence.html"
    register_panel(Panel("plan-evidence", "approval.deployment", template, 10, plan_evidence, "run:*"))
