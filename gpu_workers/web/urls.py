"""Routes of agents, runs and changes on a tenant's host."""

from django.urls import path

from gpu_workers.web import (
    agent_apis,
    apis,
    change_apis,
    cluster_apis,
    council_apis,
    database_apis,
    file_views,
    forge_apis,
    hand_ins,
    incident_apis,
    prompt_apis,
    proposal_apis,
    repository_code,
    tracker_apis,
)
from workflows.web import references  # noqa: F401  registers the converter of stories' references

api_urlpatterns = [
    path("agents/", agent_apis.AgentsView.as_view(), name="api-agents"),
    path("agents/<slug:name>/", agent_apis.AgentView.as_view(), name="api-agent"),
    path("agents/<slug:name>/reputation/", agent_apis.AgentReputationView.as_view(), name="api-agent-reputation"),
    path("agents/<slug:name>/cap/", agent_apis.AgentCapView.as_view(), name="api-agent-cap"),
    path("agents/<slug:name>/rest/", agent_apis.AgentRestView.as_view(), name="api-agent-rest"),
    path("agents/<slug:name>/prompts/", prompt_apis.AgentPromptsView.as_view(), name="api-agent-prompts"),
    path("prompts/", prompt_apis.PromptsView.as_view(), name="api-prompts"),
    path("runs/", apis.RunsView.as_view(), name="api-runs"),
    path("runs/<int:number>/", apis.RunView.as_view(), name="api-run"),
    path("runs/<int:number>/log/", apis.RunLogView.as_view(), name="api-run-log"),
    path("runs/<int:number>/files/", file_views.RunFilesView.as_view(), name="api-run-files"),
    path("incidents/", incident_apis.IncidentsView.as_view(), name="api-incidents"),
    path("incidents/<int:pk>/", incident_apis.IncidentView.as_view(), name="api-incident"),
    path("incidents/<int:pk>/evidence/", incident_apis.IncidentEvidenceView.as_view(), name="api-incident-evidence"),
    path(
        "incidents/<int:pk>/evidence/<int:file>/",
        incident_apis.IncidentFileView.as_view(),
        name="api-incident-evidence-file",
    ),
    path("incidents/<int:pk>/triage/", incident_apis.IncidentTriageView.as_view(), name="api-incident-triage"),
    path("incidents/<int:pk>/close/", incident_apis.IncidentCloseView.as_view(), name="api-incident-close"),
    path("proposals/", proposal_apis.ProposalsView.as_view(), name="api-proposals"),
    path("proposals/<int:pk>/", proposal_apis.ProposalView.as_view(), name="api-proposal"),
    path("proposals/<int:pk>/decision/", proposal_apis.ProposalDecisionView.as_view(), name="api-proposal-decision"),
    path("runs/<int:number>/cancel/", apis.RunCancelView.as_view(), name="api-run-cancel"),
    path("runs/<int:number>/retry/", apis.RunRetryView.as_view(), name="api-run-retry"),
    path("ci-runs/", apis.CIRunsView.as_view(), name="api-ci-runs"),
    path("ci-runs/<int:pk>/", apis.CIRunView.as_view(), name="api-ci-run"),
    path("changes/", change_apis.ChangesView.as_view(), name="api-changes"),
    path("changes/<int:number>/", change_apis.ChangeView.as_view(), name="api-change"),
    path("changes/<int:number>/remarks/", change_apis.RemarksView.as_view(), name="api-change-remarks"),
    path("changes/<int:number>/remarks/<int:pk>/", change_apis.RemarkView.as_view(), name="api-change-remark"),
    path("changes/<int:number>/revert/", change_apis.ChangeRevertView.as_view(), name="api-change-revert"),
    path("tasks/<task:reference>/hand-ins/", hand_ins.HandInsView.as_view(), name="api-task-hand-ins"),
    path(
        "tasks/<task:reference>/hand-ins/<int:pk>/withdraw/",
        hand_ins.HandInWithdrawView.as_view(),
        name="api-task-hand-in-withdraw",
    ),
    path("councils/", council_apis.CouncilsView.as_view(), name="api-councils"),
    path("councils/<int:pk>/", council_apis.CouncilView.as_view(), name="api-council"),
    path(
        "councils/<int:pk>/contributions/", council_apis.ContributionsView.as_view(), name="api-council-contributions"
    ),
    path("councils/<int:pk>/waive/", council_apis.CouncilWaiveView.as_view(), name="api-council-waive"),
    path("stories/<story:reference>/councils/", council_apis.StoryCouncilsView.as_view(), name="api-story-councils"),
    path("projects/<project:key>/cluster/", cluster_apis.ProjectClusterView.as_view(), name="api-project-cluster"),
    path("projects/<project:key>/database/", database_apis.ProjectDatabaseView.as_view(), name="api-project-database"),
    path("projects/<project:key>/migrator/", database_apis.ProjectMigratorView.as_view(), name="api-project-migrator"),
    path("projects/<project:key>/tracker/", tracker_apis.ProjectTrackerView.as_view(), name="api-project-tracker"),
    path("repositories/<slug:name>/code/", repository_code.RepositoryCodeView.as_view(), name="api-repository-code"),
    path("repositories/<slug:name>/connection/", forge_apis.ConnectionView.as_view(), name="api-connection"),
    path(
        "repositories/<slug:name>/connection/token/",
        forge_apis.ConnectionTokenView.as_view(),
        name="api-connection-token",
    ),
    path(
        "repositories/<slug:name>/connection/hook/", forge_apis.ConnectionHookView.as_view(), name="api-connection-hook"
    ),
    path("repositories/", forge_apis.RepositoriesView.as_view(), name="api-repositories"),
]
