"""The audit trail of one strategy, epic, sprint or decision, by API."""

from collections.abc import Callable

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from guildhall.api.inputs import checked_query
from guildhall.api.trail import TrailEntry
from guildhall.api.views import View
from guildhall.evidence.selectors import trail
from guildhall.kernel.actor import Actor
from workflows.models import Decision, Epic, Sprint, Strategy
from workflows.selectors import tree
from workflows.web.comfort_serializers import BeforeQuery

Find = Callable[[Actor, int], Strategy | Epic | Sprint | Decision]
PLANNED: tuple[tuple[str, str, Find], ...] = (
    ("strategies", "strategy", tree.find_strategy),
    ("epics", "epic", tree.find_epic),
    ("sprints", "sprint", tree.find_sprint),
    ("decisions", "decision", tree.find_decision),
)
"""What has such a list: the room in the address, the name of one, and how one is found by whoever may see it."""
MOST = 100


class PlanActivityView(View):
    find: Find | None = None

    @extend_schema(parameters=[BeforeQuery], responses=TrailEntry(many=True))
    def get(self, request: Request, pk: int) -> Response:
        """The newest 100 lines of the audit trail about it, or the 100 `before` one."""
        assert self.find is not None
        row = type(self).find_in(self.find, self.actor, pk)
        before = checked_query(BeforeQuery, request).get("before")
        return Response(TrailEntry(trail([row.ref], MOST, before=before), many=True).data)

    @staticmethod
    def find_in(find: Find, actor: Actor, pk: int) -> Strategy | Epic | Sprint | Decision:
        return find(actor, pk)
