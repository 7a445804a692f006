"""A dev agent's run: plan, work, commit, CI, fix at most N times, propose.

Going on after a crash repeats it from the top, with every step that happened answered from the journal.
"""

from dataclasses import asdict, dataclass
from typing import Any

from gateway.chat import Request
from governance.selectors.policy import active_policy
from gpu_workers.actions.changes import open_change
from gpu_workers.actions.runs import Ending, StepResult
from gpu_workers.loop import LoopResult, Outcome, Permission, run_loop
from gpu_workers.loop.memory import size_of
from gpu_workers.models.agent import AgentKind
from gpu_workers.models.run import Phase, RunState
from gpu_workers.prompts import prompt
from gpu_workers.ranges import proposal_of
from gpu_workers.repos import diff_hash
from gpu_workers.runs.approving import RunApprover
from gpu_workers.runs.asking import hand_in, question
from gpu_workers.runs.ci import ci_key, ci_step
from gpu_workers.runs.committing import commit_step, refuse, wrong_in_range
from gpu_workers.runs.context import AGAIN, RunContext, Stopped
from gpu_workers.runs.environment import RunEnvironment
from gpu_workers.runs.forge import checks_step, put_up, read_remarks, remarks_of
from gpu_workers.runs.journal import Attempt
from gpu_workers.runs.model import Head
from gpu_workers.runs.origin import Origin, find_origin, open_change_of
from gpu_workers.runs.verdicts import Judged, why_given_up
from gpu_workers.runs.weighing import doubt, weigh
from gpu_workers.tools import changes_files
from gpu_workers.tools.handing_in import HAND_IN
from gpu_workers.wording import MOST_TITLE, one_line
from guildhall.kernel.fencing import fenced, held
from guildhall.kernel.tenancy import release_connection
from guildhall.kernel.texts import read_json

PLAN_TOKENS = 300
PLAN_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "steps": {
            "type": "array",
            "minItems": 1,
            "maxItems": 4,
            "items": {"type": "string", "minLength": 5, "maxLength": 80},
        }
    },
    "required": ["steps"],
    "additionalProperties": False,
}
COUNSEL_SHOWN = 1500
PROPOSE = "propose"
NOTHING_CHANGED = "Nothing was changed in the repository."
SILENT = "CI ended as {status} and wrote nothing."


@dataclass(frozen=True, slots=True)
class Words:
    """What an agent says of its change; an empty `title` is where it said nothing, and the task's stands for it."""

    title: str
    description: str

    def given(self) -> dict[str, str]:
        """What people are asked about beside the commits."""
        return asdict(self) if self.title else {}


def work(ctx: RunContext) -> Ending:
    """Carry the task out. Ends succeeded with a commit that CI is green on, or escalated with everything attached."""
    rounds = active_policy().document.runs.fixer_rounds
    base = _prepare(ctx)
    if not changes_files(ctx.agent.role):
        return _look(ctx)
    steps = _plan(ctx)
    ctx.enter(Phase.EXECUTOR)
    task = _task_message(ctx, steps)
    result = _act(ctx, "executor", [*_opening(ctx), task])
    head, words, attempts = ctx.run.base_sha, Words("", ""), list[Judged]()
    for round_ in range(rounds + 1):
        if result.outcome is Outcome.NEEDS_APPROVAL:
            return Ending(RunState.WAITING, reason=result.reason, outcome={"question": _question(ctx, result)})
        if result.outcome is Outcome.STOPPED:
            raise Stopped(result.reason)
        words = _handed_in(ctx, result) or words
        head, judged = _judge(ctx, round_, head, result)
        if not judged.problem:
            return _propose(ctx, base, head, round_, words)
        attempts.append(judged)
        if _in_a_loop(ctx, result):
            outcome = {"head_sha": ctx.tip, "last_problem": judged.problem[-2000:]}
            return Ending(RunState.ESCALATED, reason=f"It went round: {result.reason}.", outcome=outcome)
        if round_ < rounds:
            ctx.enter(Phase.FIXER, round_ + 1)
            ctx.log(f"Attempt {round_ + 1} of {rounds} to fix it", "dim")
            said = held(_ends(judged.problem, ctx.model.head.room // 4))
            fix = {"role": "user", "content": _filled(ctx, "dev_fix", output=said)}
            result = _act(ctx, f"fixer.{round_ + 1}", [*_opening(ctx), task, fix], ci_output=judged.problem)
    outcome = {"head_sha": ctx.tip, "last_problem": attempts[-1].problem[-2000:]}
    return Ending(RunState.ESCALATED, reason=why_given_up(attempts), outcome=outcome)


def _look(ctx: RunContext) -> Ending:
    """The run of an agent whose role has no tool to change files with: what it found out goes to people, once."""
    name = "ops_look" if ctx.agent.kind == AgentKind.OPS else "dev_look"
    ctx.enter(Phase.EXECUTOR)
    result = _act(ctx, "executor", _opening(ctx, name))
    if result.outcome is Outcome.NEEDS_APPROVAL:
        return Ending(RunState.WAITING, reason=result.reason, outcome={"question": _question(ctx, result)})
    if result.outcome is Outcome.STOPPED:
        raise Stopped(result.reason)
    said = result.summary or result.reason
    reason = f"{ctx.agent.title} has no tool that changes files, so a person goes on. It says: {said}"
    return Ending(RunState.ESCALATED, reason=reason[:2000], outcome={"head_sha": ctx.run.base_sha})


def _prepare(ctx: RunContext) -> str:
    """Clone the repository; the commit of the default branch that the work begins on."""

    def do(_: object) -> StepResult:
        branch = f"guildhall/{ctx.brief.task}-{ctx.run.number}"
        return StepResult({"origin": asdict(find_origin(ctx)), "branch": branch, "head": asdict(ctx.model.head)})

    found = ctx.journal.step(
        "prepare", kind="note", phase=Phase.PLANNER, title="Clone the repository", request={}, do=do
    )
    origin = Origin(**found["origin"])
    ctx.model.head, ctx.earlier = Head(**found["head"]), origin.earlier
    ctx.enter(Phase.PLANNER, base_sha=origin.start, branch=found["branch"])
    ctx.check()
    read_remarks(ctx, open_change_of(ctx))
    _ = ctx.workspace
    return origin.base


def _plan(ctx: RunContext) -> list[str]:
    ctx.model.phase = Phase.PLANNER
    request = Request(
        messages=[*_opening(ctx), {"role": "user", "content": prompt("dev_plan", ctx.run.prompt_version)}],
        schema=PLAN_SCHEMA,
        schema_name="plan",
        max_tokens=PLAN_TOKENS,
    )
    completion = ctx.model.ask("plan", request, "Plan the work")
    try:
        steps = [str(step) for step in read_json(completion.text)["steps"]][:4]
    except (ValueError, KeyError, TypeError):
        steps = [ctx.brief.title]
    return steps


def _opening(ctx: RunContext, told: str = "") -> list[dict[str, Any]]:
    """The prompt `told`, or that of the agent's kind, and the task as data."""
    brief = ctx.brief
    data: dict[str, Any] = {
        "task": brief.title,
        "brief": brief.brief,
        "acceptance": list(brief.acceptance),
        "feedback": brief.feedback,
        "evidence": brief.evidence,
    }
    if brief.again:
        data[AGAIN] = brief.again
    if brief.counsel:
        shown = COUNSEL_SHOWN if ctx.may_judge(ctx.agent.route) else COUNSEL_SHOWN // 4
        data["counsel of the council"] = brief.counsel[:shown]
    if ctx.earlier:
        data["an earlier change, which conflicts with the branch as it is now"] = ctx.earlier
    if remarks := remarks_of(ctx):
        data["what was written on the pull request"] = remarks
    over = size_of(data) - ctx.model.head.room // 2
    if over > 0:
        # The task is told in every prompt, so that what it may lean on gives way where the window is small.
        data["evidence"] = _ends(brief.evidence, max(len(brief.evidence) - over, 0))
    system = prompt(told or ctx.agent.kind, ctx.run.prompt_version)
    return [{"role": "system", "content": system}, {"role": "user", "content": fenced("story", data)}]


def _ends(text: str, longest: int) -> str:
    """`text` without its middle, where it is longer than `longest` characters: causes stand first, verdicts last."""
    if len(text) <= longest:
        return text
    half = longest // 2
    return f"{text[:half]}\n[… {len(text) - 2 * half} characters left out …]\n{text[len(text) - half :]}"


def _task_message(ctx: RunContext, steps: list[str]) -> dict[str, Any]:
    listed = "\n".join(f"{number}. {step}" for number, step in enumerate(steps, 1))
    return {"role": "user", "content": _filled(ctx, "dev_execute", steps=held(listed))}


def _filled(ctx: RunContext, name: str, **parts: str) -> str:
    """A prompt with its places filled, in one pass: what is filled in may contain braces of its own."""
    text = prompt(name, ctx.run.prompt_version)
    for place, value in parts.items():
        text = text.replace("{" + place + "}", value, 1)
    return text


def _act(ctx: RunContext, prefix: str, messages: list[dict[str, Any]], ci_output: str = "") -> LoopResult:
    environment, head = RunEnvironment(ctx, ci_output), ctx.model.head
    led = not head.tools and environment.guides()
    repeats = active_policy().document.rate_limits.repeats
    result = run_loop(
        ctx.model,
        environment,
        RunApprover(ctx),
        messages,
        prefix=prefix,
        limits=head.led_limits(repeats) if led else head.limits(repeats),
        stopped=ctx.stopped,
        noting=prompt("dev_notes", ctx.run.prompt_version) if head.able else "",
    )
    if _in_a_loop(ctx, result):
        ctx.watch.went_round(prefix, f"{result.reason[:1].upper()}{result.reason[1:]}.")
        ctx.check_conduct()
    return result


def _in_a_loop(ctx: RunContext, result: LoopResult) -> bool:
    """Whether it repeats itself where it could do otherwise; a small model has little choice."""
    return result.outcome is Outcome.GOING_ROUND and ctx.model.head.able


def _handed_in(ctx: RunContext, result: LoopResult) -> Words | None:
    """The words in which the agent handed its work in, as the step of that call keeps them."""
    stored = ctx.journal.finished(result.key) if result.outcome is Outcome.FINISHED else None
    return Words(**stored["words"]) if stored and "words" in stored else None


def _judge(ctx: RunContext, round_: int, judged: str, result: LoopResult) -> tuple[str, Judged]:
    """Commit what the agent left and ask CI of the run's last commit: that one, and its problem ("" when green).

    `judged` is the commit that CI was asked of last, or that the work began on.
    """
    ctx.enter(Phase.CI_MONITOR, round_)
    problem = commit_step(ctx, round_)
    if problem or ctx.tip == judged:
        return judged, Judged("", problem or f"{NOTHING_CHANGED} {result.reason or result.summary}".strip())
    sha = ctx.tip
    found = ci_step(ctx, ci_key(round_), Phase.CI_MONITOR, sha, f"run:{ctx.run.number}:{round_}")
    if found["status"] == "passed":
        found = checks_step(ctx, round_, sha) or found
    status = str(found["status"])
    return sha, Judged(status, "" if status == "passed" else str(found["log"]).strip() or SILENT.format(status=status))


def _propose(ctx: RunContext, base: str, head: str, round_: int, words: Words) -> Ending:
    """Open the change request for `head` in the agent's words, once, where nothing stands against that."""
    ctx.enter(Phase.FINALIZER, round_)
    repo = ctx.repo
    release_connection()
    about = {"base_sha": base, "head_sha": head, "diff_hash": diff_hash(repo, base, head), **words.given()}
    if ctx.journal.kept(PROPOSE) is None and (ending := _held_back(ctx, base, head, about)):
        return ending

    def do(attempt: Attempt) -> StepResult:
        if attempt.kept is not None:
            return StepResult(attempt.kept)
        proposal = proposal_of(ctx.repo, ctx.run.branch, base, head)
        opened = open_change(
            actor=ctx.actor,
            run=ctx.run,
            fence=ctx.journal.fence,
            step=PROPOSE,
            task=ctx.brief.task,
            title=words.title or one_line(ctx.brief.title, MOST_TITLE),
            description=words.description,
            proposal=proposal,
        )
        return StepResult(opened)

    found = ctx.journal.step(
        PROPOSE, kind="change", phase=Phase.FINALIZER, title="Open a change request", request={"head": head}, do=do
    )
    put_up(ctx, int(found["change"]), head)
    hand_in(ctx.run, PROPOSE, HAND_IN, about, ok=True)
    return Ending(RunState.SUCCEEDED, outcome={**found, "head_sha": head}, verdict="committed", sha=head)


def _held_back(ctx: RunContext, base: str, head: str, about: dict[str, str]) -> Ending | None:
    """How the run ends where its commits stand against the change request that `about` says, or people have a say first."""
    outcome: dict[str, Any] = {"head_sha": head}
    if wrong := refuse(ctx, PROPOSE, wrong_in_range(ctx.repo, base, head)):
        return Ending(RunState.ESCALATED, reason=wrong, outcome=outcome)
    verdict = RunApprover(ctx).may_propose(PROPOSE, HAND_IN, about, doubt(weigh(ctx, base, head)))
    if verdict.permission is Permission.ASK:
        asked = question(ctx, PROPOSE, HAND_IN, about, verdict.reason)
        return Ending(RunState.WAITING, reason=verdict.reason, outcome={**outcome, "question": asked})
    if verdict.permission is Permission.DENY:
        return Ending(RunState.ESCALATED, reason=verdict.reason, outcome=outcome)
    return None


def _question(ctx: RunContext, result: LoopResult) -> dict[str, Any]:
    assert result.call is not None, "a loop that needs an approval names the call"
    return question(ctx, result.key, result.call.name, result.call.arguments, result.reason)
