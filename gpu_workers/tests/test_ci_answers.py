"""Which of CI's answers on a commit counts, and which is shown."""

import pytest

from gpu_workers.actions.changes import CIReport, record_ci
from gpu_workers.ci_answers import ci_of, known_ci
from gpu_workers.models import CIRun, Repository
from tests.support.tenants import TestTenant

pytestmark = pytest.mark.integration
SHA = "c" * 40


def report(status: str) -> CIReport:
    return CIReport(status, 0, "", [], 1, 0, 5)


def test_an_answer_counts_for_its_commit_its_command_and_its_tenant(
    tenant: TestTenant, other_tenant: TestTenant
) -> None:
    with other_tenant.scope():
        theirs = Repository.objects.create(name="till", ci_command="make")
        record_ci(
            actor=other_tenant.system(),
            repository=theirs,
            sha=SHA,
            purpose="run:1:0",
            command="make",
            report=report("passed"),
        )
    with tenant.scope():
        till, actor = Repository.objects.create(name="till", ci_command="make"), tenant.system()
        assert (ci_of("till", SHA), known_ci("till", SHA)) == (None, None), "another organisation's answer"

        # What a process of the version before writes, and finds again, whoever else has kept an answer for the same purpose.
        def by_the_version_before() -> tuple[CIRun, bool]:
            about = {"repository": "till", "sha": SHA, "purpose": "run:1:0"}
            return CIRun.objects.get_or_create(**about, defaults={"status": "passed"})

        old, _ = by_the_version_before()
        assert by_the_version_before() == (old, False)
        assert ci_of("till", SHA) is None
        assert (known := known_ci("till", SHA)) is not None
        assert (known.run, known.counts, known.reservation) == (old, False, "by a CI command that was not written down")

        def keep(command: str, status: str) -> CIRun:
            # The row is read anew under its lock; what was run is what the worker says.
            return record_ci(
                actor=actor, repository=till, sha=SHA, purpose="run:1:0", command=command, report=report(status)
            )

        green = keep("make", "passed")
        assert keep("make", "failed") == green, "the first answer stays"
        red = keep("false", "failed")
        assert (ci_of("till", SHA), ci_of("till", "d" * 40), ci_of("oven", SHA)) == (green, None, None)
        assert (known := known_ci("till", SHA)) is not None
        assert (known.run, known.reservation) == (green, ""), "not the latest one"
        Repository.objects.update(ci_command="false")
        assert ci_of("till", SHA) == red
        Repository.objects.update(ci_command="make all")
        assert ci_of("till", SHA) is None
        assert (known := known_ci("till", SHA)) is not None
        assert (known.run, known.reservation) == (red, "by an earlier CI command")
