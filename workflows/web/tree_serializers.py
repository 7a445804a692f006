"""What the API says about projects and what hangs on them."""

from typing import ClassVar

from rest_framework import serializers

from workflows.models import Decision, Epic, Project, Sprint, Strategy


class ProjectAnswer(serializers.ModelSerializer[Project]):
    repository = serializers.CharField(help_text="The primary repository's name.")
    ci_command = serializers.CharField(source="primary.ci_command")
    default_branch = serializers.CharField(source="primary.default_branch")

    class Meta:
        model = Project
        fields: ClassVar = ["key", "name", "repository", "ci_command", "default_branch", "client", "created_at"]


class StrategyAnswer(serializers.ModelSerializer[Strategy]):
    project = serializers.CharField(source="project.key")

    class Meta:
        model = Strategy
        fields: ClassVar = ["id", "project", "goal", "success_measure", "autonomy", "budget_usd", "created_at"]


class EpicAnswer(serializers.ModelSerializer[Epic]):
    project = serializers.CharField(source="project.key")
    strategy = serializers.IntegerField(source="strategy_id", allow_null=True)
    story_count = serializers.IntegerField()

    class Meta:
        model = Epic
        fields: ClassVar = ["id", "project", "strategy", "title", "story_count", "created_at"]


class SprintAnswer(serializers.ModelSerializer[Sprint]):
    project = serializers.CharField(source="project.key")
    story_count = serializers.IntegerField()
    accepted_count = serializers.IntegerField()

    class Meta:
        model = Sprint
        fields: ClassVar = [
            "id",
            "project",
            "number",
            "name",
            "starts_on",
            "ends_on",
            "closed_at",
            "story_count",
            "accepted_count",
            "created_at",
        ]


class DecisionAnswer(serializers.ModelSerializer[Decision]):
    alternatives = serializers.ListField(child=serializers.DictField(child=serializers.CharField()))
    affects = serializers.ListField(child=serializers.CharField())

    class Meta:
        model = Decision
        fields: ClassVar = [
            "id",
            "kind",
            "title",
            "rationale",
            "alternatives",
            "affects",
            "verdict",
            "feedback",
            "decided_by",
            "decided_by_name",
            "created_at",
        ]
