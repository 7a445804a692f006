"""Every governed action has somebody named for it: a new one without a grant fails here before it lets anybody in."""

import importlib
import pkgutil

import pytest

import tenants.actions
from gateway.policies import OWNER_ACTIONS
from governance.policies.grants import GRANTS as GOVERNANCE
from gpu_workers.policies import GRANTS as AGENTS
from guildhall.kernel.actions import action_names
from tenants.policies import PEOPLE_ACTIONS, PLATFORM_ACTIONS
from workflows.machines import STORY, TASK
from workflows.policies import GRANTS as WORK

pytestmark = pytest.mark.unit

TABLES = {f"story.{name}" for name in STORY.actions} | {f"task.{name}" for name in TASK.actions}
OF_ONESELF = {
    "account.change_password": "with the present password",
    "account.create": "whoever holds an invitation's secret",
    "account.disable_second_factor": "with a code of it",
    "account.enable_second_factor": "with a code of it",
    "account.renew_recovery_codes": "with a code of the second factor",
    "member.accept_invitation": "whoever holds the invitation's secret",
    "model.called": "what the gateway writes down after a call that was reserved",
    "model.failed": "what the gateway writes down after a call that was reserved",
    "session.end": "one's own, or anybody's as an admin: the action looks",
    "session.end_all": "one's own",
    "session.end_token_family": "a refresh token that was used twice",
    "sign_in.enter": "with address, password and second factor",
    "sign_in.leave": "one's own session",
    "sign_in.lock": "what sign-in writes down when it locks",
}
"""Actions that are no role's: who may is proven another way, named here."""


OF_TESTS = ("thing.", "bench.", "test.")


def test_every_action_is_granted_to_somebody() -> None:
    for module in pkgutil.iter_modules(tenants.actions.__path__, "tenants.actions."):
        importlib.import_module(module.name)
    granted = {*GOVERNANCE, *AGENTS, *WORK, *TABLES, *PLATFORM_ACTIONS, *PEOPLE_ACTIONS, *OWNER_ACTIONS, *OF_ONESELF}
    assert sorted(name for name in action_names() - granted if not name.startswith(OF_TESTS)) == []
    assert sorted(set(OF_ONESELF) - action_names()) == [], "excuses for actions that there are not"
