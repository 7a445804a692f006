"""A repository with a workspace, a sandbox, and programs that speak as much of their command line as plans use."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gpu_workers.repos import Signature, clone_workspace, create_repository, head_of
from gpu_workers.sandbox import Sandbox
from gpu_workers.tools import TaskBrief, ToolContext, ToolResult, execute

ME = Signature("Somebody", "somebody@example.org")
NOON = datetime(2026, 1, 1, tzinfo=UTC)
HIDDEN = "hunter2-hunter2-hunter2"
"""A secret that no plan may show."""
STAND_IN = """#!/bin/sh
# Speaks as much of the program's command line as is used: `helm template NAME DIR [--values FILE] [--namespace NAME]`,
# `kubectl kustomize DIR`, `docker compose --file FILE config`.
case "$0 $1 $2" in
  *"helm template "*) cat "$3"/templates/*.yaml; [ "$4" != --values ] || cat "$5" ;;
  *"kubectl kustomize "*) cat "$2"/deployment.yaml ;;
  *"docker compose --file") grep -q nonsense "$3" && { echo "additional properties are not allowed"; exit 15; } || exit 0 ;;
  *) echo "unknown command: $*"; exit 1 ;;
esac
"""


class Ground:
    """A repository with one commit, a workspace on it, and a sandbox."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.box = folder, Sandbox()
        assert self.box.unavailable() is None
        self.programs: dict[str, Path] = {}

    def start(self, files: Mapping[str, str]) -> ToolContext:
        repo = self.folder / "repo.git"
        create_repository(repo, {name: text.encode() for name, text in files.items()}, ME, NOON)
        base = head_of(repo, "main")
        workspace = clone_workspace(repo, self.folder / "work", "plan", base)
        self.box.prepare_workspace(workspace.tree)
        self.tree = workspace.tree
        return ToolContext(workspace, self.box, "devops", TaskBrief("Plan"), base, programs=self.programs)

    def write(self, files: Mapping[str, str]) -> None:
        for name, text in files.items():
            (self.tree / name).parent.mkdir(parents=True, exist_ok=True)
            (self.tree / name).write_text(text)
        self.box.prepare_workspace(self.tree)


@contextmanager
def ground_for_plans() -> Iterator[Ground]:
    """A fresh place where the sandboxed user can go, gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="guildhall-plans-"))
    folder.chmod(0o755)
    made = Ground(folder)
    for name in ("helm", "kubectl", "docker"):
        (folder / name).write_text(STAND_IN)
        (folder / name).chmod(0o755)
    yield made
    shutil.rmtree(folder)


def plan(ctx: ToolContext, tool: str, **arguments: Any) -> ToolResult:
    return execute(tool, arguments, ctx)
