"""The API of a tenant's members, invitations and API keys."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from guildhall.api.inputs import checked
from guildhall.api.pagination import CursorPage
from guildhall.api.permissions import actor_of
from guildhall.api.views import ListView, View
from tenants import selectors
from tenants.actions import keys, members
from tenants.models import ApiKey, Comember, Invitation
from tenants.web import serializers
from tenants.web.apis import OpenView
from tenants.web.joining import join, post_invitation


class MemberPage(CursorPage):
    ordering = ("name", "user_id")


class MembersView(ListAPIView[Comember]):
    """The organisation's members; a client sees only people of the same client."""

    serializer_class = serializers.MemberAnswer
    pagination_class = MemberPage
    queryset = Comember.objects.none()

    def get_queryset(self) -> Any:
        return selectors.members_visible_to(actor_of(self.request))


class MemberView(View):
    @extend_schema(responses=serializers.MemberAnswer)
    def get(self, request: Request, person: str) -> Response:
        """One member."""
        return self._answer(request, person)

    @extend_schema(request=serializers.RolesRequest, responses=serializers.MemberAnswer)
    def put(self, request: Request, person: str) -> Response:
        """Give a member exactly these roles."""
        selectors.member_visible_to(actor_of(request), person)
        given = checked(serializers.RolesRequest, request)
        members.change_roles(actor=actor_of(request), person=person, roles=given["roles"], client=given["client"])
        return self._answer(request, person)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, person: str) -> Response:
        """End a membership, with its sessions, tokens and keys, at once."""
        selectors.member_visible_to(actor_of(request), person)
        members.remove_member(actor=actor_of(request), person=person)
        return Response(status=204)

    def _answer(self, request: Request, person: str) -> Response:
        member = selectors.member_visible_to(actor_of(request), person)
        return Response(serializers.MemberAnswer(member).data)


class InvitationsView(ListView[Invitation]):
    """Invitations that wait: all of them for admins, one's own for others."""

    serializer_class = serializers.InvitationAnswer
    queryset = Invitation.objects.none()

    def get_queryset(self) -> Any:
        return selectors.invitations_visible_to(actor_of(self.request))

    @extend_schema(request=serializers.InvitationRequest, responses={201: serializers.InvitationAnswer})
    def post(self, request: Request) -> Response:
        """Invite somebody; the link goes to them by e-mail and is shown nowhere."""
        given = checked(serializers.InvitationRequest, request)
        actor = actor_of(request)
        invitation, token = members.invite(
            actor=actor, email=given["email"], roles=given["roles"], client=given["client"]
        )
        body = serializers.InvitationAnswer(invitation).data
        post_invitation(request._request, invitation, token, sender=actor.name)
        return Response(body, status=201)


class InvitationView(APIView):
    @extend_schema(responses={204: None})
    def delete(self, request: Request, pk: int) -> Response:
        """Withdraw an invitation; its link stops working."""
        invitation = selectors.invitation_visible_to(actor_of(request), pk)
        members.withdraw_invitation(actor=actor_of(request), invitation=invitation)
        return Response(status=204)


class ResendView(View):
    @extend_schema(request=None, responses=serializers.InvitationAnswer)
    def post(self, request: Request, pk: int) -> Response:
        """Mail a new link for an invitation, one that expired too; the old link stops working."""
        invitation = selectors.invitation_visible_to(actor_of(request), pk, expired=True)
        invitation, token = members.resend_invitation(actor=actor_of(request), invitation=invitation)
        body = serializers.InvitationAnswer(invitation).data
        post_invitation(request._request, invitation, token, sender=actor_of(request).name)
        return Response(body)


class AcceptView(OpenView):
    @extend_schema(request=serializers.AcceptRequest, responses={204: None})
    def post(self, request: Request) -> Response:
        """Accept an invitation with its link's token: with the password of an account, or with a new one and a name."""
        given = checked(serializers.AcceptRequest, request)
        join(request._request, given["token"], name=given["name"], password=given["password"])
        return Response(status=204)


class KeysView(ListAPIView[ApiKey]):
    """API keys: all of them for admins, one's own for others. Never the keys themselves."""

    serializer_class = serializers.KeyAnswer
    queryset = ApiKey.objects.none()

    def get_queryset(self) -> Any:
        return selectors.keys_visible_to(actor_of(self.request))

    @extend_schema(request=serializers.KeyRequest, responses={201: serializers.NewKeyAnswer})
    def post(self, request: Request) -> Response:
        """Make a key. This answer is the only one that shows it."""
        given = checked(serializers.KeyRequest, request)
        key, secret = keys.create_api_key(
            actor=actor_of(request), name=given["name"], scopes=given["scopes"], days=given["days"]
        )
        body = {**serializers.KeyAnswer(key).data, "key": secret}
        return Response(body, status=201, headers={"Cache-Control": "no-store"})


class KeyView(APIView):
    @extend_schema(responses={204: None})
    def delete(self, request: Request, pk: int) -> Response:
        """Revoke a key."""
        key = selectors.key_visible_to(actor_of(request), pk)
        keys.revoke_api_key(actor=actor_of(request), api_key=key)
        return Response(status=204)
