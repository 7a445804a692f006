"""What the API says and takes about agents."""

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from gpu_workers.models import Agent
from gpu_workers.models.agent import AgentKind, AutonomyLevel
from gpu_workers.prompts import Prompt, prompts_of
from gpu_workers.tools import changes_files
from gpu_workers.web.agent_shown import GivenTool, given_tools


class AgentSummary(serializers.ModelSerializer[Agent]):
    """`context["standings"]` holds the reputation by the agent's reference."""

    open_runs = serializers.IntegerField()
    score = serializers.SerializerMethodField()
    level = serializers.SerializerMethodField()
    restricted = serializers.SerializerMethodField(help_text="Whether each of its actions asks.")

    class Meta:
        model = Agent
        fields: ClassVar = [
            "name",
            "title",
            "role",
            "kind",
            "icon",
            "route",
            "autonomy_cap",
            "prompt_version",
            "active",
            "version",
            "open_runs",
            "score",
            "level",
            "restricted",
        ]

    @extend_schema_field(int)
    def get_score(self, agent: Agent) -> int:
        return int(self.context["standings"][agent.ref].score)

    @extend_schema_field(str)
    def get_level(self, agent: Agent) -> str:
        return str(self.context["standings"][agent.ref].level)

    @extend_schema_field(bool)
    def get_restricted(self, agent: Agent) -> bool:
        return bool(self.context["standings"][agent.ref].restricted)


class ReputationEntry(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    kind = serializers.CharField()
    points = serializers.IntegerField()
    reason = serializers.CharField()
    source = serializers.CharField()  # type: ignore[assignment]
    given_by = serializers.CharField()
    at = serializers.DateTimeField()


class PromptAnswer(serializers.Serializer[Prompt]):
    name = serializers.CharField()
    version = serializers.CharField()
    sha256 = serializers.CharField()
    text = serializers.CharField()


class ToolAnswer(serializers.Serializer[GivenTool]):
    name = serializers.CharField()
    action_class = serializers.CharField(help_text="What it does, as autonomy knows it.")
    allowed = serializers.BooleanField(help_text="Whether the policy gives it to the agent's role.")


class AgentAnswer(AgentSummary):
    tools = serializers.SerializerMethodField(help_text="What the agent's role can call.")
    history = serializers.SerializerMethodField()
    prompts = serializers.SerializerMethodField(help_text="What the model is told besides the work itself.")

    class Meta(AgentSummary.Meta):
        fields: ClassVar = [*AgentSummary.Meta.fields, "tools", "prompts", "history"]

    @extend_schema_field(ToolAnswer(many=True))
    def get_tools(self, agent: Agent) -> Any:
        found: Any = given_tools(agent)
        return ToolAnswer(found, many=True).data

    @extend_schema_field(PromptAnswer(many=True))
    def get_prompts(self, agent: Agent) -> Any:
        told: Any = prompts_of(agent.kind, agent.prompt_version, changes_files=changes_files(agent.role))
        return PromptAnswer(told, many=True).data

    @extend_schema_field(ReputationEntry(many=True))
    def get_history(self, agent: Agent) -> Any:
        return ReputationEntry(self.context["history"], many=True).data


class HistoryQuery(serializers.Serializer[Any]):
    before = serializers.IntegerField(min_value=1, max_value=2**63 - 1, required=False, help_text="For the next page.")
    limit = serializers.IntegerField(min_value=1, max_value=200, default=50)


class AdjustmentBody(serializers.Serializer[Any]):
    points = serializers.IntegerField(min_value=-200, max_value=200, help_text="Not 0.")
    reason = serializers.CharField(max_length=300, help_text="At least 10 characters.")


class CapBody(serializers.Serializer[Any]):
    cap = serializers.ChoiceField(AutonomyLevel.choices)
    reason = serializers.CharField(max_length=300, help_text="At least 10 characters.")


class RegisterBody(serializers.Serializer[Any]):
    """An agent to be. `name` is how everything refers to it, for good; `title` is what people read."""

    name = serializers.CharField(max_length=40)
    title = serializers.CharField(max_length=60)
    kind = serializers.ChoiceField(AgentKind.choices)
    role = serializers.CharField(
        max_length=20,
        default="",
        allow_blank=True,
        help_text="Empty: the first of its kind. Only dev agents can choose: developer or data.",
    )
    route = serializers.CharField(max_length=30, default="code", help_text="Which models it uses.")
    autonomy_cap = serializers.ChoiceField(AutonomyLevel.choices, default=AutonomyLevel.L1)
    prompt_version = serializers.CharField(
        max_length=20,
        default="",
        allow_blank=True,
        help_text="One that is shipped for its kind; empty: the newest.",
    )


class EditBody(serializers.Serializer[Any]):
    """What is left out stays as it is. The cap of its autonomy and its limits have addresses of their own."""

    title = serializers.CharField(max_length=60, required=False)
    route = serializers.CharField(max_length=30, required=False, help_text="Which models it uses.")
    prompt_version = serializers.CharField(max_length=20, required=False, help_text="One that is shipped for its kind.")


class RestBody(serializers.Serializer[Any]):
    reason = serializers.CharField(max_length=300, help_text="At least 10 characters.")
