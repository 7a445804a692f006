"""How sure a run may be of the change that it is about to propose: the components, read from what is stored."""

from decimal import Decimal

from governance.actions.confidence import assess_effect
from governance.autonomy import ActionClass, Risk
from governance.confidence import PLACES, RISK_LEAVES, Component, from_logprobs, from_votes
from governance.selectors.confidence import AssessmentView
from governance.selectors.policy import active_policy
from gpu_workers.ci_answers import ci_of
from gpu_workers.grounded.target import is_document
from gpu_workers.grounded.text import STOP, stem, words
from gpu_workers.models import CIRun, RunStep
from gpu_workers.models.run import Phase
from gpu_workers.repos import FileDiff, diff
from gpu_workers.runs.brief import story_of
from gpu_workers.runs.context import Brief, RunContext
from guildhall.kernel.tenancy import release_connection
from workflows.models import Story
from workflows.planning.drafts import RISKS
from workflows.selectors.councils import votes_of

ACTING = (Phase.EXECUTOR, Phase.FIXER)


def weigh(ctx: RunContext, base: str, head: str) -> AssessmentView:
    """The confidence in opening a change request for `head`; the same commit gives the same one."""
    repo, story = ctx.repo, story_of(ctx.run)
    release_connection()
    changed = diff(repo, base, head)
    found = {
        Component.CI: _ci(ci_of(ctx.repository.name, head)),
        Component.RISK: _risk(ctx.brief, story, changed),
        Component.SUPPORT: support(ctx.brief, changed),
        Component.COUNCIL: _council(story),
        Component.LOGPROB: _logprob(ctx),
    }
    return assess_effect(
        actor=ctx.actor,
        effect=ActionClass.OPEN_CHANGE_REQUEST,
        subject=f"task:{ctx.brief.task}",
        key=head,
        agent=ctx.agent.ref,
        run=ctx.run.ref,
        components={name: value for name, value in found.items() if value is not None},
    )


def weigh_call(ctx: RunContext, effect: ActionClass, step: str) -> AssessmentView:
    """The confidence in a call whose effect leaves the workspace, by CI of the commit that the run stands on."""
    story = story_of(ctx.run) if ctx.run.story else None
    stands_on = ctx.run.head_sha or ctx.run.base_sha
    found = {
        Component.CI: _ci(ci_of(ctx.run.repository, stands_on)) if stands_on else None,
        Component.RISK: _risk(ctx.brief, story, []),
        Component.COUNCIL: _council(story) if story else None,
        Component.LOGPROB: _logprob(ctx),
    }
    return assess_effect(
        actor=ctx.actor,
        effect=effect,
        subject=ctx.run.ref,
        key=step[:80],
        agent=ctx.agent.ref,
        run=ctx.run.ref,
        components={name: value for name, value in found.items() if value is not None},
    )


def doubt(found: AssessmentView) -> str:
    """Why nothing but a question may follow from an assessment, "" when it is sure enough."""
    if not found.halted:
        return ""
    reasons = "; ".join(found.reasons)
    return f"its confidence {found.score:.2f} is below the policy’s {found.threshold:.2f}: {reasons}"


def support(brief: Brief, changed: list[FileDiff]) -> Decimal | None:
    """The share of the words added to documents that stand in the story's evidence, brief or acceptance.

    None where the story has no evidence, or nothing was added to a document: code is judged by CI.
    """
    lines = [line[1:] for file in changed if is_document(file.path) for line in file.text.splitlines()]
    marks = [line[:1] for file in changed if is_document(file.path) for line in file.text.splitlines()]
    added = [word for mark, line in zip(marks, lines, strict=True) if mark == "+" for word in _content(line)]
    if not brief.evidence.strip() or not added:
        return None
    said = set(_content("\n".join([brief.title, brief.brief, brief.evidence, *brief.acceptance])))
    return (Decimal(sum(word in said for word in added)) / len(added)).quantize(PLACES)


def _content(text: str) -> list[str]:
    return [stem(word) for word in words(text) if word.lower() not in STOP]


def _ci(found: CIRun | None) -> Decimal | None:
    if found is None:
        return None
    total = found.passed + found.failed
    if total == 0:
        return Decimal(found.green)
    return (Decimal(found.passed) / total).quantize(PLACES) if found.green or found.failed else Decimal(0)


def _risk(brief: Brief, story: Story | None, changed: list[FileDiff]) -> Decimal:
    if any(file.hides_new for file in changed):
        return RISK_LEAVES[Risk.HIGH]
    labels = story.risk_labels or [] if story else []
    policy = active_policy().document.risk_of(labels, [file.path for file in changed])
    return RISK_LEAVES[max(str(Risk(brief.risk)), str(policy), key=RISKS.index)]


def _council(story: Story) -> Decimal | None:
    """The agreement of the story's councils that stand; the lowest where there are several."""
    worth = [value for winner, votes in votes_of(story) if (value := from_votes(winner, votes)) is not None]
    return min(worth, default=None)


def _logprob(ctx: RunContext) -> Decimal | None:
    """Over the answers that the run acted on, where the engine told its certainty."""
    said = RunStep.objects.filter(run=ctx.run, kind="model", phase__in=ACTING, response__has_key="mean_logprob")
    told = said.values_list("response__mean_logprob", flat=True)
    found = [float(mean) for mean in told if mean is not None]
    return from_logprobs(sum(found) / len(found)) if found else None
