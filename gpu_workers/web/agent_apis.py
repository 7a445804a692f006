"""The API of agents: their standing, its history, and what people change about them."""

from typing import Any

from django.utils.functional import SimpleLazyObject
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from governance.actions.reputation import adjust_reputation
from governance.selectors import reputation_history, standing_of
from governance.selectors.reputation import all_standings, history_of
from gpu_workers import selectors
from gpu_workers.actions.registry import set_cap
from gpu_workers.models import Agent
from gpu_workers.web import agent_serializers as serializers
from guildhall.api.inputs import checked, checked_query
from guildhall.api.pagination import CursorPage
from guildhall.api.views import ListView, View, answer
from guildhall.kernel.operation import current_operation


class ByName(CursorPage):
    ordering = ("name",)


class AgentsView(ListView[Agent]):
    """Agents with their reputation."""

    serializer_class = serializers.AgentSummary
    pagination_class = ByName
    queryset = Agent.objects.none()

    def get_queryset(self) -> Any:
        return selectors.agents_visible_to(self.actor)

    def get_serializer_context(self) -> dict[str, Any]:
        return {**super().get_serializer_context(), "standings": SimpleLazyObject(all_standings)}


class AgentView(View):
    @extend_schema(responses=serializers.AgentAnswer)
    def get(self, request: Request, name: str) -> Response:
        """One agent with the newest 100 events of its reputation."""
        return _agent(self, name)


class AgentReputationView(View):
    @extend_schema(parameters=[serializers.HistoryQuery], responses=serializers.ReputationEntry(many=True))
    def get(self, request: Request, name: str) -> Response:
        """An agent's history, newest first; for the next page send the last `id` as `before`."""
        agent = selectors.agent_for(self.actor, name)
        wanted = checked_query(serializers.HistoryQuery, request)
        found = history_of(agent.ref, before=wanted.get("before"), limit=wanted["limit"])
        return answer(serializers.ReputationEntry(found, many=True))

    @extend_schema(request=serializers.AdjustmentBody, responses=serializers.AgentAnswer)
    def post(self, request: Request, name: str) -> Response:
        """Give or take points by hand, with the reason that the history will show."""
        agent = selectors.agent_for(self.actor, name)
        given = checked(serializers.AdjustmentBody, request)
        source = f"request:{current_operation().id}"
        adjust_reputation(actor=self.actor, agent=agent.ref, source=source, **given)
        return _agent(self, name)


class AgentCapView(View):
    @extend_schema(request=serializers.CapBody, responses=serializers.AgentAnswer)
    def put(self, request: Request, name: str) -> Response:
        """Set the highest autonomy at which the agent acts, whatever its strategy and its reputation allow."""
        agent = selectors.agent_for(self.actor, name)
        set_cap(actor=self.actor, agent=agent, **checked(serializers.CapBody, request))
        return _agent(self, name)


def _agent(view: View, name: str) -> Response:
    agent = selectors.agent_for(view.actor, name)
    context = {"standings": {agent.ref: standing_of(agent.ref)}, "history": reputation_history(agent.ref)}
    return answer(serializers.AgentAnswer(agent, context=context))
