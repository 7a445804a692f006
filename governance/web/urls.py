"""Routes of governance on a tenant's host."""

from django.urls import path

from governance.web import apis, cost_apis

api_urlpatterns = [
    path("approvals/", apis.ApprovalsView.as_view(), name="api-approvals"),
    path("approvals/<int:number>/", apis.ApprovalView.as_view(), name="api-approval"),
    path("approvals/<int:number>/decision/", apis.ApprovalDecisionView.as_view(), name="api-approval-decision"),
    path("budgets/", cost_apis.BudgetsView.as_view(), name="api-budgets"),
    path("costs/", cost_apis.CostsView.as_view(), name="api-costs"),
    path("ledger/", cost_apis.LedgerView.as_view(), name="api-ledger"),
    path("holds/", apis.HoldsView.as_view(), name="api-holds"),
    path("holds/<int:pk>/", apis.HoldView.as_view(), name="api-hold"),
    path("policy/", apis.PolicyView.as_view(), name="api-policy"),
    path("audit/", apis.AuditView.as_view(), name="api-audit"),
]
