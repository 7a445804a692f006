"""The API of councils."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from gpu_workers.councils.convening import call_council
from gpu_workers.selectors import run_of_council
from gpu_workers.web import council_serializers as serializers
from gpu_workers.web.serializers import ReasonBody
from guildhall.api.inputs import checked, checked_query
from guildhall.api.views import ListView, View, answer
from workflows.actions.councils import waive_council
from workflows.models import Council
from workflows.selectors import find_story
from workflows.selectors.councils import contributions_of, councils_visible_to, find_council


class CouncilsView(ListView[Council]):
    serializer_class = serializers.CouncilSummary
    queryset = Council.objects.none()
    orderings = {"-id": ("-id",), "id": ("id",)}

    def get_queryset(self) -> Any:
        wanted = checked_query(serializers.CouncilQuery, self.request)
        if "story" in wanted:
            wanted["story__reference"] = wanted.pop("story")
        return councils_visible_to(self.actor).filter(**wanted)

    @extend_schema(parameters=[serializers.CouncilQuery])
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Councils, newest first."""
        return super().get(request, *args, **kwargs)


class CouncilView(View):
    @extend_schema(responses=serializers.CouncilAnswer)
    def get(self, request: Request, pk: int) -> Response:
        """One council with its ranking so far and what it has used."""
        return _council(self, pk)


class ContributionsView(View):
    @extend_schema(responses=serializers.ContributionAnswer(many=True))
    def get(self, request: Request, pk: int) -> Response:
        """Everything that was said in a council, in order, answers that could not be used as well."""
        rows = contributions_of(find_council(self.actor, pk))
        return answer(serializers.ContributionAnswer(rows, many=True))


class CouncilWaiveView(View):
    @extend_schema(request=ReasonBody, responses=serializers.CouncilAnswer)
    def post(self, request: Request, pk: int) -> Response:
        """Let the story go on without this council's result."""
        council = find_council(self.actor, pk)
        waive_council(actor=self.actor, council=council, reason=checked(ReasonBody, request)["reason"])
        return _council(self, pk)


class StoryCouncilsView(View):
    @extend_schema(
        request=serializers.CouncilBody, responses={200: serializers.CouncilAnswer, 201: serializers.CouncilAnswer}
    )
    def post(self, request: Request, reference: str) -> Response:
        """Call a council on the story. While one deliberates on the same subject, that one is the answer, with 200."""
        story = find_story(self.actor, reference)
        council, made = call_council(actor=self.actor, story=story, **checked(serializers.CouncilBody, request))
        return _council(self, council.pk, status=201 if made else 200)


def _council(view: View, pk: int, *, status: int = 200) -> Response:
    council = find_council(view.actor, pk)
    run = run_of_council(council.ref)
    return answer(serializers.CouncilAnswer(council, context={"actor": view.actor, "run": run}), status=status)
