"""What a caller sent, checked: bodies of bounded size and depth, query parameters through serializers."""

import json
from collections.abc import Mapping
from typing import IO, Any

from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser
from rest_framework.request import Request
from rest_framework.serializers import BaseSerializer

from guildhall.kernel.errors import Invalid
from guildhall.kernel.texts import TooDeep, unstorable


class BoundedJSONParser(JSONParser):
    """JSON of at most DATA_UPLOAD_MAX_MEMORY_SIZE bytes, whose text PostgreSQL can store and UTF-8 can carry."""

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        request = (parser_context or {})["request"]
        try:
            data = json.loads(request._request.body.decode("utf-8"), parse_constant=_refuse_constant)
        except (ValueError, RecursionError) as error:
            raise ParseError(f"This is not JSON: {str(error)[:200]}") from None
        try:
            refused = unstorable(data)
        except TooDeep as error:
            raise ParseError(str(error)) from None
        if refused:
            problem = "Text must not hold null characters or lone surrogates."
            raise Invalid("The input was not accepted.", fields={"body": [problem]})
        return data


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a number in JSON")


def checked(kind: type[BaseSerializer[Any]], request: Request, *, partial: bool = False) -> dict[str, Any]:
    """The request body as `kind` understands it. Raises DRF's ValidationError, and `Invalid` for unknown fields."""
    return _validated(kind(data=request.data, partial=partial), request.data)


def checked_query(kind: type[BaseSerializer[Any]], request: Request) -> dict[str, Any]:
    """The query parameters as `kind` understands them; others are left alone. Raises DRF's ValidationError."""
    serializer = kind(data=request.query_params.dict())
    serializer.is_valid(raise_exception=True)
    data: dict[str, Any] = serializer.validated_data
    return data


def _validated(serializer: Any, given: Any) -> dict[str, Any]:
    serializer.is_valid(raise_exception=True)
    unknown = sorted(set(given) - set(serializer.fields))
    if unknown:
        raise Invalid(
            "The input was not accepted.", fields={name[:60]: ["There is no such field."] for name in unknown}
        )
    data: dict[str, Any] = serializer.validated_data
    return data
