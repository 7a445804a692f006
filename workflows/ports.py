"""What this room asks of a room above it, registered there in `AppConfig.ready()`."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from workflows.machines import CommitEvidence

CommitJudge = Callable[[str, str, str], CommitEvidence]
"""`judge(task reference, sha, rejected sha)`: what CI and the repository know of a commit; reads rows only."""

_judges: list[CommitJudge] = []


def register_commit_judge(judge: CommitJudge | None) -> CommitJudge | None:
    """Name the one who knows about commits and their CI; returns whom it replaces."""
    before = _judges[0] if _judges else None
    _judges[:] = [judge] if judge else []
    return before


def judge_commit(task: str, sha: str, rejected_sha: str) -> CommitEvidence:
    """The evidence on `sha`. Nobody's word for it counts: without a judge, no commit has CI."""
    return _judges[0](task, sha, rejected_sha) if _judges else CommitEvidence(sha, "none")


Known = Callable[[list[str]], set[str]]
"""`known(ids)`: which of these ids of one kind exist."""

_known: dict[str, Known] = {}


def register_references(kind: str, known: Known) -> None:
    """Say which references `kind:…` exist, so that decisions can name them."""
    _known[kind] = known


def unknown_references(references: Sequence[str]) -> list[str]:
    """Those of the references that name nothing here, in their order; a kind that nobody knows names nothing."""
    wanted: dict[str, list[str]] = {}
    for reference in references:
        kind, _, identity = reference.partition(":")
        wanted.setdefault(kind, []).append(identity)
    found = {f"{kind}:{identity}" for kind, ids in wanted.items() if kind in _known for identity in _known[kind](ids)}
    return [reference for reference in references if reference not in found]


MergeBinding = Callable[[str, str], dict[str, Any]]
"""`binding(task reference, sha)`: what else an approval to merge is bound to, such as base, diff hash and cost."""

_bindings: list[MergeBinding] = []


def register_merge_binding(binding: MergeBinding | None) -> MergeBinding | None:
    """Name the one who knows what a merge of a commit would do; returns whom it replaces."""
    before = _bindings[0] if _bindings else None
    _bindings[:] = [binding] if binding else []
    return before


def merge_binding(task: str, sha: str) -> dict[str, Any]:
    """What an approval to merge `sha` is bound to; the commit always."""
    return {**(_bindings[0](task, sha) if _bindings else {}), "commit_sha": sha}


AtWork = Callable[[str], bool]
"""`at_work(council reference)`: whether agents deliberate, or are about to."""

_at_work: list[AtWork] = []


def register_council_work(at_work: AtWork) -> None:
    """Name the one who knows which councils agents are at."""
    _at_work[:] = [at_work]


def council_at_work(council: str) -> bool:
    """Whether agents are at this council; without anybody who knows, nobody is."""
    return bool(_at_work) and _at_work[0](council)


class Terms(NamedTuple):
    """How CI is run in a repository, and the branch that its changes are merged into.

    `named_by` are the roles whose members alone name another branch for it; without any, whoever edits projects does.
    """

    ci_command: str
    default_branch: str
    named_by: tuple[str, ...] = ()


KnownRepository = Callable[[str], Terms | None]

_repositories: list[KnownRepository] = []


def register_repositories(known: KnownRepository) -> None:
    """Name the one who keeps repositories, also those that no project names yet or any more."""
    _repositories[:] = [known]


def known_repository(name: str) -> Terms | None:
    """What is known of the repository of this name, None where there is none."""
    return _repositories[0](name) if _repositories else None
