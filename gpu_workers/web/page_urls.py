"""Addresses of the pages of runs."""

from django.urls import path

from gpu_workers.web import pages

urlpatterns = [
    path("runs/", pages.runs, name="runs"),
    path("runs/<int:number>/", pages.run, name="run"),
    path("runs/<int:number>/log/", pages.log, name="run-log"),
]
