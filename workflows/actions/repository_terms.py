"""What projects may say of a repository: a branch that there can be, and the same command and branch in all that name it."""

import re
from typing import Any

from django.db import connection

from guildhall.kernel.actions import record
from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import Denied
from workflows.actions.common import named
from workflows.actions.plan_common import Problems, keep
from workflows.models import ProjectRepository
from workflows.plan_events import ProjectEdited
from workflows.ports import known_repository

TERMS = ("ci_command", "default_branch")
FIRST = "main"
"""The branch that a repository which is made has in any case."""
OWN = "guildhall"
LONGEST = 60
"""Characters of a branch's name."""
_BRANCH = re.compile(r"(?!.*(\.\.|//|\.lock\Z|\.lock/|/\.|[/.]\Z))[A-Za-z0-9][A-Za-z0-9._/-]*\Z")
_COMMIT = re.compile(r"[0-9a-fA-F]{40}|[0-9a-fA-F]{64}")
_TURN = "SELECT pg_advisory_xact_lock(hashtextextended('guildhall repository ' || current_user || ' ' || %s, 0))"
_SAID = {"ci_command": "CI runs “{}” in it", "default_branch": "its changes are merged into “{}”"}


def check_terms(values: dict[str, Any], problems: Problems, present: str | None = None) -> None:
    """Check a command and a branch, where they are given; `present` is the branch that the repository has now."""
    problems.text(values, "ci_command", 400, required="Say how CI is run, such as python -m unittest.")
    problems.text(values, "default_branch", LONGEST, required="Name the branch that changes are merged into.")
    branch = values.get("default_branch")
    if branch and (problem := wrong_with_branch(branch) or _beside(branch, present)):
        problems.add("default_branch", problem)


def wrong_with_branch(branch: str) -> str:
    """Why changes cannot or must not be merged into a branch of this name; "" for one that they may be merged into."""
    if len(branch) > LONGEST:
        return f"At most {LONGEST} characters."
    if not _BRANCH.match(branch) or _COMMIT.fullmatch(branch):
        return "Use letters, digits, dots, hyphens and slashes, such as main."
    first = branch.partition("/")[0].lower()
    if first == OWN:
        return (
            f"Branches below {OWN}/ are the platform’s own: work that nobody has approved stands there. Name another."
        )
    if first in ("head", "refs"):
        return "HEAD and refs/ are git’s own names. Give the branch’s name alone, such as main."
    return ""


def _beside(branch: str, present: str | None) -> str:
    """git keeps a branch as a file, and those below it in a folder of the same name."""
    if present and (branch.startswith(f"{present}/") or present.startswith(f"{branch}/")):
        return f"git has no {branch} beside the branch {present}. Give it another name, such as {branch.replace('/', '-')}-2."
    return ""


def refuse_naming(actor: Actor, row: ProjectRepository, values: dict[str, Any]) -> None:
    """Raises `Denied` for another branch than the repository has, where naming one is for roles that `actor` has not.

    Such a repository is named in projects as it is: nobody else brings it another branch.
    """
    kept = known_repository(row.name)
    if kept is None or not kept.named_by or actor.roles & set(kept.named_by):
        return
    if values.get("default_branch", kept.default_branch) != kept.default_branch:
        raise Denied(
            f"{row.name} is kept elsewhere, where branches are pushed that nobody here approved. Changes are merged into "
            f"“{kept.default_branch}”; naming another branch for it is for {', '.join(kept.named_by)}."
        )


def present_branch(row: ProjectRepository) -> str:
    """The branch that the repository has: what the project says of it may not have been carried over, or cannot be."""
    kept = known_repository(row.name)
    return kept.default_branch if kept else row.default_branch


def take_turn(name: str) -> None:
    """One act at a time says something of the repository `name`, and sees what the one before said. Until the commit."""
    with connection.cursor() as cursor:
        cursor.execute(_TURN, [name])


def refuse_other_terms(name: str, values: dict[str, Any], problems: Problems) -> None:
    """Naming a repository that is known changes nothing of it: another command or branch is a problem, and says whose.

    In its turn. Whoever may name one sees all projects of the organisation, and so what they say of it.
    """
    known = _known(name)
    for field in TERMS:
        for whose, terms in known:
            if terms[field] != values[field]:
                problems.add(
                    field,
                    f"{whose}, and {_SAID[field].format(terms[field])}. Give the same; it can be changed later, in all.",
                )
                break
    if not known and (problem := _beside(values["default_branch"], FIRST)):
        problems.add("default_branch", problem)


def _known(name: str) -> list[tuple[str, dict[str, str]]]:
    """Who names the repository, in words, and what is said of it: by projects, else by the room that keeps repositories."""
    rows = ProjectRepository.objects.filter(name=name).select_related("project").order_by("project__key")
    found = [(f"{name} is a repository of {row.project.key} too", named(row, *TERMS)) for row in rows]
    if found or (kept := known_repository(name)) is None:
        return found
    return [(f"There is a repository {name}", {"ci_command": kept.ci_command, "default_branch": kept.default_branch})]


def carry_over(actor: Actor, row: ProjectRepository) -> None:
    """Have every other project that names the repository say of it what this row says. In its turn."""
    terms = named(row, *TERMS)
    others = ProjectRepository.objects.filter(name=row.name).exclude(pk=row.pk).exclude(**terms)
    for other in others.select_related("project").order_by("project_id"):
        before = named(other, "name", *TERMS)
        other.ci_command, other.default_branch = row.ci_command, row.default_branch
        other.save(update_fields=TERMS)
        keep(other.project)
        event = ProjectEdited(subject=other.project.ref, project=other.project.key, fields=["repositories"])
        record(event, actor=actor, before=before, after={"name": row.name, **terms})
