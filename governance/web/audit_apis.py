"""The API of the audit trail beyond its list: exports, and the chain verified."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from governance.web.audit_export import FORMATS, download
from governance.web.audit_filter import FIELDS, given
from guildhall.api.views import View, answer
from guildhall.evidence.auditing import verify_own

QUERY = [
    OpenApiParameter("as", str, enum=FORMATS, description="JSON lines when left out."),
    OpenApiParameter("before", int, description="The number of an entry: only older ones."),
    *(OpenApiParameter(name, str, description="As in the list; days for from and to.") for name in FIELDS),
]


class VerifiedAnswer(serializers.Serializer[Any]):
    """What recomputing the chain found; `problem` is empty when it is whole."""

    entries = serializers.IntegerField()
    erased = serializers.IntegerField(help_text="Entries whose words were erased on request.")
    position = serializers.IntegerField(allow_null=True, help_text="Of what is broken first.")
    problem = serializers.CharField(allow_blank=True)


class AuditExportView(View):
    @extend_schema(parameters=QUERY, responses={(200, "application/x-ndjson"): OpenApiTypes.STR})
    def get(self, request: Request) -> Response:
        """The trail as a file, newest first, at most 100,000 entries; that it was exported is recorded.

        Where there are more, the last line says so, and which `before` the next file goes on from.
        """
        form, before = request.query_params.get("as", "jsonl"), request.query_params.get("before", "")
        return download(self.actor, form, given(request.query_params), before)  # type: ignore[return-value]


class AuditVerificationView(View):
    @extend_schema(request=None, responses=VerifiedAnswer)
    def post(self, request: Request) -> Response:
        """Recompute the organisation's chain and compare it with its seals and the roots outside the database."""
        report = verify_own(self.actor)
        broken = report.broken
        found = {"entries": report.entries, "erased": report.erased, "position": broken.position if broken else None}
        return answer(VerifiedAnswer({**found, "problem": str(broken) if broken else ""}))
