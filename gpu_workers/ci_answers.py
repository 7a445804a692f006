"""What CI said of a commit: the answer that counts now, which decides, and the last one that is known, which is shown.

An answer counts where it was given by the command that the commit's repository has now.
"""

from dataclasses import dataclass

from django.db.models import OuterRef, QuerySet, Subquery

from gpu_workers.models import CIRun, Repository
from gpu_workers.models.change import fingerprint_of


@dataclass(frozen=True, slots=True)
class KnownCI:
    """An answer of CI, and whether it counts now."""

    run: CIRun
    counts: bool

    @property
    def reservation(self) -> str:
        """By what else it was given than by the command that counts now, "" where it counts."""
        if self.counts:
            return ""
        return "by an earlier CI command" if self.run.command_sha256 else "by a CI command that was not written down"


def ci_of(repository: str, sha: str) -> CIRun | None:
    """CI's latest answer on a commit by the command that counts now; None where that has not been run on it."""
    rows = _latest_first(CIRun.objects.filter(repository=repository, sha=sha))
    return next((row for row in rows if _counts(row)), None)


def known_ci(repository: str, sha: str) -> KnownCI | None:
    """The answer that counts now or, where there is none, the latest that was given by another command. It decides nothing."""
    return known_among(CIRun.objects.filter(repository=repository, sha=sha))


def known_among(answers: QuerySet[CIRun]) -> KnownCI | None:
    """As `known_ci`, of these answers on a commit."""
    rows = list(_latest_first(answers))
    found = next((row for row in rows if _counts(row)), next(iter(rows), None))
    return KnownCI(found, _counts(found)) if found is not None else None


def _latest_first(answers: QuerySet[CIRun]) -> QuerySet[CIRun]:
    """Each with the command that counts now."""
    command = Repository.objects.filter(name=OuterRef("repository")).values("ci_command")[:1]
    return answers.annotate(command_now=Subquery(command)).order_by("-id")


def _counts(row: CIRun) -> bool:
    command: str | None = getattr(row, "command_now", None)
    return command is not None and row.command_sha256 == fingerprint_of(command)
