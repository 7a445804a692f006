"""What `make up` does once the stack is ready: the demo tenant, its main job up to the approval, and where to look."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from guildhall.demo.client import Refused
from guildhall.demo.file import HARD, STORY, demo_file, described, read, write
from guildhall.demo.job import JobFailed, MainJob
from guildhall.demo.owner import ensure_owner
from guildhall.demo.seeding import seed

SLUG, NAME = "fernhill", "Fernhill Goods"
SECONDS = 600.0


class Command(BaseCommand):
    help = (
        "Make the demo tenant when there is none, run its main job up to the approval, print links and sign-ins."
        " Exits 1 when the job stops short of it; everything stays as it is."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        demo = read(demo_file())
        if demo is None:
            demo = described(seed(SLUG, NAME), ensure_owner(None))
            write(demo_file(), demo)
        self._show(demo)
        self._run(demo)

    def _run(self, demo: dict[str, Any]) -> None:
        job = MainJob(demo, settings.PORT, demo["stories"][STORY], self._say)
        try:
            approval = None if job.is_merged() else job.to_approval(SECONDS)
        except (JobFailed, Refused) as problem:
            raise CommandError(f"the main job stopped short: {problem}\nits story: {demo['story_url']}") from problem
        if approval is None:
            self._say("the demo story is merged")
            return
        demo["approval_url"] = f"{demo['tenant_url']}/approvals/{approval['number']}/"
        write(demo_file(), demo)
        self._say(f"waiting for the product owner: {demo['approval_url']}")
        self._begin_hard_one(demo)

    def _begin_hard_one(self, demo: dict[str, Any]) -> None:
        """The second story goes on by itself; the packaged model cannot do it, so it ends with a person."""
        job = MainJob(demo, settings.PORT, demo["stories"][HARD], lambda line: None)
        try:
            job.begin(SECONDS)
        except (JobFailed, Refused) as problem:
            self._say(f"the second story stopped: {problem}")
            return
        self._say(f"second story, a fix of code: {demo['tenant_url']}/stories/{demo['stories'][HARD]}/")
        self._say("  (beyond the packaged model, which hands it to a person)")

    def _show(self, demo: dict[str, Any]) -> None:
        owner, people = demo["owner"], demo["people"]
        self._say(f"{NAME}: {demo['tenant_url']}")
        for role, person in people.items():
            self._say(f"  {role:14} {person['email']:36} {person['password']}")
        self._say(f"owner console: {demo['public_url']}/admin/")
        self._say(f"  {'owner':14} {owner['email']:36} {owner['password']}")

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()
