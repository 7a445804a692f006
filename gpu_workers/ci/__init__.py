"""Local CI: the project's own command, in the sandbox, on a fresh checkout of exactly one commit."""

from gpu_workers.ci.junit import ReportError, TestCaseResult, TestStatus, parse_junit
from gpu_workers.ci.local import CIOutcome, CIStatus, run_ci

__all__ = ["CIOutcome", "CIStatus", "ReportError", "TestCaseResult", "TestStatus", "parse_junit", "run_ci"]
