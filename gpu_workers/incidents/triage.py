"""An Ops agent's run: read the evidence, hand in the failed part with its proof, and a remedy that people decide on."""

from gpu_workers.actions.incidents import keep_report
from gpu_workers.actions.runs import Ending, StepResult
from gpu_workers.incidents.reading import evidence_of, incident_of
from gpu_workers.models.run import Phase, RunState
from gpu_workers.runs.context import RunContext
from gpu_workers.runs.desk import Desk, at_desk
from gpu_workers.tools.logs import LOG_TOOLS
from gpu_workers.tools.web import BROWSE


def triage(ctx: RunContext) -> Ending:
    """Ends succeeded with a report whose citations hold, or escalated with the reason; nothing is proposed then."""
    incident = incident_of(ctx.run.subject)
    evidence = evidence_of(incident)
    names = (*(tool.name for tool in LOG_TOOLS), BROWSE)
    desk = Desk(ctx, names, evidence=evidence)
    about = {
        "incident": incident.title,
        "description": incident.description,
        "parts": incident.parts,
        "evidence": [
            {"file": file.name, "kind": file.kind, "lines": len(file.lines)} for file in evidence.files.values()
        ],
    }
    found, ending = at_desk(ctx, desk, about)
    if ending is not None:
        return ending
    ctx.enter(Phase.FINALIZER)

    def do(_: object) -> StepResult:
        report = keep_report(actor=ctx.actor, incident=incident, run=ctx.run, fence=ctx.journal.fence, found=found)
        return StepResult({"report": report.pk, "part": report.part})

    kept = ctx.journal.step(
        "report", kind="note", phase=Phase.FINALIZER, title="Propose the remedy to people", request={}, do=do
    )
    ctx.log(f"{kept['part']} failed. The remedy waits for a person.", "ok")
    return Ending(RunState.SUCCEEDED, outcome=kept)
