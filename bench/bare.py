"""The peers of `overhead`: the same list by Django and DRF alone, and a view that only asks `SELECT 1`.

They use Django's own PostgreSQL back end with its pool, no middleware, nobody to sign in and one schema for all.
"""

from typing import Any

from django.conf import settings
from django.db import connections
from django.urls import path
from psycopg.conninfo import conninfo_to_dict
from rest_framework.generics import ListAPIView
from rest_framework.parsers import JSONParser
from rest_framework.response import Response
from rest_framework.schemas.openapi import AutoSchema
from rest_framework.views import APIView

from guildhall.kernel.actor import system_actor
from workflows.models import Strategy
from workflows.selectors.tree import strategies_visible_to
from workflows.web.plan_apis import StrategiesView
from workflows.web.plan_serializers import StrategySummary

ALIAS = "bare"
TEAM = system_actor("bench", "org_bench")


def connect(schema: str) -> None:
    """Give Django a second database: the same server as its owner, the schema set when a connection is made."""
    login: dict[str, Any] = conninfo_to_dict(settings.DATABASE_ADMIN_URL)
    options = {"pool": {"min_size": 0, "max_size": 8}, "options": f"-c search_path={schema},public"}
    connections.databases[ALIAS] = connections.configure_settings(
        {
            "default": connections.databases["default"],
            ALIAS: {
                "ENGINE": "django.db.backends.postgresql",
                "NAME": login["dbname"],
                "USER": login["user"],
                "PASSWORD": login["password"],
                "HOST": login["host"],
                "OPTIONS": options,
            },
        }
    )[ALIAS]


class Strategies(ListAPIView[Strategy]):
    """A page of strategies: one query, the same serializer and pages, no tenant, no role, no token."""

    authentication_classes = ()
    permission_classes = ()
    pagination_class = StrategiesView.pagination_class
    parser_classes = (JSONParser,)
    schema = AutoSchema()
    serializer_class = StrategySummary

    def get_queryset(self) -> Any:
        return strategies_visible_to(TEAM).using(ALIAS)


class One(APIView):
    """One query and nothing else."""

    authentication_classes = ()
    permission_classes = ()
    parser_classes = (JSONParser,)
    schema = AutoSchema()

    def get(self, request: Any) -> Response:
        with connections[ALIAS].cursor() as cursor:
            cursor.execute("SELECT 1")
            return Response({"results": [cursor.fetchone()]})


urlpatterns = [path("strategies/", Strategies.as_view()), path("one/", One.as_view())]
