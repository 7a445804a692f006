"""The API of connecting repositories that are kept on GitHub."""

from typing import Any, ClassVar

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from gpu_workers.actions.connections import disconnect
from gpu_workers.forges.connecting import GITHUB, Wish, connect, hook_path, renew_hook_secret, renew_token, say_checks
from gpu_workers.models import ForgeConnection, Repository
from gpu_workers.selectors import connection_for, repositories_visible_to
from gpu_workers.web.serializers import RepositoryAnswer
from guildhall.api.inputs import checked
from guildhall.api.pagination import CursorPage
from guildhall.api.views import ListView, View, answer


class ByName(CursorPage):
    ordering = ("name",)


class ConnectBody(serializers.Serializer[Any]):
    name = serializers.SlugField(max_length=60, help_text="What it is called here, in lower case.")
    full_name = serializers.CharField(max_length=200, help_text="What GitHub calls it: owner/name.")
    token = serializers.CharField(
        max_length=400,
        write_only=True,
        help_text="May read and write contents, pull requests and checks. Never shown again.",
    )
    ci_command = serializers.CharField(max_length=400, help_text="Judges a commit here, before anything is pushed.")
    api_url = serializers.CharField(max_length=200, default=GITHUB)
    requires_checks = serializers.BooleanField(
        default=True, help_text="Wait for GitHub's checks where none is seen yet."
    )


class ConnectedAnswer(serializers.Serializer[Any]):
    repository = RepositoryAnswer()
    hook_path = serializers.CharField(help_text="Where GitHub is to send its webhooks, on this host.")
    hook_secret = serializers.CharField(
        help_text="What GitHub signs them with. This answer is the only one that shows it."
    )


class RepositoriesView(ListView[Repository]):
    """Repositories, built-in and on GitHub."""

    serializer_class = RepositoryAnswer
    pagination_class = ByName
    queryset = Repository.objects.none()

    def get_queryset(self) -> QuerySet[Repository]:
        return repositories_visible_to(self.actor)

    @extend_schema(request=ConnectBody, responses={201: ConnectedAnswer})
    def post(self, request: Request) -> Response:
        """Connect a repository that is on GitHub. The token is tried first, kept sealed, and never shown again."""
        made = connect(actor=self.actor, wish=Wish(**checked(ConnectBody, request)))
        shown = ConnectedAnswer(
            {"repository": made.repository, "hook_path": made.hook_path, "hook_secret": made.hook_secret}
        )
        return Response(shown.data, status=201, headers={"Cache-Control": "no-store"})


class ConnectionAnswer(serializers.ModelSerializer[ForgeConnection]):
    """How a repository is kept on GitHub; its token and its webhook's secret are never shown."""

    class Meta:
        model = ForgeConnection
        fields: ClassVar = ["full_name", "api_url", "requires_checks", "created_at"]


class ChecksBody(serializers.Serializer[Any]):
    requires_checks = serializers.BooleanField(help_text="Wait for GitHub's checks where none is seen yet.")


class TokenBody(serializers.Serializer[Any]):
    token = serializers.CharField(max_length=400, write_only=True, help_text="It is tried first. Never shown again.")


class HookAnswer(serializers.Serializer[Any]):
    hook_path = serializers.CharField(help_text="Where GitHub sends its webhooks; it stays.")
    hook_secret = serializers.CharField(help_text="This answer is the only one that shows it.")


class ConnectionView(View):
    @extend_schema(responses=ConnectionAnswer)
    def get(self, request: Request, name: str) -> Response:
        """How a repository is kept on GitHub; 404 for a built-in one."""
        return answer(ConnectionAnswer(connection_for(self.actor, name)))

    @extend_schema(request=ChecksBody, responses=ConnectionAnswer)
    def put(self, request: Request, name: str) -> Response:
        """Say whether commits wait for GitHub's checks where none is seen yet."""
        connection = connection_for(self.actor, name)
        required = checked(ChecksBody, request)["requires_checks"]
        return answer(ConnectionAnswer(say_checks(actor=self.actor, connection=connection, required=required)))

    @extend_schema(responses={204: None})
    def delete(self, request: Request, name: str) -> Response:
        """Disconnect it: it goes on built in, from what was fetched last. 409 while a change, a run or a hand-in is open."""
        disconnect(actor=self.actor, connection=connection_for(self.actor, name))
        return Response(status=204)


class ConnectionTokenView(View):
    @extend_schema(request=TokenBody, responses=ConnectionAnswer)
    def put(self, request: Request, name: str) -> Response:
        """Use another token from now on. It is tried first; where it is refused, the old one stays."""
        connection = connection_for(self.actor, name)
        renew_token(actor=self.actor, connection=connection, **checked(TokenBody, request))
        return answer(ConnectionAnswer(connection_for(self.actor, name)))


class ConnectionHookView(View):
    @extend_schema(request=None, responses=HookAnswer)
    def post(self, request: Request, name: str) -> Response:
        """Make a new secret for the webhook. The old one opens nothing from now on."""
        connection = connection_for(self.actor, name)
        secret = renew_hook_secret(actor=self.actor, connection=connection)
        shown = HookAnswer({"hook_path": hook_path(connection.hook_key), "hook_secret": secret})
        return Response(shown.data, headers={"Cache-Control": "no-store"})
