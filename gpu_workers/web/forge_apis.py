"""The API of connecting repositories that are kept on GitHub."""

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from gpu_workers.forges.connecting import GITHUB, Wish, connect
from gpu_workers.models import Repository
from gpu_workers.selectors import repositories_visible_to
from gpu_workers.web.serializers import RepositoryAnswer
from guildhall.api.inputs import checked
from guildhall.api.pagination import CursorPage
from guildhall.api.views import ListView


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
