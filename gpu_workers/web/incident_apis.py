"""The API of incidents."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from governance.selectors import latest_approval
from gpu_workers.actions.incidents import NewIncident, add_evidence, ask_triage, close_incident, open_incident
from gpu_workers.incidents.evidence import numbered, split_lines
from gpu_workers.incidents.reading import find_evidence, find_incident, incidents_visible_to
from gpu_workers.models import Incident
from gpu_workers.runs.asking import KIND
from gpu_workers.web import incident_serializers as serializers
from guildhall.api.inputs import checked, checked_query
from guildhall.api.views import ListView, View, answer
from workflows.selectors.lists import find_project


class IncidentsView(ListView[Incident]):
    serializer_class = serializers.IncidentSummary
    queryset = Incident.objects.none()

    def get_queryset(self) -> Any:
        return incidents_visible_to(self.actor).filter(**checked_query(serializers.IncidentQuery, self.request))

    @extend_schema(parameters=[serializers.IncidentQuery])
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Incidents, newest first."""
        return super().get(request, *args, **kwargs)

    @extend_schema(request=serializers.IncidentBody, responses={201: serializers.IncidentAnswer})
    def post(self, request: Request) -> Response:
        """Write an incident down. Bring evidence next, then ask for a triage."""
        given = checked(serializers.IncidentBody, request)
        project = find_project(self.actor, given.pop("project"))
        new = NewIncident(project=project.key, parts=tuple(given.pop("parts")), **given)
        return _incident(self, open_incident(actor=self.actor, new=new).pk, 201)


class IncidentView(View):
    @extend_schema(responses=serializers.IncidentAnswer)
    def get(self, request: Request, pk: int) -> Response:
        """One incident with its evidence and what agents found."""
        return _incident(self, pk)


class IncidentEvidenceView(View):
    parser_classes = (MultiPartParser,)

    @extend_schema(
        request={"multipart/form-data": serializers.EvidenceBody}, responses={201: serializers.EvidenceAnswer}
    )
    def post(self, request: Request, pk: int) -> Response:
        """Bring a text: a log, metrics, errors, or what health checks said. Secrets in it are taken out."""
        incident = find_incident(self.actor, pk)
        given = checked(serializers.EvidenceBody, request)
        sent = given["file"]
        row = add_evidence(
            actor=self.actor, incident=incident, name=sent.name, kind=given["kind"], data=sent.read(1024 * 1024 + 1)
        )
        return answer(serializers.EvidenceAnswer(row), status=201)


class IncidentFileView(View):
    @extend_schema(parameters=[serializers.EvidenceQuery], responses=serializers.EvidenceLines)
    def get(self, request: Request, pk: int, file: int) -> Response:
        """Lines of one text, without secrets, from `line` on."""
        row = find_evidence(self.actor, pk, file)
        lines = split_lines(row.text)
        read = numbered(lines, checked_query(serializers.EvidenceQuery, request)["line"])
        after = read[-1][0] + 1 if read else len(lines) + 1
        context = {"read": read, "next": after if after <= len(lines) else None}
        return answer(serializers.EvidenceLines(row, context=context))


class IncidentTriageView(View):
    @extend_schema(request=None, responses={202: serializers.IncidentAnswer})
    def post(self, request: Request, pk: int) -> Response:
        """Have an Ops agent look at the evidence; it begins when one is free."""
        ask_triage(actor=self.actor, incident=find_incident(self.actor, pk))
        return _incident(self, pk, 202)


class IncidentCloseView(View):
    @extend_schema(request=serializers.ClosingBody, responses=serializers.IncidentAnswer)
    def post(self, request: Request, pk: int) -> Response:
        """Say that it is over."""
        incident = find_incident(self.actor, pk)
        close_incident(actor=self.actor, incident=incident, **checked(serializers.ClosingBody, request))
        return _incident(self, pk)


def _incident(view: View, pk: int, status: int = 200) -> Response:
    incident = find_incident(view.actor, pk)
    context = {"approval": latest_approval(incident.ref, kind=KIND)}
    return answer(serializers.IncidentAnswer(incident, context=context), status=status)
