"""What every view of the API starts from."""

from typing import Any, TypeVar

from django.db.models import Model
from rest_framework.generics import ListAPIView
from rest_framework.permissions import SAFE_METHODS, AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer
from rest_framework.views import APIView

from guildhall.api.conditional import etag_of
from guildhall.api.idempotency import REPEATABLE, Replay, claim, settle
from guildhall.api.models import StoredAnswer
from guildhall.api.permissions import actor_of
from guildhall.evidence.reading import note_read
from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import NotFound

M = TypeVar("M", bound=Model)


class View(APIView):
    """One resource, or one act on it. Changes under an Idempotency-Key happen once."""

    keeps_answers = REPEATABLE
    _claimed: StoredAnswer | None = None

    @property
    def actor(self) -> Actor:
        """Who is asking."""
        return actor_of(self.request)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        self._claimed = claim(request, self.actor)

    def handle_exception(self, exc: Exception) -> Response:
        return exc.response if isinstance(exc, Replay) else super().handle_exception(exc)

    def finalize_response(self, request: Request, response: Response, *args: Any, **kwargs: Any) -> Response:
        if self._claimed is not None:
            settle(self._claimed, response)
        actor = getattr(request.user, "actor", None)
        if actor and request.resolver_match and request.method in SAFE_METHODS and response.status_code < 300:
            note_read(actor=actor, route=request.resolver_match.route, address=request.path)
        return super().finalize_response(request, response, *args, **kwargs)


class ListView(View, ListAPIView[M]):
    """A list in pages; subclasses start `get_queryset` from what the actor may see."""


def answer(serializer: BaseSerializer[Any], *, status: int = 200, version: int | None = None) -> Response:
    """The serializer's data, with an ETag where the row has a version."""
    headers = {} if version is None else {"ETag": etag_of(version)}
    return Response(serializer.data, status=status, headers=headers)


class NoSuchRoute(APIView):
    """Whatever begins like the API and is no route of it answers as the API does, not with a page."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    schema = None

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        raise NotFound("The API has no such address.")
