"""What a run's agent leaves, as commits: refused where one would hold a secret or touch files that agents may not write.

Whatever wrote a file, a tool or a program that a command ran, it is judged here by the globs that bind the tools; who asks for
the commit, the agent in the middle of its work or the platform at its end, makes no difference.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from governance.selectors.policy import active_policy
from gpu_workers.actions.runs import StepResult
from gpu_workers.models.run import Phase
from gpu_workers.repos import changed_paths, plain_name, push_branch
from gpu_workers.repos.git import FlawedHistory, checked_sha, git, text
from gpu_workers.repos.leaks import leaking
from gpu_workers.repos.workspaces import commit_held, tree_of
from gpu_workers.runs.context import RunContext
from gpu_workers.runs.journal import Attempt
from gpu_workers.tools.bounds import barred
from gpu_workers.tools.contract import ToolRefused, ToolResult
from gpu_workers.wording import MOST_TITLE, commit_message, one_line
from guildhall.kernel.tenancy import release_connection

LEAK = "secret"
MOST_NAMED = 20
Found = list[list[Any]]
"""Kind, rule and paths of each thing that keeps a commit from being made."""


def commit_step(ctx: RunContext, round_: int) -> str:
    """Commit and push what the agent left uncommitted; why there may be no such commit, "" where there is one or nothing to
    commit. A refusal is a violation for each rule that it breaks."""
    message, parent = commit_message(ctx.brief.task, one_line(ctx.brief.title, MOST_TITLE), ""), ctx.tip

    def do(_: object) -> StepResult:
        tree = tree_of(ctx.workspace, parent)
        if found := _wrong_with(ctx, parent, tree):
            return StepResult({"sha": "", "refused": found}, ok=False)
        sha = commit_held(ctx.workspace, ctx.run.branch, parent, tree, message, ctx.signature, ctx.when)
        try:
            _push(ctx, parent, sha)
        except FlawedHistory as flawed:
            return StepResult({"sha": "", "flaw": f"git takes no such commit: {flawed.flaw}."}, ok=False)
        return StepResult({"sha": sha or ""}, ok=sha is not None)

    key, about = f"commit.{round_}", {"parent": parent}
    title = f"Commit: {message}"
    step = ctx.journal.step(key, kind="commit", phase=Phase.CI_MONITOR, title=title, request=about, do=do)
    if step["sha"]:
        ctx.move_tip(str(step["sha"]))
    return refuse(ctx, key, step.get("refused", [])) or str(step.get("flaw", ""))


def commit_called(ctx: RunContext, attempt: Attempt, said: str) -> ToolResult:
    """Commit and push the tree that a call of the agent began on, under its words.

    The commit is put by before anybody sees it: a worker that goes on from there brings the same one to the branch.
    """
    parent, tree = str(attempt.request["parent"]), str(attempt.request["tree"])
    message = commit_message(ctx.brief.task, said, f"Run {ctx.run.number}.")
    if not message:
        return ToolResult(False, "The message holds no words.")
    if found := _wrong_with(ctx, parent, tree):
        told = [_words(kind, rule, paths)[1] for kind, rule, paths in found]
        return ToolResult(False, "\n".join(["Nothing was committed.", *told]), {"barred": found})
    sha = commit_held(ctx.workspace, ctx.run.branch, parent, tree, message, ctx.signature, ctx.when)
    if sha is None:
        return ToolResult(False, "There is nothing to commit: no file differs from the last commit.")
    subject = message.partition("\n")[0]
    attempt.keep({"ok": True, "text": f"Committed {sha[:12]}: {subject}", "done": False, "sha": sha})
    return push_kept(ctx, attempt.request, {"sha": sha, "text": f"Committed {sha[:12]}: {subject}"})


def push_kept(ctx: RunContext, request: dict[str, Any], kept: dict[str, Any]) -> ToolResult:
    """Bring a commit that was put by to the run's branch; it is there already where a worker died after that."""
    ctx.check()
    try:
        _push(ctx, str(request["parent"]), str(kept["sha"]))
    except FlawedHistory as flawed:
        return ToolResult(False, f"git takes no such commit: {flawed.flaw}.")
    return ToolResult(True, str(kept["text"]), {"sha": kept["sha"]})


def _push(ctx: RunContext, parent: str, sha: str | None) -> None:
    if sha is not None:
        push_branch(ctx.repo, ctx.workspace, ctx.run.branch, sha, None if parent == ctx.run.base_sha else parent)


def _wrong_with(ctx: RunContext, parent: str, tree: str) -> Found:
    """What is wrong with a commit of `tree`; a key is one as well that the run's commits added piece by piece."""
    repo = ctx.workspace.git_dir
    spans = dict.fromkeys([(parent, tree), (ctx.run.base_sha, tree)])
    return [*_leaks(repo, spans), *barred_in(repo, parent, tree)]


def wrong_in_range(repo: Path, base: str, head: str) -> Found:
    """What is wrong with `base`..`head`: with all of it together, and with each of its commits, which stays in the history
    whatever a later one takes out again."""
    release_connection()
    lines = text(
        git(repo, "rev-list", "--reverse", "--parents", f"{checked_sha(base)}..{checked_sha(head)}")
    ).splitlines()
    commits = [line.split() for line in lines]
    spans = dict.fromkeys([(base, head), *((parent, sha) for sha, *parents in commits for parent in parents)])
    paths: dict[tuple[str, str], dict[str, None]] = {}
    for span in spans:
        for kind, rule, touched in barred_in(repo, *span):
            paths.setdefault((kind, rule), {}).update(dict.fromkeys(touched))
    return [*_leaks(repo, spans), *([kind, rule, list(touched)] for (kind, rule), touched in paths.items())]


def barred_in(repo: Path, base: str, head: str) -> Found:
    """Kind, rule and paths of what the policy forbids of all that differs between two commits or trees, moves included."""
    policy = active_policy().document
    rules = tuple((rule.name, rule.pattern) for rule in policy.violations.patterns if "path" in rule.places)
    found: dict[tuple[str, str], list[str]] = {}
    release_connection()
    for path in changed_paths(repo, base, head):
        if refusal := barred(path, policy.files, rules):
            found.setdefault((refusal.kind, refusal.rule), []).append(plain_name(path))
    return [[kind, rule, paths] for (kind, rule), paths in found.items()]


def _leaks(repo: Path, spans: Iterable[tuple[str, str]]) -> Found:
    paths = dict.fromkeys(path for span in spans for path in leaking(repo, *span))
    return [[LEAK, "secrets", list(paths)]] if paths else []


def refuse(ctx: RunContext, key: str, found: Found) -> str:
    """Write each of `found` down as a violation; what the agent is told, "" when there is none. Raises `Forbidden`."""
    told = []
    for kind, rule, paths in found:
        reason, advice = _words(kind, rule, paths)
        told.append(advice)
        named = ", ".join(paths[:MOST_NAMED])
        ctx.watch.refused(f"{key}:{rule}" if rule else key, named, ToolRefused(kind, reason, rule))
    if found:
        ctx.check_conduct()
    return "\n".join(told)


def _words(kind: str, rule: str, paths: list[str]) -> tuple[str, str]:
    """A refusal in words: for people, and for the agent with what it should do about it."""
    named = ", ".join(paths[:MOST_NAMED])
    if kind == LEAK:
        reason = f"A secret was about to be committed: {named}."
        return reason, f"{reason} Take it out; a program reads such values from its environment."
    breaks = f" (the rule {rule!r})" if rule else ""
    reason = f"The change touches files that agents may not touch{breaks}: {named}."
    return reason, f"{reason} Make them what they were before and delete those that are new."
