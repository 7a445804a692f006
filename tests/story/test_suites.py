"""`manage.py run_suite`: a model is judged by small repair tasks that go through the whole pipeline."""

import json
import os
from decimal import Decimal
from io import StringIO
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from governance.selectors.money import spend_by, total_spent
from gpu_workers.management.commands.run_suite import SHIPPED, Command
from gpu_workers.suite import pipeline
from gpu_workers.suite.form import BadSuite, SuiteTask
from gpu_workers.suite.people import Ground
from gpu_workers.suite.pipeline import Attempt
from gpu_workers.suite.reading import read_suite
from guildhall.kernel.tenancy import platform_scope, tenant_scope
from tenants.models import Tenant
from tests.fakes.openai_server import Rule
from tests.story.scripts import deliberating, handing_in, planning, verdicts
from tests.support.pump import settle
from tests.support.world import MODEL, scripted_model

pytestmark = pytest.mark.integration
TEST = "import unittest\n\nfrom sums import add\n\n\nclass Sums(unittest.TestCase):\n    def test_sums(self):\n"
FAILING = TEST + "        self.assertEqual(add(1, 2), 3)\n"
BENT = TEST + "        self.assertEqual(add(1, 2), -1)\n"
WRONG, RIGHT = "def add(one, other):\n    return one - other\n", "def add(one, other):\n    return one + other\n"
ABOUT = """
title = "{title}"
statement = "One and two are three, and the program says that they are minus one."
acceptance = ["Given 1 and 2, when they are added, then the sum is 3"]
test = "python3 -m unittest"
"""


class Pumped(Command):
    """The command where this process does the work of the platform's."""

    pause = staticmethod(settle)


def make_task(suite: Path, name: str, about: str, **files: str) -> None:
    folder = suite / name / "repository"
    folder.mkdir(parents=True)
    (suite / name / "task.toml").write_text(about)
    for file, content in files.items():
        (folder / f"{file}.py").write_text(content)


def writes(title: str, path: str, content: str) -> list[Rule]:
    when = {"contains": [title, "Carry the task out now."]}
    write: dict[str, Any] = {"name": "write_file", "arguments": {"path": path, "content": content}}
    return [
        {"when": {**when, "turns": 0}, "reply": {"tool_calls": [write]}},
        {"when": {**when, "turns": 1}, "reply": {"tool_calls": [handing_in("It is mended")]}},
    ]


@pytest.mark.usefixtures("database")
def test_a_report_says_what_was_solved_at_the_ledgers_cost_and_a_bent_test_is_no_solution(tmp_path: Path) -> None:
    make_task(tmp_path, "honest", ABOUT.format(title="Add and do not subtract"), sums=WRONG, test_sums=FAILING)
    make_task(tmp_path, "bent", ABOUT.format(title="Take the sum of both"), sums=WRONG, test_sums=FAILING)
    script = [
        *planning("Mend the sums"),
        *deliberating(),
        *verdicts(),
        *writes("Add and do not subtract", "sums.py", RIGHT),
        *writes("Take the sum of both", "test_sums.py", BENT),
    ]
    out = StringIO()
    with scripted_model(script) as model:
        call_command(Pumped(), str(tmp_path), json=True, stdout=out, stderr=StringIO())
        used = [call["usage"] for call in model.journal if call["status"] == 200]
    said = json.loads(out.getvalue())
    assert (said["solved"], said["of"], said["model"]) == (1, 2, MODEL)
    assert {line["task"]: line["outcome"] for line in said["tasks"]} == {"honest": "solved", "bent": "not_proven"}
    with tenant_scope(said["tenant"]):
        spent, by_story = total_spent(), {line.owner: line.spent for line in spend_by("story")}
    assert Decimal(said["cost_usd"]) == spent == sum(by_story.values())
    assert sorted(Decimal(line["cost_usd"]) for line in said["tasks"]) == sorted(by_story.values())
    assert said["tokens_in"] == sum(usage["prompt_tokens"] for usage in used)
    assert said["tokens_out"] == sum(usage["completion_tokens"] for usage in used)
    with platform_scope():
        tenant = Tenant.objects.get(schema_name=said["tenant"])
    assert tenant.slug.startswith("suite-")
    assert tenant.status == "suspended", "nothing goes on in it afterwards"


@pytest.mark.usefixtures("database")
def test_a_question_in_words_is_left_to_the_agent_and_no_report_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("asks", "breaks", "stopped"):
        make_task(tmp_path, name, ABOUT.format(title=f"Sums: {name}"), sums=WRONG, test_sums=FAILING)
    title, carry, told = "Sums: asks", "Carry the task out now.", "Nobody answers in a suite"
    ask: dict[str, Any] = {"name": "ask_human", "arguments": {"question": "Is zero a sum?"}}
    write: dict[str, Any] = {"name": "write_file", "arguments": {"path": "sums.py", "content": RIGHT}}
    script: list[Rule] = [
        {"when": {"contains": [title, carry], "turns": 0}, "reply": {"tool_calls": [ask]}},
        {"when": {"contains": [title, carry, told], "turns": 1}, "reply": {"tool_calls": [write]}},
        {"when": {"contains": [title, carry, told], "turns": 2}, "reply": {"tool_calls": [handing_in("It is mended")]}},
    ]

    def attempt(ground: Ground, number: int, task: SuiteTask, **options: Any) -> Attempt:
        if task.name == "breaks":
            raise OSError("No space left on device")
        if task.name == "stopped":
            raise KeyboardInterrupt
        return pipeline.attempt(ground, number, task, **options)

    monkeypatch.setattr("gpu_workers.suite.report.attempt", attempt)
    out = StringIO()
    with scripted_model([*planning("Mend the sums"), *deliberating(), *verdicts(), *script]):
        call_command(Pumped(), str(tmp_path), stdout=out, stderr=StringIO())
    header, *rows, sums, why = out.getvalue().splitlines()
    assert header.split("  ")[0] == "task"
    places = [header.index(name) for name in ("outcome", "cost USD", "tokens in", "tokens out", "seconds")]
    cells = [[row[a:b].strip() for a, b in pairwise([0, *places, None])] for row in (*rows, sums)]
    assert [cell[:2] for cell in cells] == [
        ["asks", "solved"],
        ["breaks", "broke"],
        ["stopped", "not_run"],
        ["solved 1 of 3", MODEL],
    ]
    assert Decimal(cells[0][2]) > 0
    assert all(sum(Decimal(cell[at]) for cell in cells[:3]) == Decimal(cells[3][at]) > 0 for at in (2, 3, 4))
    assert why == "breaks: No space left on device"


@pytest.mark.usefixtures("database")
def test_a_folder_that_is_no_suite_is_refused_file_by_file_and_nothing_is_made(tmp_path: Path) -> None:
    good = ABOUT.format(title="Add and do not subtract")
    make_task(tmp_path, "no-toml", "title = ", sums=WRONG, test_sums=FAILING)
    make_task(tmp_path, "no-words", good + 'colour = "red"\n', sums=WRONG, test_sums=FAILING)
    make_task(tmp_path, "no-judge", good, sums=WRONG)
    make_task(tmp_path, "Loud", good, sums=WRONG, test_sums=FAILING)
    (tmp_path / "no-words" / "repository" / "way-out").symlink_to("/etc/passwd")
    (tmp_path / "no-words" / "repository" / os.fsdecode(b"caf\xe9.py")).write_text("")
    with pytest.raises(CommandError) as refused:
        call_command("run_suite", str(tmp_path))
    said = str(refused.value).splitlines()[1:]
    starts = ("Loud: ", "no-judge/task.toml: protected", "no-toml/task.toml: ", "no-words/task.toml: colour")
    assert [line.startswith(start) for line, start in zip(said, starts, strict=False)] == [True] * 4, said
    assert said[4].startswith("no-words/repository/caf\N{REPLACEMENT CHARACTER}.py: its name")
    assert said[5].startswith("no-words/repository/way-out: ")
    done = tmp_path / "done"
    make_task(done, "mended", good, sums=RIGHT, test_sums=FAILING)
    make_task(done, "no-such", good.replace("python3", "no-such-program"), sums=WRONG, test_sums=FAILING)
    with platform_scope():
        before = Tenant.objects.count()
    with pytest.raises(CommandError) as refused:
        call_command("run_suite", str(done))
    assert "mended/task.toml: test: 'python3 -m unittest' passes before" in str(refused.value)
    assert "no-such/task.toml: test: 'no-such-program -m unittest' cannot be run" in str(refused.value)
    with platform_scope():
        assert Tenant.objects.count() == before
    with pytest.raises(BadSuite, match="there is no such folder"):
        read_suite(tmp_path / "nowhere")


def test_five_tasks_are_shipped_and_each_says_what_is_wrong_in_the_agreed_form() -> None:
    tasks = read_suite(SHIPPED)
    assert len(tasks) == 5
    assert all(isinstance(task, SuiteTask) and set(task.files) > set(task.protected) for task in tasks)
