"""Addresses of governance's pages."""

from django.urls import path

from governance.web import (
    adjustment_pages,
    audit_pages,
    cost_pages,
    limit_pages,
    pages,
    policy_pages,
    release_pages,
    violation_pages,
)

urlpatterns = [
    path("approvals/", pages.inbox, name="approvals"),
    path("approvals/<int:number>/", pages.detail, name="approval"),
    path("costs/", cost_pages.costs, name="costs"),
    path("costs/ledger/", cost_pages.entries, name="ledger"),
    path("costs/ledger/export/", cost_pages.export, name="ledger-export"),
    path("costs/reconciliations/", cost_pages.compared, name="reconciliations"),
    path("costs/differences/<int:pk>/", adjustment_pages.adjustment, name="cost-adjustment"),
    path("costs/limits/", limit_pages.limits_page, name="cost-limits"),
    path("costs/limits/remove/", limit_pages.removal, name="cost-limit-removal"),
    path("violations/", violation_pages.violations, name="violations"),
    path("violations/<int:number>/", violation_pages.violation, name="violation"),
    path("settings/policies/", policy_pages.policies, name="policies"),
    path("settings/policies/new/", policy_pages.propose, name="policy-new"),
    path("settings/policies/drafts/<int:number>/", policy_pages.draft, name="policy-draft"),
    path("settings/policies/drafts/<int:number>/edit/", policy_pages.edit, name="policy-draft-edit"),
    path("settings/policies/versions/<int:version>/", policy_pages.version, name="policy-version"),
    path("settings/releases/", release_pages.releases, name="releases"),
    path("settings/releases/<int:pk>/", release_pages.lift, name="release-lift"),
    path("audit/", audit_pages.audit, name="audit"),
    path("audit/export/", audit_pages.export, name="audit-export"),
    path("audit/operations/<uuid:operation>/", audit_pages.operation, name="audit-operation"),
    path("pause/", pages.pause, name="pause"),
]
