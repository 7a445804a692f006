"""Tools that plan an installation: Compose files, Kubernetes manifests and Helm charts of the workspace against its base.

Programs of the installation render what needs them, in the sandbox and without network. Where the project names a cluster,
that says by a dry run what it would do, and the plan is kept to be applied; nothing is applied here.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from gpu_workers.clusters.looking import plan_for
from gpu_workers.confined import PathRefused, confined_files, confined_read
from gpu_workers.plans import compose, manifests
from gpu_workers.plans.documents import MAX_TEXT, YamlError
from gpu_workers.plans.parts import Part, changes, dangers, removed
from gpu_workers.plans.risks import sorted_risks, told
from gpu_workers.repos.reading import checkout_tree
from gpu_workers.sandbox import SandboxCommand, SandboxLimits
from gpu_workers.sandbox.inside import PROGRAMS
from gpu_workers.tools.bounds import checked_path, readable, shown
from gpu_workers.tools.contract import ActionClass, FunctionTool, Sensitivity, ToolContext, ToolResult
from gpu_workers.tools.files import PATH

LIMITS = SandboxLimits(cpu_s=30, wall_s=60.0, output=2 * 1024 * 1024)
MOST_FILES = 60
YAML = re.compile(r"\.ya?ml\Z")
NO_COMPOSE = re.compile(r"unknown (?:shorthand )?(?:flag|command)|is not a docker command")
CHART = re.compile(r"(?:^|/)Chart\.yaml\Z")
KUSTOMIZE = ("kustomization.yaml", "kustomization.yml", "Kustomization")
END = "Nothing was applied; applying it is a deployment that people approve."
KUBERNETES, HELM = "kubernetes", "helm"
SINCE = {
    "type": "string",
    "pattern": "^[0-9a-f]{40}$",
    "description": "Plan against this commit, such as the one applied last: what it had and this has not goes away.",
}
Parts = dict[str, Part]
Bodies = dict[str, dict[str, Any]]
Found = TypeVar("Found", Part, dict[str, Any])


@dataclass(frozen=True, slots=True)
class PlanTool(FunctionTool):
    """A tool that makes sense only where the workspace has a file of this name."""

    about: re.Pattern[str] = YAML

    def offered(self, ctx: ToolContext) -> bool:
        tree = ctx.workspace.tree
        return tree.is_dir() and any(self.about.search(path) for path in confined_files(tree))


class _NoPlan(RuntimeError):
    """There is none; the message says why."""


def compose_plan(arguments: dict[str, Any], ctx: ToolContext) -> ToolResult:
    wanted = checked_path(arguments["path"], ctx) if "path" in arguments else ""

    def read(tree: Path) -> Parts:
        paths = [wanted] if wanted else [path for path in _files(tree, "", ctx) if compose.NAMES.search(path)]
        return _read(tree, paths, compose.services, several=len(paths) > 1)

    notes = [_as_docker_says(wanted, ctx)] if wanted else []
    try:
        after, before, problem = _both(read, ctx, ctx.base_sha)
    except (_NoPlan, YamlError) as why:
        return ToolResult(False, shown(f"There is no plan: {why}.", ctx))
    return _told("services", after, before, ctx, [*notes, problem], "would be stopped and removed")


def kubernetes_plan(arguments: dict[str, Any], ctx: ToolContext) -> ToolResult:
    folder = checked_path(arguments.get("folder", ""), ctx)
    overlay = any(_there(ctx.workspace.tree, folder, name) for name in KUSTOMIZE)
    kubectl = _program("kubectl", ctx) if overlay else None
    notes = []
    if overlay and kubectl is None:
        notes.append("kubectl is not installed here: the overlay was not rendered, its files are read as they stand.")

    def read(tree: Path) -> Bodies:
        if kubectl is None:
            return _manifests(tree, folder, ctx)
        if not any(_there(tree, folder, name) for name in KUSTOMIZE):
            return {}
        return manifests.bodies(_rendered([kubectl, "kustomize", folder or "."], tree, ctx))

    return _objects(KUBERNETES, read, arguments, ctx, notes)


def helm_plan(arguments: dict[str, Any], ctx: ToolContext) -> ToolResult:
    folder = checked_path(arguments["folder"], ctx)
    values = checked_path(arguments["values"], ctx) if "values" in arguments else ""
    helm = _program("helm", ctx)
    if helm is None:
        return ToolResult(False, "helm is not installed here: without it nobody can say what a chart renders to.")
    if not _there(ctx.workspace.tree, folder, "Chart.yaml"):
        return ToolResult(False, f"There is no chart in {folder or 'the workspace'}: it has no Chart.yaml.")

    release, space = arguments.get("release", "plan"), ["--namespace", ctx.cluster.namespace] if ctx.cluster else []

    def read(tree: Path) -> Bodies:
        if not _there(tree, folder, "Chart.yaml"):
            return {}
        given = ["--values", values] if values and _there(tree, "", values) else []
        return manifests.bodies(_rendered([helm, "template", release, f"./{folder}", *given, *space], tree, ctx))

    return _objects(HELM, read, arguments, ctx, [])


def _objects(
    kind: str, read: Callable[[Path], Bodies], arguments: dict[str, Any], ctx: ToolContext, notes: list[str]
) -> ToolResult:
    """A plan of objects; where the project names a cluster, with what that says, and kept to be applied there."""
    try:
        after, before, problem = _both(read, ctx, arguments.get("since", ctx.base_sha))
    except (_NoPlan, YamlError) as why:
        return ToolResult(False, shown(f"There is no plan: {why}.", ctx))
    plan, lines = None, list[str]()
    if ctx.cluster is not None and (after or before):
        plan, lines = plan_for(kind, list(after.values()), list(before.values()), ctx.cluster)
    gone = "would be deleted, where the cluster prunes what is gone"
    found = _told("objects", manifests.parts(after), manifests.parts(before), ctx, [*notes, problem], gone, lines)
    return replace(found, plan=plan) if found.ok else found


def _told(
    what: str, after: Parts, before: Parts, ctx: ToolContext, notes: list[str], gone: str, lines: Sequence[str] = ()
) -> ToolResult:
    """The parts as they are now against those of the commit before, and what is dangerous about them."""
    if not after and not before:
        return ToolResult(False, f"There are no {what} here to plan.")
    found = sorted_risks([*dangers(after.values()), *removed(before, after, gone)])
    different = changes(before, after)
    head = f"{len(after)} {what}; {len(different)} changes against the commit before."
    told_ = [head, *filter(None, notes), *(different or ["Nothing changes."]), *told(found), *lines, END]
    data = {
        "changes": len(different),
        "risks": [str(risk) for risk in found],
        "highest": found[0].level if found else "",
    }
    return ToolResult(True, shown("\n".join(told_), ctx), data)


def _both(
    read: Callable[[Path], dict[str, Found]], ctx: ToolContext, base: str
) -> tuple[dict[str, Found], dict[str, Found], str]:
    """What there is now and at the commit `base`; in words why that could not be read.

    What was wrong before must not keep a change that mends it from being planned.
    """
    after = read(ctx.workspace.tree)
    with _base(ctx, base) as tree:
        if tree is None:
            return after, {}, ""
        try:
            return after, read(tree), ""
        except (_NoPlan, YamlError, PathRefused, FileNotFoundError) as why:
            return after, {}, f"Before, there was nothing to compare with: {why}."


@contextmanager
def _base(ctx: ToolContext, sha: str) -> Iterator[Path | None]:
    """The files of a commit, where the sandbox can read them."""
    if not sha:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="base-", dir=ctx.workspace.root) as folder:
        Path(folder).chmod(0o755)
        tree = Path(folder) / "tree"
        checkout_tree(ctx.workspace.git_dir, sha, tree)
        ctx.sandbox.prepare_workspace(tree)
        yield tree


def _files(tree: Path, folder: str, ctx: ToolContext) -> list[str]:
    found = confined_files(tree, folder) if folder == "" or (tree / folder).is_dir() else []
    return [path for path in found if YAML.search(path) and readable(path, ctx)]


def _there(tree: Path, folder: str, name: str) -> bool:
    try:
        confined_read(tree, f"{folder}/{name}" if folder else name, 1)
    except (PathRefused, FileNotFoundError):
        return False
    return True


def _manifests(tree: Path, folder: str, ctx: ToolContext) -> Bodies:
    paths = [path for path in _files(tree, folder, ctx) if path.rpartition("/")[2] not in KUSTOMIZE]
    return _read(tree, [path for path in paths if manifests.is_manifest(_text(tree, path))], manifests.bodies)


def _read(
    tree: Path, paths: list[str], parse: Callable[[str], dict[str, Found]], *, several: bool = False
) -> dict[str, Found]:
    """The parts of all files; with `several`, each is named with its file."""
    if len(paths) > MOST_FILES:
        raise _NoPlan(f"there are more than {MOST_FILES} files; name a folder")
    found: dict[str, Found] = {}
    for path in paths:
        try:
            parts = parse(_text(tree, path))
        except YamlError as wrong:
            raise _NoPlan(f"{path}: {wrong}") from wrong
        for name, part in parts.items():
            place = f"{path} {name}" if several or name in found else name
            found[place] = part
    return found


def _text(tree: Path, path: str) -> str:
    return confined_read(tree, path, 4 * MAX_TEXT).decode("utf-8", "replace")


def _program(name: str, ctx: ToolContext) -> str | None:
    """What a program is called inside of the sandbox, which shows those of the system; None where there is none."""
    if ctx.programs is not None:
        return f"{PROGRAMS}/{name}" if name in ctx.programs else None
    return ctx.sandbox.program(name)


def _rendered(words: list[str], tree: Path, ctx: ToolContext) -> str:
    ended = ctx.sandbox.run(_command(words, tree, ctx), None, ctx.cancel)
    if not ended.ok or ended.truncated:
        name = Path(words[0]).name
        if limit := LIMITS.spoiled(ended):
            raise _NoPlan(f"{name} gave none: {limit}")
        raise _NoPlan(f"{name} says: {ended.output.strip()[-500:] or 'it broke'}")
    return ended.output


def _command(words: list[str], tree: Path, ctx: ToolContext) -> SandboxCommand:
    given: Mapping[str, Path] = ctx.programs or {}
    name = Path(words[0]).name
    return SandboxCommand(words, tree, limits=LIMITS, programs={name: given[name]} if name in given else {})


def _as_docker_says(path: str, ctx: ToolContext) -> str:
    """Docker's own check of a file, where the installation has it."""
    docker = _program("docker", ctx)
    if docker is None:
        return "docker is not installed here: the file was read by its form alone."
    words = [docker, "compose", "--file", path, "config", "--quiet", "--no-interpolate"]
    ended = ctx.sandbox.run(_command(words, ctx.workspace.tree, ctx), None, ctx.cancel)
    if ended.ok:
        return "docker compose accepts the file."
    if ended.killed_by is not None:
        return f"docker compose did not judge the file: {LIMITS.ended_by(ended.killed_by)}."
    said = " ".join(ended.output.split())[:300]
    if NO_COMPOSE.search(said):
        return "Docker has no compose here: the file was read by its form alone."
    return f"docker compose says: {said or 'nothing'}"


PLAN_TOOLS = (
    PlanTool(
        "compose_plan",
        "Plan Compose files of this workspace against the commit it began on: services that come, go and change, and what "
        "is dangerous (privileges, the host's paths, open ports, secrets). Nothing is applied.",
        {"path": {**PATH, "description": "One file; else all Compose files are read."}},
        (),
        ActionClass.TEST,
        compose_plan,
        Sensitivity.MEDIUM,
        about=compose.NAMES,
    ),
    PlanTool(
        "kubernetes_plan",
        "Plan Kubernetes manifests below a folder, or the Kustomize overlay in it, against the commit this began on: objects "
        "that come, go and change, what is dangerous, and what the project's cluster says of it. Nothing is applied.",
        {"folder": {"type": "string", "maxLength": 400}, "since": SINCE},
        (),
        ActionClass.TEST,
        kubernetes_plan,
        Sensitivity.MEDIUM,
    ),
    PlanTool(
        "helm_plan",
        "Render a Helm chart of this workspace and plan it against the commit this began on. Nothing is applied.",
        {
            "folder": {"type": "string", "maxLength": 400},
            "values": {**PATH, "description": "A file of values."},
            "release": {"type": "string", "pattern": "^[a-z0-9]([a-z0-9-]{0,51}[a-z0-9])?$"},
            "since": SINCE,
        },
        ("folder",),
        ActionClass.TEST,
        helm_plan,
        Sensitivity.MEDIUM,
        about=CHART,
    ),
)
