"""Routes of identity. `page_urlpatterns` and `api_urlpatterns` belong to a tenant's host, `public_urlpatterns` to the
platform's, where Django admin's own sign-in, which knows no second factor, gives way to ours."""

from django.urls import path
from django.views.generic import RedirectView

from tenants.web import account, apis, people_apis, sign_in

public_urlpatterns = [
    path("sign-in/", sign_in.sign_in, name="sign-in"),
    path("sign-in/verify/", sign_in.verify, name="sign-in-verify"),
    path("sign-out/", sign_in.sign_out, name="sign-out"),
    path("account/security/", account.security, name="account-security"),
    path("admin/login/", RedirectView.as_view(pattern_name="sign-in", query_string=True)),
]

page_urlpatterns = [
    *public_urlpatterns[:4],
    path("invitations/<str:token>/", sign_in.invitation, name="invitation"),
]

api_urlpatterns = [
    path("auth/token/", apis.TokenView.as_view(), name="auth-token"),
    path("auth/refresh/", apis.RefreshView.as_view(), name="auth-refresh"),
    path("auth/revoke/", apis.RevokeView.as_view(), name="auth-revoke"),
    path("me/", apis.MeView.as_view(), name="me"),
    path("members/", people_apis.MembersView.as_view(), name="members"),
    path("members/<slug:person>/", people_apis.MemberView.as_view(), name="member"),
    path("invitations/", people_apis.InvitationsView.as_view(), name="invitations"),
    path("invitations/accept/", people_apis.AcceptView.as_view(), name="invitation-accept"),
    path("invitations/<int:pk>/", people_apis.InvitationView.as_view(), name="invitation-detail"),
    path("api-keys/", people_apis.KeysView.as_view(), name="api-keys"),
    path("api-keys/<int:pk>/", people_apis.KeyView.as_view(), name="api-key"),
    path("sessions/", apis.SessionsView.as_view(), name="sessions"),
    path("sessions/<slug:session_id>/", apis.SessionView.as_view(), name="session"),
]
