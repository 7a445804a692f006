"""Judge the configured model: a folder of repair tasks or incidents, through the whole pipeline of the running stack."""

import json
import shutil
import tempfile
import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from gateway.routing import first_of
from gpu_workers.sandbox import Sandbox, SandboxUnavailable
from gpu_workers.sandboxes import sandbox_settings
from gpu_workers.suite.form import BadSuite, SuiteTask
from gpu_workers.suite.proof import check_failing
from gpu_workers.suite.reading import Work, read_suite
from gpu_workers.suite.report import run_suite
from guildhall.kernel.errors import GuildhallError
from guildhall.kernel.tenancy import platform_scope, release_connection

REPAIR_ROUTE, TRIAGE_ROUTE = "code", "smart"
"""Which models write code, and which triage."""
POLL_SECONDS = 0.5
SHIPPED = Path(__file__).parents[2] / "suite" / "repositories"
INCIDENTS = Path(__file__).parents[2] / "suite" / "incidents"


class Command(BaseCommand):
    help = (
        "Run a folder of repair tasks or incidents and report what was solved, at what cost, in which time."
        " Needs running workers."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        which = parser.add_mutually_exclusive_group()
        which.add_argument(
            "folder", nargs="?", type=Path, default=SHIPPED, help="the suite; the shipped tasks if left out"
        )
        which.add_argument("--incidents", action="store_true", help="the shipped incidents")
        parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
        parser.add_argument("--minutes", type=float, default=30.0, help="how long a task may take")
        parser.add_argument("--keep", action="store_true", help="leave the suite's tenant open afterwards")

    def handle(self, *args: Any, folder: Path, minutes: float, keep: bool, **options: Any) -> None:
        works = self._works(INCIDENTS if options["incidents"] else folder)
        route = REPAIR_ROUTE if any(isinstance(work, SuiteTask) for work in works) else TRIAGE_ROUTE
        try:
            with platform_scope():
                model = first_of(route).endpoint.model
            report = run_suite(
                works,
                model,
                seconds=minutes * 60,
                pause=self.pause,
                keep=keep,
                told=lambda said: self.stderr.write(said),
            )
        except GuildhallError as error:
            raise CommandError(error.detail) from error
        self.stdout.write(json.dumps(report.as_dict(), indent=2) if options["json"] else report.as_table())

    @staticmethod
    def pause(schema: str) -> None:
        """The stack's workers go on meanwhile."""
        release_connection()
        time.sleep(POLL_SECONDS)

    def _works(self, folder: Path) -> list[Work]:
        """The suite, known to be whole and failing; nothing has been made anywhere before that."""
        sandbox = Sandbox(sandbox_settings())
        settings.WORKSPACES_DIR.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix="suite-", dir=settings.WORKSPACES_DIR))
        try:
            works = read_suite(folder)
            scratch.chmod(0o755)
            check_failing([work for work in works if isinstance(work, SuiteTask)], sandbox, scratch)
        except BadSuite as bad:
            raise CommandError("This is no suite that can be run:\n" + "\n".join(bad.problems)) from bad
        except SandboxUnavailable as error:
            raise CommandError(f"The sandbox cannot be used: {error}") from error
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        return works
