"""The peer of `overhead`: a Django project with one DRF view, one query, and nothing else."""

from typing import Any

from django.db import connection
from django.urls import path
from rest_framework.response import Response
from rest_framework.views import APIView


class Bare(APIView):
    """One query, no tenant, no role, no token."""

    authentication_classes = ()
    permission_classes = ()

    def get(self, request: Any) -> Response:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
            return Response({"results": [cursor.fetchone()]})


urlpatterns = [path("bare/", Bare.as_view())]
