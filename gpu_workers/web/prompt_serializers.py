"""What the API says and takes about what agents are told."""

from typing import Any, ClassVar

from rest_framework import serializers

from gpu_workers.actions.agent_prompts import Prompts
from gpu_workers.models import Agent
from gpu_workers.prompts import newest
from gpu_workers.prompts.comparing import Difference
from gpu_workers.web.agent_serializers import PromptAnswer


class AgentPrompts(serializers.ModelSerializer[Agent]):
    newest = serializers.SerializerMethodField(help_text="The newest version that is shipped for its kind.")

    class Meta:
        model = Agent
        fields: ClassVar = ["name", "kind", "prompt_version", "newest", "previous_prompts", "version"]
        extra_kwargs: ClassVar = {
            "prompt_version": {"help_text": "What runs are told that are queued from now on."},
            "previous_prompts": {"help_text": "The version before its last change; empty where there was none."},
        }

    def get_newest(self, agent: Agent) -> str:
        return newest(agent.kind)


class MoveBody(serializers.Serializer[Any]):
    to = serializers.ChoiceField(
        [(str(to), str(to)) for to in Prompts],
        help_text="newest: of what is shipped for its kind. previous: what it had before its last change.",
    )


class PromptDifference(serializers.Serializer[Difference]):
    name = serializers.CharField()
    change = serializers.CharField(help_text="changed, added or removed.")
    diff = serializers.CharField(help_text="The hunks of a unified diff of its text.")


class Comparison(serializers.Serializer[Any]):
    shipped = serializers.ListField(child=serializers.CharField(), help_text="Versions of its kind, oldest first.")
    newest = serializers.CharField()
    old = serializers.CharField()
    new = serializers.CharField()
    differences = PromptDifference(many=True)
    prompts = PromptAnswer(many=True, help_text="What the model is told at `new`.")


class ComparisonQuery(serializers.Serializer[Any]):
    old = serializers.CharField(required=False, default="", help_text="The agent's own version unless named.")
    new = serializers.CharField(required=False, default="", help_text="The newest unless named.")
