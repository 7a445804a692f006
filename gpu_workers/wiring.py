"""What agents' rooms tell the rooms below them and the shells: who asks, who is asked, what is shown. Read once all apps are."""

from governance.halting import register_halter, register_remaining
from governance.hold_targets import register_agents
from governance.policies.tool_names import register_tool_names
from governance.scopes import ScopeKind
from governance.spenders import register_spenders
from gpu_workers import (  # noqa: F401 - events and consumers are known by being read
    approval_subscribers,
    budget_subscribers,
    cluster_events,
    database_events,
    events,
    forge_events,
    hand_in_subscribers,
    incident_subscribers,
    proposal_subscribers,
    pull_request_subscribers,
    recorded,
    remark_events,
    resuming,
    subscribers,
    tracker_events,
)
from gpu_workers.actions.halts import halt_runs, still_there
from gpu_workers.answering import check_answer
from gpu_workers.evidence import judge_commit, merge_binding
from gpu_workers.leaving import Leaving
from gpu_workers.policies import check_agent_action
from gpu_workers.seeds import seed_agents
from gpu_workers.selectors import active_agents, council_at_work, known_agents, known_runs, terms_of_repository
from gpu_workers.tools.registry import REGISTRY
from gpu_workers.web import (
    call_panel,
    connection_pages,
    hand_ins,
    incident_pages,
    panels,
    plan_panel,
    proposal_pages,
    question_panel,
)
from guildhall.evidence.reading import register_sensitive
from guildhall.kernel.actions import register_check
from guildhall.kernel.seeds import register_seed
from tenants.archiving.parts import register_room
from workflows.ports import (
    register_commit_judge,
    register_council_work,
    register_merge_binding,
    register_references,
    register_repositories,
)
from workflows.selectors.people import register_agent_names


def register() -> None:
    """Called once, when all apps are ready."""
    register_check(check_agent_action)
    register_check(check_answer)
    register_seed(seed_agents)
    register_room(Leaving())
    _sensitive()
    _governance()
    _workflows()
    recorded.register()
    for shown in (
        panels,
        call_panel,
        connection_pages,
        hand_ins,
        incident_pages,
        plan_panel,
        proposal_pages,
        question_panel,
    ):
        shown.register()


def _sensitive() -> None:
    register_sensitive("a run's workspace", "runs/<")
    register_sensitive("a change's code", "changes/<")
    register_sensitive("a repository's code", "repositories/<slug:name>/code")


def _governance() -> None:
    register_tool_names(REGISTRY.names)
    register_halter(halt_runs)
    register_remaining(still_there)
    register_spenders(ScopeKind.RUN, known_runs)
    register_spenders(ScopeKind.AGENT, known_agents)
    register_agents(known_agents)


def _workflows() -> None:
    register_commit_judge(judge_commit)
    register_merge_binding(merge_binding)
    register_council_work(council_at_work)
    register_references("run", known_runs)
    register_agent_names(active_agents)
    register_repositories(terms_of_repository)
