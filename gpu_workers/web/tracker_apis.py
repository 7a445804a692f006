"""The API of the issue trackers that projects name."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from gpu_workers.actions.trackers import forget_tracker
from gpu_workers.connections import needed_by
from gpu_workers.models import ProjectTracker
from gpu_workers.models.tracker import TrackerKind
from gpu_workers.trackers.connecting import Wish, connect
from guildhall.api.inputs import checked
from guildhall.api.views import View, answer
from workflows.selectors.lists import find_project


class TrackerBody(serializers.Serializer[Any]):
    kind = serializers.ChoiceField(TrackerKind.choices)
    place = serializers.CharField(
        max_length=200,
        required=False,
        allow_blank=True,
        default="",
        help_text="owner/name at GitHub, a team's key at Linear; may be left out where the project's repository is on GitHub.",
    )
    token = serializers.CharField(
        max_length=400,
        required=False,
        allow_blank=True,
        default="",
        write_only=True,
        help_text="Never shown again. Left out, the one that the project's GitHub repository is connected with.",
    )
    api_url = serializers.URLField(max_length=200, required=False, allow_blank=True, default="")


class TrackerAnswer(serializers.ModelSerializer[ProjectTracker]):
    class Meta:
        model = ProjectTracker
        fields = ("project", "kind", "place", "api_url", "created_at")


class ProjectTrackerView(View):
    @extend_schema(responses=TrackerAnswer)
    def get(self, request: Request, key: str) -> Response:
        """The issue tracker that the project's PM agents work with, without its token."""
        return answer(TrackerAnswer(needed_by(self.actor, ProjectTracker, key)))

    @extend_schema(request=TrackerBody, responses={201: TrackerAnswer})
    def post(self, request: Request, key: str) -> Response:
        """Let the project's PM agents work with an issue tracker. The token is tried first and kept sealed."""
        project = find_project(self.actor, key)
        given = checked(TrackerBody, request)
        made = connect(actor=self.actor, wish=Wish(project.key, project.repository, **given))
        return answer(TrackerAnswer(made), status=201)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, key: str) -> Response:
        """Take the issue tracker away. What was imported stays known, so that nothing comes twice."""
        forget_tracker(actor=self.actor, tracker=needed_by(self.actor, ProjectTracker, key))
        return Response(status=204)
