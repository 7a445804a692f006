"""What a tool is, what it is given, and what it gives back."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

from governance.policies.document_sections import Files
from gpu_workers.applying.plans import Applicable
from gpu_workers.brief import TaskBrief
from gpu_workers.clusters.looking import Look
from gpu_workers.incidents.evidence import Evidence
from gpu_workers.knowing.assembling import Told
from gpu_workers.knowing.passages import Documents, Kind
from gpu_workers.planner.checks import Backlog
from gpu_workers.reach.bounds import Reach
from gpu_workers.reach.querying import Rows
from gpu_workers.repos import Workspace
from gpu_workers.sandbox import Sandbox, SandboxLimits
from gpu_workers.trackers.importing import IssueList
from gpu_workers.trackers.protocol import Update

Schema = dict[str, Any]

DEFAULT_FILES = Files(
    allow=["**"],
    deny=[
        ".git/**",
        "**/.env*",
        "**/*.pem",
        "**/*.key",
        "**/id_rsa*",
        "**/id_ed25519*",
        "**/.npmrc",
        "**/.pypirc",
    ],
)
DENIED_COMMANDS = (
    r"\brm\s+(-[a-zA-Z]+\s+)*(--no-preserve-root\s+)?/(\s|\*|$)",
    r"\b(curl|wget)\b[^|;&]*\|\s*(sudo\s+)?(ba|z|da)?sh\b",
    r":\s*\(\s*\)\s*\{.*\|.*&\s*\}",
    r"\b(sudo|doas|su)\s",
    r"\b(mkfs(\.\w+)?|shutdown|reboot|nsenter|insmod|modprobe)\b",
    r"\bdd\b.*\bof=/dev/",
    r"\bgit\s+(push|remote|config\s+--(global|system))\b",
)


class ActionClass(StrEnum):
    """What kind of thing a call does; autonomy and approval rules are about these."""

    READ = "read"
    WRITE_WORKSPACE = "write_workspace"
    RUN = "run"
    TEST = "test"
    ASK = "ask"
    COMMIT = "commit"
    USE_NETWORK = "use_network"
    DEPLOY = "deploy"


class Sensitivity(StrEnum):
    """How much a call could give away or set off: the least risk at which people are asked about it follows from it."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class ToolRefused(Exception):
    """The call was refused before anything ran.

    `reason` is for people and for the record; `kind` (role, path, command, network, pattern, secret) sorts it, and `rule`
    names what it breaks.
    """

    def __init__(self, kind: str, reason: str, rule: str = "") -> None:
        super().__init__(reason)
        self.kind = kind
        self.reason = reason
        self.rule = rule


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What a call brought. `text` goes to the model, redacted and capped; `data` to the record.

    `done` says that this call has completed the work by itself; `plan` is what it planned, to be kept with its step.
    """

    ok: bool
    text: str
    data: Mapping[str, Any] = field(default_factory=dict)
    done: bool = False
    plan: Applicable | None = None


@dataclass(frozen=True, slots=True)
class Known:
    """The two questions about what is known: passages of some kinds about some words, and the run's work within so many tokens.

    Both get the way to the workspace's documents. `search` raises ValueError where there is no word to search by.
    """

    search: Callable[[str, frozenset[Kind], Documents], Told]
    context: Callable[[int, Documents], Told]


@dataclass(frozen=True, slots=True)
class ToolContext:
    """Where and within which bounds calls are carried out.

    `base_sha` is the commit that the run's changes are counted from, `head_sha` the one that it judges, if it does;
    `ci_command` is the project's, and `ci_limits` what it may take. `files` says which paths of
    the workspace may be seen and written. `denied_commands` are regular expressions.
    `command_rules` and `path_rules` are the
    policy's patterns of violations by name; `mask` takes out of an output what the policy's other patterns find in it.
    `evidence` is of the run's incident, `backlog` what it plans with; runs about other things have neither.
    `reach` is what tools outside of the sandbox, and commands by its door, may connect to, None where the policy lists no host.
    `database` asks the project's database one SELECT; None of it, or for an answer, is where the project names none.
    `issues` are of the project's tracker, as they were when the run looked; `update_issue` changes one there.
    `programs` are the ones that plans may be rendered with; None of it is those of the system. `base_images` is the folder
    of images that builds may begin with.
    `commit` commits the workspace with a message; None of it is where no commits are made.
    `audit` searches the trail by area, words and subject; `comment` says something on the task of the run,
    `remark` on one line of the change that the run judges (text, path, line, side): whether it stands, and what to tell.
    `cluster` is the project's, to be looked at while planning, None where it names none.
    `targets` are the kinds of plans that the project names a place for; `apply` has the one that a call names applied there.
    `known` answers what the run asks of what is known; None where nobody is told, or there is no work that it could be about.
    `answer` is what people answered to the question that a call asks, "" where nobody did.
    """

    workspace: Workspace
    sandbox: Sandbox
    role: str
    task: TaskBrief
    base_sha: str
    head_sha: str = ""
    ci_command: str = ""
    files: Files = DEFAULT_FILES
    denied_commands: tuple[str, ...] = DENIED_COMMANDS
    command_rules: tuple[tuple[str, str], ...] = ()
    path_rules: tuple[tuple[str, str], ...] = ()
    mask: Callable[[str], str] = str
    limits: SandboxLimits = field(default_factory=SandboxLimits)
    ci_limits: SandboxLimits = field(default_factory=SandboxLimits)
    output_chars: int = 16_000
    on_output: Callable[[bytes], None] | None = None
    cancel: threading.Event | None = None
    evidence: Evidence | None = None
    backlog: Backlog | None = None
    reach: Reach | None = None
    database: Callable[[str], Rows | None] | None = None
    commit: Callable[[str], ToolResult] | None = None
    audit: Callable[[str, str, str], list[str]] | None = None
    comment: Callable[[str], str] | None = None
    remark: Callable[[str, str, int, str], tuple[bool, str]] | None = None
    known: Known | None = None
    issues: IssueList | None = None
    update_issue: Callable[[str, Update], list[str]] | None = None
    cluster: Look | None = None
    targets: frozenset[str] = frozenset()
    apply: Callable[[dict[str, Any]], ToolResult] | None = None
    programs: Mapping[str, Path] | None = None
    base_images: Path | None = None
    answer: str = ""


class Tool(Protocol):
    """One tool. `parameters` and `offered` may look at the workspace; neither changes anything.

    `guided` says that `parameters` narrows the choice to what is right for this workspace, so that a model
    that cannot be trusted with free arguments can use it.
    """

    @property
    def name(self) -> str: ...
    @property
    def description(self) -> str: ...
    @property
    def sensitivity(self) -> Sensitivity: ...
    @property
    def action_class(self) -> ActionClass: ...
    @property
    def guided(self) -> bool: ...

    def offered(self, ctx: ToolContext) -> bool: ...

    def describe(self, ctx: ToolContext) -> str: ...

    def constrained_schema(self, ctx: ToolContext) -> Schema: ...

    def run(self, arguments: dict[str, Any], ctx: ToolContext) -> ToolResult: ...


@dataclass(frozen=True, slots=True)
class FunctionTool:
    """A tool that is always offered and whose arguments do not depend on the workspace."""

    name: str
    description: str
    properties: Schema
    required: tuple[str, ...]
    action_class: ActionClass
    call: Callable[[dict[str, Any], ToolContext], ToolResult]
    sensitivity: Sensitivity = Sensitivity.LOW
    guided: bool = False

    def offered(self, ctx: ToolContext) -> bool:
        return True

    def describe(self, ctx: ToolContext) -> str:
        return self.description

    def constrained_schema(self, ctx: ToolContext) -> Schema:
        return {
            "type": "object",
            "properties": self.properties,
            "required": list(self.required),
            "additionalProperties": False,
        }

    def run(self, arguments: dict[str, Any], ctx: ToolContext) -> ToolResult:
        return self.call(arguments, ctx)
