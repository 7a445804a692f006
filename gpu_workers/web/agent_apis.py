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
from gpu_workers.actions.agents import NewAgent, edit_agent, register_agent, rest_agent, set_cap, wake_agent
from gpu_workers.models import Agent
from gpu_workers.web import agent_serializers as serializers
from guildhall.api.conditional import IF_MATCH, SEEN, required_version, seen_version
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

    @extend_schema(request=serializers.RegisterBody, responses={201: serializers.AgentAnswer})
    def post(self, request: Request) -> Response:
        """Register an agent. It begins with work that waits for its role."""
        new = NewAgent(**checked(serializers.RegisterBody, request))
        made = register_agent(actor=self.actor, new=new)
        return _agent(self, made.name, status=201)


class AgentView(View):
    @extend_schema(responses=serializers.AgentAnswer)
    def get(self, request: Request, name: str) -> Response:
        """One agent with the newest 100 events of its reputation."""
        return _agent(self, name)

    @extend_schema(request=serializers.EditBody, parameters=[IF_MATCH], responses=serializers.AgentAnswer)
    def patch(self, request: Request, name: str) -> Response:
        """Change its title, model route or prompts; what was queued before keeps its prompts. If-Match is required."""
        agent = selectors.agent_for(self.actor, name)
        version = required_version(request)
        changes = checked(serializers.EditBody, request)
        edit_agent(actor=self.actor, agent=agent, changes=changes, version=version)
        return _agent(self, name)


class AgentRestView(View):
    @extend_schema(request=serializers.RestBody, parameters=[SEEN], responses=serializers.AgentAnswer)
    def post(self, request: Request, name: str) -> Response:
        """Give it no new work. What it has in hand goes on to its end; a hold is what stops that."""
        agent = selectors.agent_for(self.actor, name)
        given = checked(serializers.RestBody, request)
        rest_agent(actor=self.actor, agent=agent, version=seen_version(request), **given)
        return _agent(self, name)

    @extend_schema(parameters=[SEEN], responses={200: serializers.AgentAnswer})
    def delete(self, request: Request, name: str) -> Response:
        """End its rest: it gets work again, at once where some waits."""
        agent = selectors.agent_for(self.actor, name)
        wake_agent(actor=self.actor, agent=agent, version=seen_version(request))
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
    @extend_schema(request=serializers.CapBody, parameters=[SEEN], responses=serializers.AgentAnswer)
    def put(self, request: Request, name: str) -> Response:
        """Set the highest autonomy at which the agent acts, whatever its strategy and its reputation allow."""
        agent = selectors.agent_for(self.actor, name)
        given = checked(serializers.CapBody, request)
        set_cap(actor=self.actor, agent=agent, version=seen_version(request), **given)
        return _agent(self, name)


def _agent(view: View, name: str, *, status: int = 200) -> Response:
    agent = selectors.agent_for(view.actor, name)
    context = {"standings": {agent.ref: standing_of(agent.ref)}, "history": reputation_history(agent.ref)}
    return answer(serializers.AgentAnswer(agent, context=context), status=status, version=agent.version)
