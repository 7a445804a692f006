"""Routes of governance on a tenant's host."""

from django.urls import path

from governance.web import apis, audit_apis, cost_apis, policy_apis, release_apis, violation_apis

api_urlpatterns = [
    path("approvals/", apis.ApprovalsView.as_view(), name="api-approvals"),
    path("approvals/<int:number>/", apis.ApprovalView.as_view(), name="api-approval"),
    path("approvals/<int:number>/decision/", apis.ApprovalDecisionView.as_view(), name="api-approval-decision"),
    path("approvals/<int:number>/retry/", release_apis.ApprovalRetryView.as_view(), name="api-approval-retry"),
    path(
        "approvals/<int:number>/take-back/", release_apis.ApprovalTakeBackView.as_view(), name="api-approval-take-back"
    ),
    path("release-controls/", release_apis.ReleaseControlsView.as_view(), name="api-release-controls"),
    path("release-holds/", release_apis.ReleaseHoldsView.as_view(), name="api-release-holds"),
    path("release-holds/<int:pk>/lift/", release_apis.ReleaseLiftView.as_view(), name="api-release-lift"),
    path("budgets/", cost_apis.BudgetsView.as_view(), name="api-budgets"),
    path("costs/", cost_apis.CostsView.as_view(), name="api-costs"),
    path("costs/days/", cost_apis.CostDaysView.as_view(), name="api-cost-days"),
    path("limits/", cost_apis.LimitsView.as_view(), name="api-limits"),
    path("reconciliations/", cost_apis.ReconciliationsView.as_view(), name="api-reconciliations"),
    path("reconciliations/<int:pk>/differences/", cost_apis.DifferencesView.as_view(), name="api-differences"),
    path("ledger/", cost_apis.LedgerView.as_view(), name="api-ledger"),
    path("ledger/adjustments/", cost_apis.AdjustmentsView.as_view(), name="api-adjustments"),
    path("holds/", apis.HoldsView.as_view(), name="api-holds"),
    path("holds/<int:pk>/", apis.HoldView.as_view(), name="api-hold"),
    path("policy/", apis.PolicyView.as_view(), name="api-policy"),
    path("policy/check/", policy_apis.PolicyCheckView.as_view(), name="api-policy-check"),
    path("policy/versions/", policy_apis.PolicyVersionsView.as_view(), name="api-policy-versions"),
    path("policy/versions/<int:version>/", policy_apis.PolicyVersionView.as_view(), name="api-policy-version"),
    path("policy/drafts/", policy_apis.PolicyDraftsView.as_view(), name="api-policy-drafts"),
    path("policy/drafts/<int:number>/", policy_apis.PolicyDraftView.as_view(), name="api-policy-draft"),
    path(
        "policy/drafts/<int:number>/simulation/",
        policy_apis.PolicySimulationView.as_view(),
        name="api-policy-simulation",
    ),
    path("policy/drafts/<int:number>/submit/", policy_apis.PolicySubmitView.as_view(), name="api-policy-submit"),
    path("policy/drafts/<int:number>/withdraw/", policy_apis.PolicyWithdrawView.as_view(), name="api-policy-withdraw"),
    path("confidence/", policy_apis.AssessmentsView.as_view(), name="api-confidence"),
    path("confidence/calibration/", policy_apis.CalibrationView.as_view(), name="api-calibration"),
    path("violations/", violation_apis.ViolationsView.as_view(), name="api-violations"),
    path("violations/<int:number>/", violation_apis.ViolationView.as_view(), name="api-violation"),
    path(
        "violations/<int:number>/verdict/",
        violation_apis.ViolationVerdictView.as_view(),
        name="api-violation-verdict",
    ),
    path("audit/", apis.AuditView.as_view(), name="api-audit"),
    path("audit/export/", audit_apis.AuditExportView.as_view(), name="api-audit-export"),
    path("audit/verification/", audit_apis.AuditVerificationView.as_view(), name="api-audit-verification"),
]
