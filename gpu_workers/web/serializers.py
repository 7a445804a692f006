"""What the API says about agents, runs and changes."""

from typing import ClassVar

from rest_framework import serializers

from gpu_workers.models import Agent, ChangeRequest, CIRun, Run, RunLog, RunStep


class AgentSerializer(serializers.ModelSerializer[Agent]):
    open_runs = serializers.IntegerField(read_only=True)

    class Meta:
        model = Agent
        fields: ClassVar = ["name", "title", "role", "kind", "route", "autonomy_cap", "active", "open_runs"]


class RunSerializer(serializers.ModelSerializer[Run]):
    agent = serializers.CharField(source="agent.name", read_only=True)

    class Meta:
        model = Run
        fields: ClassVar = [
            "number",
            "kind",
            "subject",
            "story",
            "title",
            "agent",
            "state",
            "phase",
            "round",
            "branch",
            "base_sha",
            "head_sha",
            "reason",
            "created_at",
            "started_at",
            "ended_at",
        ]


class RunStepSerializer(serializers.ModelSerializer[RunStep]):
    class Meta:
        model = RunStep
        fields: ClassVar = [
            "key",
            "phase",
            "kind",
            "title",
            "request",
            "response",
            "ok",
            "tokens_in",
            "tokens_out",
            "cost",
            "started_at",
            "finished_at",
        ]


class RunLogSerializer(serializers.ModelSerializer[RunLog]):
    class Meta:
        model = RunLog
        fields: ClassVar = ["id", "phase", "tone", "text", "at"]


class CIRunSerializer(serializers.ModelSerializer[CIRun]):
    class Meta:
        model = CIRun
        fields: ClassVar = ["sha", "status", "exit_code", "passed", "failed", "tests", "log", "duration_ms", "at"]


class ChangeSerializer(serializers.ModelSerializer[ChangeRequest]):
    run = serializers.IntegerField(source="run.number", read_only=True)

    class Meta:
        model = ChangeRequest
        fields: ClassVar = [
            "number",
            "task",
            "story",
            "title",
            "repository",
            "branch",
            "base_sha",
            "head_sha",
            "diff_hash",
            "files",
            "added",
            "removed",
            "author",
            "run",
            "state",
            "merged_sha",
            "reverted_sha",
            "created_at",
            "merged_at",
        ]


class ReasonSerializer(serializers.Serializer[None]):
    reason = serializers.CharField(min_length=10, max_length=200, help_text="Why, in 10 to 200 characters.")
