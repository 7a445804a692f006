"""What commands may take is what the owner of the installation says, and what docs/limits.md says of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.test import override_settings

from governance.actions.seeding import DEFAULT
from governance.policies.document_text import parse_policy
from gpu_workers.browsing import inside, looking
from gpu_workers.containers import context
from gpu_workers.knowing import answers
from gpu_workers.languages import asking
from gpu_workers.reach import fetching, querying
from gpu_workers.repos import bounds, git, reading
from gpu_workers.repos.bounds import MAX_ENTRIES
from gpu_workers.runs.context import MOST_SAID
from gpu_workers.runs.live_log import ROW, RUN_ROWS
from gpu_workers.sandboxes import command_limits
from gpu_workers.tools import files, knowledge, language, migrations, patch, plans
from gpu_workers.tools.commands import OUTWARD
from gpu_workers.tools.contract import FunctionTool, ToolContext
from gpu_workers.tools.registry import REGISTRY
from gpu_workers.tools.web import SHOWN_LINKS
from guildhall.settings.env import Environment
from workflows.ci_limits import LIMITS

pytestmark = pytest.mark.unit
MIB = 1024 * 1024
TABLE = Path(__file__).parents[2] / "docs" / "limits.md"


def row(beginning: str) -> list[str]:
    """Amounts in the row of the table that begins so."""
    said = next(line for line in TABLE.read_text().splitlines() if line.startswith(f"| {beginning}"))
    return re.findall(r"\d[\d,]*(?: [GMK]iB| s\b)?", re.sub(r"\([^)]*\)", "", said.split(" | ")[1]))


def test_the_table_of_limits_says_what_holds() -> None:
    limits = command_limits()
    assert row("one command of an agent") == [f"{limits.wall_s:.0f} s", f"{limits.cpu_s} s"]
    least = {limit.name: limit.least for limit in LIMITS}
    assert row("what a project may say") == [
        f"{least['seconds']} s", f"{least['cpu_seconds']} s", f"{least['memory_mib']} MiB", f"{least['disk_mib']} MiB",
    ]  # fmt: skip
    assert row("its memory") == [f"{limits.memory // 1024**3} GiB"]
    assert row("what it adds") == [f"{limits.disk // MIB} MiB", f"{limits.entries:,}"]
    assert row("a workspace") == [f"{limits.tree // 1024**3} GiB", f"{limits.tree_entries:,}"]
    scratch = f"{limits.scratch // MIB} MiB"
    assert row("its processes") == [
        str(limits.processes), str(limits.open_files), f"{limits.file_size // MIB} MiB", scratch,
    ]  # fmt: skip
    assert row("its output") == [
        f"{limits.output // MIB} MiB", f"{limits.most_output // MIB} MiB", f"{limits.live // 1024} KiB",
    ]  # fmt: skip
    assert row("a run's log") == [f"{amount:,}" for amount in (RUN_ROWS, ROW, MOST_SAID)]
    assert row("files and folders of one tree") == [f"{MAX_ENTRIES:,}"] == [f"{limits.tree_entries:,}"]


def test_the_table_of_limits_says_what_tools_take() -> None:
    """Each row by how it begins; amounts as the code has them."""

    def most(tool: str, argument: str, bound: str = "maxLength") -> int:
        found = REGISTRY.get(tool)
        assert isinstance(found, FunctionTool)
        return int(found.properties[argument][bound])

    limits, door = command_limits(), OUTWARD
    assert row("characters of a tool's answer") == [f"{ToolContext.__dataclass_fields__['output_chars'].default:,}"]
    written = most("write_file", "content")
    assert most("apply_patch", "patch") == written
    assert row("`read_file`, `search_code`") == [
        *map(mib, (files.MAX_READ, files.MAX_PATCHED, files.MAX_SEARCHED, files.MAX_SHOWN)),
        *amounts(written, patch.MOST_SOUGHT, files.MAX_HITS, files.MAX_LISTED),
    ]
    told = (knowledge.LEAST_TOKENS, knowledge.MOST_TOKENS)
    assert row("`search_knowledge`") == amounts(answers.MOST, answers.SHOWN, *told)
    sent = most("http_request", "body")
    assert row("`http_request`") == [
        *amounts(sent), mib(fetching.MAX_BYTES), str(fetching.MAX_REDIRECTS), f"{fetching.TOTAL_S:.0f} s",
    ]  # fmt: skip
    assert row("a command with") == [mib(door.received), mib(door.sent), *amounts(door.connections, door.at_once)]
    assert row("`browse`") == [
        f"{looking.LOAD_S} s", f"{looking.LIMITS.wall_s:.0f} s", mib(looking.LIMITS.memory), mib(inside.MAX_PAGE),
        *amounts(inside.MAX_TEXT, SHOWN_LINKS),
    ]  # fmt: skip
    times = [f"{querying.STATEMENT_S} s", f"{querying.TOTAL_S:.0f} s"]
    assert row("`query_db`") == [*amounts(querying.MAX_ROWS, querying.MAX_CELLS), *times]
    assert row("`definition`") == [f"{asking.LIMITS.wall_s:.0f} s", str(language.MAX_PLACES)]
    assert row("`migrate_plan`") == [f"{one.LIMITS.wall_s:.0f} s" for one in (migrations, plans)]
    assert row("`container_build`") == [
        mib(context.MAX_BYTES), *amounts(context.MAX_ENTRIES), mib(limits.disk),
        f"{most('container_run', 'seconds', 'maximum')} s",
    ]  # fmt: skip


def test_the_table_of_limits_says_how_much_is_asked_and_run_and_how_large_trees_are() -> None:
    asked = {name: field.default for name, field in Environment.model_fields.items()}
    assert row("requests by address") == amounts(asked["guildhall_rate_signed_out"])
    assert row("requests by person") == amounts(asked["guildhall_rate_person"])
    assert row("requests by organisation") == amounts(asked["guildhall_rate_tenant"])
    policy = parse_policy(DEFAULT.read_text(encoding="utf-8"))
    assert row("change requests") == amounts(policy.rate_limits.change_requests_per_hour)
    assert row("agent runs") == amounts(policy.rate_limits.agent_runs_per_day)
    assert row("steps, tokens") == amounts(policy.runs.steps, policy.runs.tokens, policy.runs.minutes)
    assert row("folders within each other") == [str(bounds.MAX_DEPTH), str(bounds.MAX_PATH), mib(bounds.MAX_PATHS)]
    assert row("bytes of a file") == [mib(reading.MAX_FILE), f"{reading.MAX_CHECKOUT // 1024**3} GiB"]
    assert row("memory that one git") == [f"{git.MEMORY // 1024**3} GiB", mib(git.MAX_OUTPUT)]


def mib(size: int) -> str:
    return f"{size // MIB} MiB"


def amounts(*numbers: int) -> list[str]:
    return [f"{number:,}" for number in numbers]


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("COMMAND_SECONDS", "wall_s"),
        ("COMMAND_CPU_SECONDS", "cpu_s"),
        ("COMMAND_MEMORY", "memory"),
        ("COMMAND_DISK", "disk"),
    ],
)
def test_the_installation_says_what_commands_may_take(name: str, field: str) -> None:
    with override_settings(**{name: 777}):
        assert getattr(command_limits(), field) == 777
