"""What the API's description says of every operation alike: problems, and the headers in."""

from typing import Any

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiParameter

PROBLEM = {
    "type": "object",
    "description": "RFC 9457 problem details.",
    "properties": {
        "type": {"type": "string", "description": "urn:guildhall:problem:<code>."},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What was wrong, and what is accepted."},
        "operation_id": {"type": "string", "description": "Finds the request in the audit trail."},
        "fields": {
            "type": "object",
            "description": "Messages by field, where input was wrong.",
            "additionalProperties": {"type": "array", "items": {"type": "string"}},
        },
    },
    "required": ["type", "title", "status", "detail"],
}
IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    {"type": "string", "minLength": 1, "maxLength": 100},
    OpenApiParameter.HEADER,
    description="Repeating a request with its key within 24 hours gives the first answer and does nothing again.",
)


class Described(AutoSchema):
    """Knows which views keep answers."""

    def get_override_parameters(self) -> list[Any]:
        """The view's own parameters, and the key where answers are kept."""
        parameters = list(super().get_override_parameters())
        if self.method in getattr(self.view, "keeps_answers", ()):
            parameters.append(IDEMPOTENCY_KEY)
        return parameters


def describe_problems(result: dict[str, Any], generator: Any, request: Any, public: bool) -> dict[str, Any]:
    """A postprocessing hook of drf-spectacular: every operation may answer with a problem."""
    result["components"]["schemas"]["Problem"] = PROBLEM
    problem = {"$ref": "#/components/schemas/Problem"}
    refused = {"description": "A refusal.", "content": {"application/problem+json": {"schema": problem}}}
    for path in result["paths"].values():
        for operation in path.values():
            operation["responses"]["default"] = refused
    return result
