"""The API of what agents are told: versions, what differs between two, and moving one agent or all."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from gpu_workers.actions.agent_prompts import Prompts, move_all_prompts, move_prompts, version_after
from gpu_workers.prompts import newest, prompts_of, versions_of
from gpu_workers.prompts.comparing import differences
from gpu_workers.selectors import agent_for, agents_visible_to
from gpu_workers.tools import changes_files
from gpu_workers.web import prompt_serializers as serializers
from guildhall.api.conditional import SEEN, seen_version
from guildhall.api.inputs import checked, checked_query
from guildhall.api.views import View, answer
from guildhall.kernel.errors import Invalid


class PromptsView(View):
    """Which prompts every agent works with."""

    @extend_schema(responses=serializers.AgentPrompts(many=True))
    def get(self, request: Request) -> Response:
        """Every agent with its version, the newest that is shipped for its kind, and the one before its last change."""
        return answer(serializers.AgentPrompts(agents_visible_to(self.actor).order_by("name"), many=True))

    @extend_schema(request=serializers.MoveBody, responses=serializers.AgentPrompts(many=True))
    def post(self, request: Request) -> Response:
        """Move every agent with older prompts to the newest, or put back those that came to them; answers those moved."""
        given = checked(serializers.MoveBody, request)
        return answer(serializers.AgentPrompts(move_all_prompts(actor=self.actor, **given), many=True))


class AgentPromptsView(View):
    @extend_schema(parameters=[serializers.ComparisonQuery], responses=serializers.Comparison)
    def get(self, request: Request, name: str) -> Response:
        """What the agent is told at a version, and what differs from another one."""
        agent = agent_for(self.actor, name)
        wanted = checked_query(serializers.ComparisonQuery, request)
        shipped, writes = versions_of(agent.kind), changes_files(agent.role)
        problems = {
            field: [f"Choose one of {', '.join(shipped)}."]
            for field in ("old", "new")
            if wanted[field] and wanted[field] not in shipped
        }
        if problems:
            raise Invalid("There are no such prompts.", fields=problems)
        old = wanted["old"] or agent.prompt_version
        new = wanted["new"] or version_after(agent, Prompts.NEWEST) or agent.prompt_version
        found: Any = {
            "shipped": shipped,
            "newest": newest(agent.kind),
            "old": old,
            "new": new,
            "differences": differences(agent.kind, old, new, changes_files=writes),
            "prompts": prompts_of(agent.kind, new, changes_files=writes),
        }
        return answer(serializers.Comparison(found))

    @extend_schema(request=serializers.MoveBody, parameters=[SEEN], responses=serializers.AgentPrompts)
    def post(self, request: Request, name: str) -> Response:
        """Move it to its newest prompts, or back to those before its last change; what was queued keeps its own."""
        agent = agent_for(self.actor, name)
        given = checked(serializers.MoveBody, request)
        moved = move_prompts(actor=self.actor, agent=agent, version=seen_version(request), **given)
        return answer(serializers.AgentPrompts(moved), version=moved.version)
