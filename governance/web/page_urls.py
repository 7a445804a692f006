"""Addresses of governance's pages."""

from django.urls import path

from governance.web import cost_pages, limit_pages, pages

urlpatterns = [
    path("approvals/", pages.inbox, name="approvals"),
    path("approvals/<int:number>/", pages.detail, name="approval"),
    path("costs/", cost_pages.costs, name="costs"),
    path("costs/ledger/", cost_pages.entries, name="ledger"),
    path("costs/ledger/export/", cost_pages.export, name="ledger-export"),
    path("costs/reconciliations/", cost_pages.compared, name="reconciliations"),
    path("costs/limits/", limit_pages.limits_page, name="cost-limits"),
    path("costs/limits/remove/", limit_pages.removal, name="cost-limit-removal"),
    path("pause/", pages.pause, name="pause"),
]
