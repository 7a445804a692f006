"""The main job: a story from draft to merged, its people acting through the API and its agents by themselves."""

import time
from collections.abc import Callable
from typing import Any

from guildhall.demo.client import ApiClient

Say = Callable[[str], None]
POLL_SECONDS = 0.6
"""Each look takes about four requests, and a person has a few hundred a minute."""
ENDED = ("escalated", "failed", "cancelled")
TESTED = "ready_to_review"
"""A story's state from the end of its tests on: its approvals may still be waited for, or not even asked for."""
ACCEPTED = ("accepted", "done", "archived")
OVER = ("done", "cancelled")
"""States of a task that nothing more happens to."""


class JobFailed(RuntimeError):
    """The story did not get there; the message says where it stands and why."""


class MainJob:
    """Drives one story of a demo tenant as its people; `say` is told each state that it passes."""

    def __init__(self, demo: dict[str, Any], port: int, story: str, say: Say) -> None:
        self._demo, self._port, self._story, self._say = demo, port, story, say
        self._clients: dict[str, ApiClient] = {}
        self._seen: list[str] = []

    def as_(self, role: str) -> ApiClient:
        """The demo's person with this role, signed in."""
        if role not in self._clients:
            person = self._demo["people"][role]
            self._clients[role] = ApiClient(self._port, self._demo["host"], person["email"], person["password"])
        return self._clients[role]

    def begin(self, seconds: float) -> None:
        """Have the story's scope approved, planned and committed to the sprint. Raises `JobFailed`."""
        self._act("draft", "developer", "submit")
        self._act("po_review", "product_owner", "approve_scope")
        self._wait_for(lambda: self.state() not in ("draft", "po_review", "ready_for_planning"), seconds, "its plan")
        self._act("planned", "product_owner", "commit_to_sprint")

    def to_approval(self, seconds: float) -> dict[str, Any] | None:
        """Bring the story to the product owner's approval of its merge: the approval that waits.

        None when somebody has approved and it is merged already. Raises `JobFailed`.
        """
        self.begin(seconds)
        found = self._wait_for(
            lambda: self._waiting_approval() or self.is_merged(), seconds, "an approval to be asked for"
        )
        return None if found is True else dict(found)

    def is_merged(self) -> bool:
        """Whether all its tasks are done, whoever approved."""
        state = self.state()
        return state in ACCEPTED or (state == TESTED and all(task["state"] in OVER for task in self.tasks()))

    def approve(self, approval: dict[str, Any], seconds: float) -> None:
        """Approve and wait for the merge. Raises `JobFailed`."""
        path = f"approvals/{approval['number']}/"
        seen = self.as_("product_owner").get(path)
        decision = {"decision": "approve", "binding_hash": seen["binding_hash"]}
        self.as_("product_owner").post(f"{path}decision/", decision)
        self._say(f"approval #{approval['number']} approved")
        task: dict[str, Any] = self._wait_for(lambda: self._task("done"), seconds, "the merge")
        self._say(f"merged {task['merged_sha'][:12]}")
        self._wait_for(self.is_merged, seconds, "the story to come back for acceptance")

    def close(self) -> None:
        """Accept and close the merged story, as far as that is not done."""
        self._act(TESTED, "product_owner", "accept")
        self._act("accepted", "product_owner", "close")

    def state(self) -> str:
        """The story's state now."""
        state = str(self.as_("product_owner").get(f"stories/{self._story}/")["state"])
        if state not in self._seen:
            self._seen.append(state)
            self._say(f"story {self._story}: {state}")
        return state

    def tasks(self) -> list[dict[str, Any]]:
        """The story's tasks."""
        answer = self.as_("product_owner").get(f"tasks/?story={self._story}")
        return list(answer["results"] if isinstance(answer, dict) else answer)

    def _act(self, state: str, role: str, name: str) -> None:
        if self.state() == state:
            self.as_(role).post(f"stories/{self._story}/transitions/", {"name": name})
            self.state()

    def _task(self, state: str) -> dict[str, Any] | None:
        tasks = self.tasks()
        for task in tasks:
            mark = f"task {task['reference']}: {task['state']}"
            if mark not in self._seen:
                self._seen.append(mark)
                self._say(mark)
        return next((task for task in tasks if task["state"] == state), None)

    def _tell_councils(self) -> None:
        for council in self.as_("product_owner").get(f"councils/?story={self._story}")["results"]:
            how = f"proposal {council['winner']} wins" if council["winner"] else council["phase"] or council["state"]
            mark = f"council {council['id']} on the {council['subject']}: {how}"
            if mark not in self._seen:
                self._seen.append(mark)
                self._say(mark)

    def _waiting_approval(self) -> dict[str, Any] | None:
        self.state()
        self._tell_councils()
        task = self._task("pending_po_approval")
        if task is None:
            self._refuse_given_up()
            return None
        found = self.as_("product_owner").get("approvals/?state=pending")["results"]
        return next((row for row in found if row["subject"] == f"task:{task['reference']}"), None)

    def _refuse_given_up(self) -> None:
        """The newest run of each kind counts: an older one may have been tried again."""
        newest: dict[tuple[str, str], dict[str, Any]] = {}
        for run in self.as_("product_owner").get("runs/")["results"]:
            if run["story"] == f"story:{self._story}":
                known = newest.setdefault((run["subject"], run["kind"]), run)
                newest[run["subject"], run["kind"]] = max(known, run, key=lambda one: int(one["number"]))
        for run in newest.values():
            if run["state"] in ENDED:
                raise JobFailed(f"run {run['number']} is {run['state']}: {run['reason']}")

    def _wait_for(self, condition: Callable[[], Any], seconds: float, what: str) -> Any:
        deadline = time.monotonic() + seconds
        while not (found := condition()):
            if time.monotonic() > deadline:
                raise JobFailed(f"{self._story} still waits for {what} after {seconds:g} s; it is in {self.state()}")
            time.sleep(POLL_SECONDS)
        return found
