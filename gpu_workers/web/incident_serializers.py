"""What the API says and takes about incidents."""

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from gpu_workers.incidents.evidence import LONGEST_LINE, MOST_LINES
from gpu_workers.models import Incident, IncidentEvidence, IncidentReport
from gpu_workers.models.incident import EvidenceKind, IncidentState, RemedyState, Severity


class IncidentBody(serializers.Serializer[Any]):
    project = serializers.CharField(max_length=24, help_text="A project's key.")
    title = serializers.CharField(max_length=200)
    description = serializers.CharField(max_length=20_000, required=False, allow_blank=True, default="")
    parts = serializers.ListField(
        child=serializers.CharField(max_length=60),
        min_length=2,
        max_length=30,
        help_text="The parts of the system, one of which failed.",
    )
    severity = serializers.ChoiceField(Severity.choices, default=Severity.MEDIUM)


class IncidentQuery(serializers.Serializer[Any]):
    state = serializers.ChoiceField(IncidentState.choices, required=False)
    project = serializers.CharField(max_length=24, required=False)


class EvidenceBody(serializers.Serializer[Any]):
    file = serializers.FileField(help_text="A text of at most 1 MiB.")
    kind = serializers.ChoiceField(EvidenceKind.choices)


class ClosingBody(serializers.Serializer[Any]):
    note = serializers.CharField(min_length=10, max_length=2000, help_text="How it ended.")


class IncidentSummary(serializers.ModelSerializer[Incident]):
    state = serializers.ChoiceField(IncidentState.choices)

    class Meta:
        model = Incident
        fields: ClassVar = [
            "id",
            "project",
            "title",
            "severity",
            "state",
            "parts",
            "wanted",
            "opened_by",
            "created_at",
            "closed_at",
        ]


class EvidenceAnswer(serializers.ModelSerializer[IncidentEvidence]):
    class Meta:
        model = IncidentEvidence
        fields: ClassVar = ["id", "name", "kind", "size", "lines", "sha256", "added_by", "created_at"]


class EvidenceQuery(serializers.Serializer[Any]):
    line = serializers.IntegerField(min_value=1, default=1, help_text="The first one to be read; they count from 1.")


class EvidenceLine(serializers.Serializer[Any]):
    number = serializers.IntegerField()
    text = serializers.CharField(help_text=f"At most {LONGEST_LINE:,} characters of it.")


class EvidenceLines(EvidenceAnswer):
    """A text that somebody brought, with some of its lines."""

    read = serializers.SerializerMethodField(help_text=f"At most {MOST_LINES} lines, without secrets.")
    next = serializers.SerializerMethodField(help_text="The line to read on from; null after the last one.")

    class Meta(EvidenceAnswer.Meta):
        fields: ClassVar = [*EvidenceAnswer.Meta.fields, "read", "next"]

    @extend_schema_field(EvidenceLine(many=True))
    def get_read(self, _: IncidentEvidence) -> Any:
        return [{"number": number, "text": text} for number, text in self.context["read"]]

    @extend_schema_field(serializers.IntegerField(allow_null=True))
    def get_next(self, _: IncidentEvidence) -> int | None:
        following: int | None = self.context["next"]
        return following


class CitationAnswer(serializers.Serializer[Any]):
    file = serializers.CharField()
    line = serializers.IntegerField()
    quote = serializers.CharField()


class ReportAnswer(serializers.ModelSerializer[IncidentReport]):
    citations = CitationAnswer(many=True)
    state = serializers.ChoiceField(
        RemedyState.choices, help_text="Of the remedy. An accepted one is carried out by people, not by the platform."
    )

    class Meta:
        model = IncidentReport
        fields: ClassVar = [
            "id",
            "run",
            "agent",
            "part",
            "cause",
            "citations",
            "remedy",
            "command",
            "change",
            "state",
            "feedback",
            "created_at",
        ]


class IncidentAnswer(IncidentSummary):
    evidence = EvidenceAnswer(many=True)
    reports = ReportAnswer(many=True)
    approval = serializers.SerializerMethodField(help_text="The approval of the newest remedy, null without one.")

    class Meta(IncidentSummary.Meta):
        fields: ClassVar = [
            *IncidentSummary.Meta.fields,
            "description",
            "closing_note",
            "evidence",
            "reports",
            "approval",
        ]

    @extend_schema_field(serializers.IntegerField(allow_null=True))
    def get_approval(self, incident: Incident) -> int | None:
        asked = self.context.get("approval")
        return asked.number if asked else None
