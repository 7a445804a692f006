"""Which of CI's answers on a commit counts, and which is shown."""

import pytest

from governance.selectors import active_policy
from gpu_workers.actions.changes import CIReport, record_ci
from gpu_workers.ci import CIOutcome, CIStatus, TestCaseResult, TestStatus
from gpu_workers.ci_answers import ci_of, known_ci
from gpu_workers.ci_runs import keep_ci
from gpu_workers.models import CIRun, Repository
from guildhall.kernel.redaction import MARK
from tests.support.policies import put_policy
from tests.support.tenants import TestTenant

pytestmark = pytest.mark.integration
SHA = "c" * 40


RULE = "  patterns:\n    - {name: customer_number, places: [output], pattern: 'CUST-[0-9]{6}'}\n"


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


def test_what_the_policy_takes_out_of_outputs_is_in_no_part_of_an_answer(tenant: TestTenant) -> None:
    told = "for CUST-123456"
    test = TestCaseResult(f"serves {told}", told, TestStatus.FAILED, f"nothing {told}", 0.1)
    outcome = CIOutcome(CIStatus.FAILED, SHA, 1, f"{told}\n", (test,), {"failed": 1}, 0.5)
    with tenant.scope():
        put_policy(tenant, active_policy().text.replace("  patterns:\n", RULE, 1))
        till = Repository.objects.create(name="till", ci_command="make")
        row = keep_ci(actor=tenant.system(), repository=till, sha=SHA, purpose="merge", outcome=outcome)
        row.refresh_from_db()
        assert (row.status, row.failed, row.log) == ("failed", 1, f"for {MARK}\n")
        clean = {"name": f"serves for {MARK}", "suite": f"for {MARK}", "message": f"nothing for {MARK}"}
        assert row.tests == [{**clean, "status": "failed"}]
