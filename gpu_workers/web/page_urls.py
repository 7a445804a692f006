"""Addresses of the pages of runs."""

from django.urls import path

from gpu_workers.web import again, agent_pages, council_pages, hooks, pages
from workflows.web import references  # noqa: F401  registers the converter of stories' references

urlpatterns = [
    path("hooks/github/<str:key>/", hooks.github, name="hook-github"),
    path("agents/", agent_pages.agents, name="agents"),
    path("agents/<slug:name>/", agent_pages.agent, name="agent"),
    path("runs/<int:number>/retry/", again.retry, name="run-retry"),
    path("changes/<int:number>/revert/", again.revert, name="change-revert"),
    path("runs/", pages.runs, name="runs"),
    path("runs/<int:number>/", pages.run, name="run"),
    path("councils/", council_pages.councils, name="councils"),
    path("councils/<int:pk>/", council_pages.council, name="council"),
    path("stories/<story:reference>/council/", council_pages.call, name="story-council"),
    path("runs/<int:number>/log/", pages.log, name="run-log"),
]
