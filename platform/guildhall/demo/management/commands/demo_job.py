"""Run a demo tenant's main job to its end on the running stack."""

from argparse import ArgumentParser
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from governance.selectors import spend_by
from governance.selectors.reputation import reputation_history
from guildhall.demo.client import Refused
from guildhall.demo.file import STORY, demo_file, read
from guildhall.demo.job import JobFailed, MainJob
from guildhall.evidence.selectors import trail
from guildhall.kernel.tenancy import tenant_scope


class Command(BaseCommand):
    help = "Bring the demo story to merged; exits 0 only when ledger, reputation and audit are written as well."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--tenant", help="a tenant made by seed_demo; the first one when left out")
        parser.add_argument(
            "--approve", action="store_true", help="also decide as the product owner, and see it merged"
        )
        parser.add_argument("--seconds", type=float, default=600.0, help="how long to wait for each part")

    def handle(self, *args: Any, tenant: str | None, approve: bool, seconds: float, **options: Any) -> None:
        demo = read(demo_file(tenant))
        if demo is None:
            raise CommandError("There is no such demo tenant; make one with `make up` or `manage.py seed_demo NAME`.")
        job = MainJob(demo, settings.PORT, demo["stories"][STORY], self.stdout.write)
        try:
            approval = None if job.is_merged() else job.to_approval(seconds)
            if approval is not None:
                self.stdout.write(f"approval #{approval['number']} waits: {approval['title']}")
                if not approve:
                    return
                job.approve(approval, seconds)
            if approve:
                job.close()
        except (JobFailed, Refused) as problem:
            raise CommandError(str(problem)) from problem
        self._prove(demo, job)

    def _prove(self, demo: dict[str, Any], job: MainJob) -> None:
        """Ledger, reputation and audit, read where they are kept."""
        tasks = [task for task in job.tasks() if task["state"] == "done"]
        with tenant_scope(demo["schema"]):
            spent = sum((line.spent for line in spend_by("story") if line.owner == demo["stories"][STORY]), Decimal(0))
            points = [event for task in tasks for event in reputation_history(str(task["implementer"]))]
            audited = trail([f"task:{task['reference']}" for task in tasks])
        missing = [
            name
            for name, found in (("merge", tasks), ("ledger", spent), ("reputation", points), ("audit", audited))
            if not found
        ]
        if missing:
            raise CommandError(f"not written: {', '.join(missing)}")
        self.stdout.write(
            f"ledger {spent.normalize():f} USD, {len(points)} reputation events, {len(audited)} audit rows"
        )
