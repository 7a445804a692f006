"""Routes of identity. `page_urlpatterns` and `api_urlpatterns` belong to a tenant's host, `public_urlpatterns` to the
platform's, where Django admin's own sign-in, which knows no second factor, gives way to ours."""

from django.urls import path
from django.views.generic import RedirectView

from tenants.web import account, apis, key_pages, people_apis, people_pages, resetting, sign_in, switching

public_urlpatterns = [
    path("sign-in/", sign_in.sign_in, name="sign-in"),
    path("sign-in/verify/", sign_in.verify, name="sign-in-verify"),
    path("sign-out/", sign_in.sign_out, name="sign-out"),
    path("account/security/", account.security, name="account-security"),
    path("password/forgotten/", resetting.forgotten, name="password-forgotten"),
    path("password/reset/<str:token>/", resetting.reset, name="password-reset"),
    path("admin/login/", RedirectView.as_view(pattern_name="sign-in", query_string=True)),
]

page_urlpatterns = [
    *public_urlpatterns[:6],
    path("invitations/<str:token>/", sign_in.invitation, name="invitation"),
    path("organisations/", switching.organisations, name="organisations"),
    path("hand-off/", switching.arrive, name="hand-off"),
    path("hand-off/give/", switching.give, name="hand-off-give"),
    path("hand-off/take/", switching.arrived, name="hand-off-take"),
    path("settings/", RedirectView.as_view(pattern_name="settings-members"), name="settings"),
    path("settings/members/", people_pages.members, name="settings-members"),
    path("settings/members/<slug:person>/", people_pages.member, name="settings-member"),
    path("settings/keys/", key_pages.keys, name="settings-keys"),
]

api_urlpatterns = [
    path("auth/token/", apis.TokenView.as_view(), name="auth-token"),
    path("auth/refresh/", apis.RefreshView.as_view(), name="auth-refresh"),
    path("auth/revoke/", apis.RevokeView.as_view(), name="auth-revoke"),
    path("auth/password/forgotten/", apis.ForgottenView.as_view(), name="auth-password-forgotten"),
    path("auth/password/reset/", apis.ResetView.as_view(), name="auth-password-reset"),
    path("me/", apis.MeView.as_view(), name="me"),
    path("members/", people_apis.MembersView.as_view(), name="members"),
    path("members/<slug:person>/", people_apis.MemberView.as_view(), name="member"),
    path("invitations/", people_apis.InvitationsView.as_view(), name="invitations"),
    path("invitations/accept/", people_apis.AcceptView.as_view(), name="invitation-accept"),
    path("invitations/<int:pk>/", people_apis.InvitationView.as_view(), name="invitation-detail"),
    path("invitations/<int:pk>/resend/", people_apis.ResendView.as_view(), name="invitation-resend"),
    path("api-keys/", people_apis.KeysView.as_view(), name="api-keys"),
    path("api-keys/<int:pk>/", people_apis.KeyView.as_view(), name="api-key"),
    path("sessions/", apis.SessionsView.as_view(), name="sessions"),
    path("sessions/<slug:session_id>/", apis.SessionView.as_view(), name="session"),
]
