"""The identity API of a tenant: tokens and oneself."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from guildhall.api.inputs import checked
from guildhall.api.permissions import actor_of
from guildhall.kernel.actor import system_actor
from guildhall.kernel.errors import Unauthenticated
from guildhall.kernel.tenancy import current_tenant
from tenants.actions.sessions import end_session, end_token_family
from tenants.actions.sign_in import record_sign_in
from tenants.auth import second_factor, tokens
from tenants.auth.lockout import forget_failures
from tenants.selectors import sessions_of
from tenants.web import serializers
from tenants.web.door import load_user, member_here, prove_factor, prove_password, sign_out_everywhere
from tenants.web.resetting import ask_for_link, set_new_password


class OpenView(APIView):
    """A view for callers that have no credential yet; whatever they send along is not looked at."""

    authentication_classes = ()
    permission_classes = (AllowAny,)


class TokenView(OpenView):
    @extend_schema(request=serializers.TokenRequest, responses=serializers.TokenAnswer)
    def post(self, request: Request) -> Response:
        """Exchange e-mail, password and, where set up, a second factor's code for a pair of tokens."""
        given = checked(serializers.TokenRequest, request)
        user = prove_password(request._request, given["email"], given["password"])
        factor = "none"
        if second_factor.is_enrolled(user.pk):
            if "code" not in given:
                raise Unauthenticated("Send the code of your second factor as `code`.", second_factor="required")
            factor = prove_factor(user, given["code"])
        forget_failures(request._request, user)
        member = member_here(user, "token")
        pair = tokens.issue(member)
        record_sign_in(actor=member.actor, door="API", second_factor=factor)
        return _token_answer(pair)


class RefreshView(OpenView):
    @extend_schema(request=serializers.RefreshRequest, responses=serializers.TokenAnswer)
    def post(self, request: Request) -> Response:
        """Exchange a refresh token, once, for a new pair. Using one twice ends all tokens that came from it."""
        given = checked(serializers.RefreshRequest, request)
        try:
            return _token_answer(tokens.rotate(given["refresh"]))
        except tokens.Reused as reuse:
            end_token_family(
                actor=system_actor("tokens", current_tenant()),
                family=reuse.family,
                holder=reuse.holder,
                reason="a refresh token was used twice",
            )
            raise Unauthenticated(
                "This refresh token was used before, so its family was ended; sign in again."
            ) from reuse


class RevokeView(OpenView):
    @extend_schema(request=serializers.RefreshRequest, responses={204: None})
    def post(self, request: Request) -> Response:
        """End a refresh token's family. Answers the same for a token that does not exist (RFC 7009)."""
        given = checked(serializers.RefreshRequest, request)
        family = tokens.family_of(given["refresh"])
        if family is not None:
            end_token_family(
                actor=system_actor("tokens", current_tenant()),
                family=family,
                holder=f"token_family:{family}",
                reason="its holder asked for it",
            )
        return Response(status=204)


class ForgottenView(OpenView):
    @extend_schema(request=serializers.ForgottenRequest, responses={202: None})
    def post(self, request: Request) -> Response:
        """Ask for a link that sets a new password, by e-mail. The answer does not tell whether there is an account."""
        ask_for_link(request._request, checked(serializers.ForgottenRequest, request)["email"])
        return Response(status=202)


class ResetView(OpenView):
    @extend_schema(request=serializers.ResetRequest, responses={204: None})
    def post(self, request: Request) -> Response:
        """Set a new password with the token of a link. Ends every sign-in and token; a second factor stays as it is."""
        given = checked(serializers.ResetRequest, request)
        set_new_password(request._request, given["token"], given["new"])
        return Response(status=204)


class MeView(APIView):
    @extend_schema(responses=serializers.Me)
    def get(self, request: Request) -> Response:
        """Who the caller is here and what the credential opens."""
        actor, tenant = actor_of(request), request._request.tenant  # type: ignore[attr-defined]
        return Response(
            {
                "id": actor.id,
                "name": actor.name,
                "roles": sorted(actor.roles),
                "client": actor.client,
                "tenant": tenant.slug,
                "tenant_name": tenant.name,
                "via": actor.via,
                "scopes": None if actor.scopes is None else sorted(actor.scopes),
            }
        )


class SessionsView(APIView):
    @extend_schema(responses=serializers.SessionAnswer(many=True))
    def get(self, request: Request) -> Response:
        """The caller's sign-ins in browsers."""
        return Response(serializers.SessionAnswer(sessions_of(_pk(request)), many=True).data)

    @extend_schema(operation_id="sessions_destroy_all", responses={204: None})
    def delete(self, request: Request) -> Response:
        """Sign out everywhere: every browser and every token, in every organisation."""
        sign_out_everywhere(load_user(_pk(request)))
        return Response(status=204)


class SessionView(APIView):
    @extend_schema(responses={204: None})
    def delete(self, request: Request, session_id: str) -> Response:
        """End one of the caller's sign-ins."""
        end_session(actor=actor_of(request), user_id=_pk(request), session_id=session_id)
        return Response(status=204)


def _pk(request: Request) -> int:
    """The caller's user id; `request.user` is a Member behind every view that asks for one."""
    caller: Any = request.user
    return int(caller.pk)


def _token_answer(pair: tokens.TokenPair) -> Response:
    body = {"access": pair.access, "refresh": pair.refresh, "token_type": "Bearer", "expires_in": pair.expires_in}
    return Response(body, headers={"Cache-Control": "no-store"})
