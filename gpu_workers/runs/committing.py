"""What a round leaves, as a commit: refused where it would hold a secret or touch files that agents may not write.

Whatever wrote a file, a tool or a program that a command ran, it is judged here by the globs that bind the tools.
"""

from pathlib import Path
from typing import Any

from governance.selectors.policy import active_policy
from gpu_workers.actions.runs import StepResult
from gpu_workers.models.run import Phase
from gpu_workers.repos import changed_paths, commit_all, diff, plain_name, push_branch
from gpu_workers.repos.git import FlawedHistory
from gpu_workers.repos.workspaces import tree_of
from gpu_workers.runs.context import RunContext
from gpu_workers.tools.bounds import barred
from gpu_workers.tools.contract import ToolRefused

LEAK = "secret"
MOST_NAMED = 20


def commit_step(ctx: RunContext, round_: int, head: str) -> tuple[str, str]:
    """Commit and push the workspace as the child of `head`: the commit, or "" and why there may be none.

    Both are empty where nothing differs. A refusal is a violation for each rule that it breaks.
    """
    message = f"{ctx.brief.task}: {ctx.brief.title}"

    def do(_: object) -> StepResult:
        tree = tree_of(ctx.workspace, head)
        leaking = leaking_in(ctx.workspace.git_dir, head, tree)
        found = [[LEAK, "secrets", leaking]] if leaking else []
        if found := [*found, *barred_in(ctx.workspace.git_dir, head, tree)]:
            return StepResult({"sha": "", "refused": found}, ok=False)
        sha = commit_all(ctx.workspace, ctx.run.branch, head, message, ctx.signature, ctx.when)
        try:
            if sha is not None:
                push_branch(ctx.repo, ctx.workspace, ctx.run.branch, sha, None if head == ctx.run.base_sha else head)
        except FlawedHistory as flawed:
            return StepResult({"sha": "", "flaw": f"git takes no such commit: {flawed.flaw}."}, ok=False)
        return StepResult({"sha": sha or ""}, ok=sha is not None)

    key, about = f"commit.{round_}", {"parent": head}
    title = f"Commit: {message}"
    step = ctx.journal.step(key, kind="commit", phase=Phase.CI_MONITOR, title=title, request=about, do=do)
    return str(step["sha"]), refuse(ctx, key, step.get("refused", [])) or str(step.get("flaw", ""))


def barred_in(repo: Path, base: str, head: str) -> list[list[Any]]:
    """Kind, rule and paths of what the policy forbids of all that differs between two commits or trees, moves included."""
    policy = active_policy().document
    rules = tuple((rule.name, rule.pattern) for rule in policy.violations.patterns if "path" in rule.places)
    found: dict[tuple[str, str], list[str]] = {}
    for path in changed_paths(repo, base, head):
        if refusal := barred(path, policy.files, rules):
            found.setdefault((refusal.kind, refusal.rule), []).append(plain_name(path))
    return [[kind, rule, paths] for (kind, rule), paths in found.items()]


def leaking_in(repo: Path, base: str, head: str) -> list[str]:
    """Paths between two commits or trees in which something that was added reads like a secret."""
    return [file.path for file in diff(repo, base, head) if file.reveals]


def refuse(ctx: RunContext, key: str, found: list[list[Any]]) -> str:
    """Write each of `found` down as a violation; what the agent is told, "" when there is none. Raises `Forbidden`."""
    told = []
    for kind, rule, paths in found:
        named = ", ".join(paths[:MOST_NAMED])
        if kind == LEAK:
            reason = f"A secret was about to be committed: {named}."
            told.append(f"{reason} Take it out; a program reads such values from its environment.")
        else:
            breaks = f" (the rule {rule!r})" if rule else ""
            reason = f"The change touches files that agents may not touch{breaks}: {named}."
            told.append(f"{reason} Make them what they were before and delete those that are new.")
        ctx.watch.refused(f"{key}:{rule}" if rule else key, named, ToolRefused(kind, reason, rule))
    if found:
        ctx.check_conduct()
    return "\n".join(told)
