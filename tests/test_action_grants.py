"""Every governed action has somebody named for it: a new one without a grant fails here before it lets anybody in."""

import importlib
import pkgutil

import pytest

import tenants.actions
from gateway.policies import OWNER_ACTIONS
from governance.policies.grants import GRANTS as GOVERNANCE
from governance.policies.grants import check_grant
from gpu_workers.policies import GRANTS as AGENTS
from gpu_workers.policies import check_agent_action
from guildhall.evidence.policies import STREAM_ACTIONS, check_stream_action
from guildhall.fleet.policies import FLEET_ACTIONS
from guildhall.kernel.actions import ActionContext, Check, action_names
from guildhall.kernel.actor import PLATFORM, Actor, ActorKind
from guildhall.kernel.errors import Denied
from tenants.policies import OF_ONESELF, PEOPLE_ACTIONS, PLATFORM_ACTIONS, check_identity_action
from tenants.roles import ROLES
from workflows.machines import STORY, TASK
from workflows.policies import GRANTS as WORK

pytestmark = pytest.mark.unit

TABLES = {f"story.{name}" for name in STORY.actions} | {f"task.{name}" for name in TASK.actions}
OF_THE_GATEWAY = {
    "model.failed": "what the gateway writes down after a call that was reserved",
}


OF_TESTS = ("thing.", "bench.", "test.")


def test_every_action_is_granted_to_somebody() -> None:
    for module in pkgutil.iter_modules(tenants.actions.__path__, "tenants.actions."):
        importlib.import_module(module.name)
    identity = {*PLATFORM_ACTIONS, *PEOPLE_ACTIONS, *OF_ONESELF}
    granted = {
        *GOVERNANCE,
        *AGENTS,
        *WORK,
        *TABLES,
        *identity,
        *OWNER_ACTIONS,
        *OF_THE_GATEWAY,
        *STREAM_ACTIONS,
        *FLEET_ACTIONS,
    }
    assert sorted(name for name in action_names() - granted if not name.startswith(OF_TESTS)) == []
    assert sorted({*identity, *OF_THE_GATEWAY} - action_names()) == [], "grants of actions that there are not"


@pytest.mark.parametrize(
    ("check", "name"),
    [
        (check_identity_action, "member.unheard_of"),
        (check_identity_action, "account.unheard_of"),
        (check_identity_action, "session.unheard_of"),
        (check_grant, "budget.unheard_of"),
        (check_agent_action, "run.unheard_of"),
        (check_stream_action, "stream.unheard_of"),
    ],
)
@pytest.mark.parametrize("kind", ActorKind)
def test_an_action_that_nobody_is_named_for_is_nobodys_at_run_time(check: Check, name: str, kind: ActorKind) -> None:
    actor = Actor(kind=kind, id="x", name="X", tenant=PLATFORM, roles=ROLES | {"owner", "system"})
    with pytest.raises(Denied):
        check(ActionContext(name=name, actor=actor, target=None, arguments={}))


@pytest.mark.parametrize("kind", [ActorKind.AGENT, ActorKind.SYSTEM])
def test_nobody_but_a_person_has_what_proves_them(kind: ActorKind) -> None:
    actor = Actor(kind=kind, id="x", name="X", tenant=PLATFORM, roles=ROLES)
    for name, kinds in OF_ONESELF.items():
        if kind in kinds:
            continue
        with pytest.raises(Denied):
            check_identity_action(ActionContext(name=name, actor=actor, target=None, arguments={}))
