"""A change request as its page shows it: the diff with what was said of its lines, and what became of it."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import Q

from governance.selectors import approvals_visible_to, spend_of
from governance.views import ApprovalView
from gpu_workers.ci_answers import known_ci
from gpu_workers.folders import repository_folder
from gpu_workers.forges.choosing import connection_of, pull_request_of
from gpu_workers.models import ChangeRemark, ChangeRequest, Errand
from gpu_workers.models.errand import ErrandKind
from gpu_workers.policies import may
from gpu_workers.repos import GitError, log
from gpu_workers.web.again import may_revert
from gpu_workers.web.shown import Line, ShownFile, change_tone, diff_of, shown_ci
from guildhall.kernel.actor import Actor
from guildhall.kernel.redaction import redact
from guildhall.kernel.tenancy import release_connection
from guildhall.kernel.unseen import seen
from guildhall.portal.registry import parties
from workflows.models import Task

APPROVALS_SHOWN = 10
COMMITS_SHOWN = 50


@dataclass(frozen=True, slots=True)
class ShownApproval:
    """An approval of the change's task; `current` where it is of the commit that the change is at."""

    view: ApprovalView
    current: bool


def remarked(
    files: Iterable[ShownFile], remarks: Sequence[ChangeRemark], head: str
) -> tuple[list[ShownFile], list[ChangeRemark]]:
    """The files with the remarks at their lines; and the remarks that have no place in them: those on earlier commits, and
    those on what is too long to be shown."""
    waiting: dict[tuple[str, str, str], list[ChangeRemark]] = defaultdict(list)
    for remark in remarks:
        if remark.commit_sha == head:
            waiting[remark.path, remark.side, str(remark.line)].append(remark)
    shown = [replace(file, lines=[_with(line, file.file.path, waiting) for line in file.lines]) for file in files]
    return shown, [one for one in remarks if one.commit_sha != head] + [
        one for left in waiting.values() for one in left
    ]


def _with(line: Line, path: str, waiting: dict[tuple[str, str, str], list[ChangeRemark]]) -> Line:
    kind, old, new, text, _ = line
    said = [*waiting.pop((path, "old", old), ()), *waiting.pop((path, "new", new), ())]
    return kind, old, new, text, tuple(said)


def approvals_of(actor: Actor, change: ChangeRequest) -> list[ShownApproval]:
    """What people were asked about the change's task, newest first, as far as `actor` may see it."""
    found = approvals_visible_to(actor, subjects=[f"task:{change.task}"], limit=APPROVALS_SHOWN)
    return [ShownApproval(view, view.binding.get("commit_sha") == change.head_sha) for view in found]


def waiting_errand(change: ChangeRequest, approvals: Iterable[ShownApproval]) -> Errand | None:
    """The latest that is to be done with the change in its repository or at its forge, and waits; None where nothing does."""
    merges = Q(kind=ErrandKind.MERGE, number__in=[one.view.number for one in approvals])
    others = Q(kind__in=(ErrandKind.REVERT, ErrandKind.CLOSE), number=change.number)
    found = Errand.objects.filter(merges | others, repository=change.repository, retry_at__isnull=False)
    return found.exclude(reason="").order_by("event").last()


@dataclass(frozen=True, slots=True)
class ShownCommit:
    """One commit of a change, its message without secrets or hidden characters; `body` is what stands below its first line."""

    sha: str
    author: str
    when: datetime
    subject: str
    body: str


def commits_of(change: ChangeRequest) -> list[ShownCommit]:
    """The commits of the change's range, newest first, at most `COMMITS_SHOWN`; none when the repository lost them."""
    release_connection()
    try:
        found = log(repository_folder(change.repository), change.head_sha, change.base_sha, limit=COMMITS_SHOWN)
    except GitError:
        return []
    return [
        ShownCommit(one.sha, seen(one.author, ""), one.when, seen(redact(one.subject)), seen(redact(one.body)))
        for one in found
    ]


def risk_of(change: ChangeRequest) -> str:
    """The risk of the change's task."""
    return str(Task.objects.filter(reference=change.task).values_list("risk", flat=True).first() or "")


def cost_of(change: ChangeRequest) -> Decimal:
    """What the change's task has cost so far, in US dollars."""
    return spend_of("task", change.task).spent


def shown_change(actor: Actor, change: ChangeRequest) -> dict[str, Any]:
    """What the page of a change shows."""
    files = diff_of(change.repository, change.base_sha, change.head_sha)
    with_remarks, elsewhere = remarked(files, list(change.remarks.order_by("pk")), change.head_sha)
    outside = connection_of(change.repository) is not None
    pull = pull_request_of(change)
    approvals, commits = approvals_of(actor, change), commits_of(change)
    return {
        "change": change,
        "tone": change_tone(change),
        "author": parties([change.author])[change.author],
        "files": with_remarks,
        "elsewhere": elsewhere,
        "commits": commits,
        "ci": shown_ci(known_ci(change.repository, change.head_sha)),
        "approvals": approvals,
        "errand": waiting_errand(change, approvals),
        "waits": next((one.view for one in approvals if one.view.state == "pending"), None),
        "risk": risk_of(change),
        "cost": cost_of(change),
        "outside": outside,
        "pull": pull,
        "pull_url": pull.url if pull and pull.url.startswith("https://") else "",
        "may_revert": may_revert(actor, change),
        "mends": actor.ref if change.state == "open" and may(actor, "change.edit_remark") else "",
        "may_remark": change.state == "open" and not outside and may(actor, "change.remark"),
    }
