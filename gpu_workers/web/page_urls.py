"""Addresses of the pages of runs."""

from django.urls import path

from gpu_workers.web import (
    again,
    agent_forms,
    agent_pages,
    change_pages,
    connection_pages,
    council_pages,
    file_views,
    hand_ins,
    hooks,
    incident_pages,
    pages,
    prompt_pages,
    proposal_pages,
    repository_code,
)
from workflows.web import references  # noqa: F401  registers the converter of stories' references

urlpatterns = [
    path("hooks/github/<str:key>/", hooks.github, name="hook-github"),
    path("agents/", agent_pages.agents, name="agents"),
    path("agents/new/", agent_forms.new_agent, name="agent-new"),
    path("agents/<slug:name>/edit/", agent_forms.change_agent, name="agent-edit"),
    path("agents/<slug:name>/prompts/", prompt_pages.agent_prompts, name="agent-prompts"),
    path("agents/<slug:name>/", agent_pages.agent, name="agent"),
    path("prompts/", prompt_pages.prompts, name="prompts"),
    path("runs/<int:number>/retry/", again.retry, name="run-retry"),
    path("changes/", change_pages.changes, name="changes"),
    path("changes/<int:number>/", change_pages.change, name="change"),
    path("changes/<int:number>/revert/", again.revert, name="change-revert"),
    path("tasks/<task:reference>/hand-ins/", hand_ins.hand_in, name="task-hand-in"),
    path("runs/", pages.runs, name="runs"),
    path("runs/<int:number>/", pages.run, name="run"),
    path("runs/<int:number>/steps/<int:pk>/", pages.step, name="run-step"),
    path("runs/<int:number>/files/", file_views.files, name="run-files"),
    path("runs/<int:number>/files/<path:path>", file_views.files, name="run-file"),
    path("incidents/", incident_pages.incidents, name="incidents"),
    path("incidents/new/", incident_pages.new_incident, name="incident-new"),
    path("incidents/<int:pk>/", incident_pages.incident, name="incident"),
    path("incidents/<int:pk>/evidence/<int:file>/", incident_pages.evidence, name="incident-evidence"),
    path("proposals/", proposal_pages.proposals, name="proposals"),
    path("proposals/<int:pk>/", proposal_pages.proposal, name="proposal"),
    path("councils/", council_pages.councils, name="councils"),
    path("councils/<int:pk>/", council_pages.council, name="council"),
    path("stories/<story:reference>/council/", council_pages.call, name="story-council"),
    path("repositories/<slug:name>/code/", repository_code.code, name="repository-code"),
    path("settings/repositories/connect/", connection_pages.connect_repository, name="settings-repository-connect"),
    path("settings/projects/<project:key>/connections/", connection_pages.connections, name="settings-connections"),
    path("runs/<int:number>/log/", pages.log, name="run-log"),
]
