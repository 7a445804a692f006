"""Addresses of governance's pages."""

from django.urls import path

from governance.web import pages

urlpatterns = [
    path("approvals/", pages.inbox, name="approvals"),
    path("approvals/<int:number>/", pages.detail, name="approval"),
    path("pause/", pages.pause, name="pause"),
]
