"""The API of the databases that projects name."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from gpu_workers.actions.databases import forget_database, forget_migrator
from gpu_workers.connections import needed_by
from gpu_workers.databases import MOST_SCHEMAS, SCHEMA, connect, connect_for_migrations
from gpu_workers.models import ProjectDatabase, ProjectMigrator
from guildhall.api.inputs import checked
from guildhall.api.views import View, answer
from workflows.selectors.lists import find_project


class DatabaseBody(serializers.Serializer[Any]):
    address = serializers.CharField(
        max_length=500,
        write_only=True,
        help_text="postgresql://reader:password@host:5432/shop; the login may do nothing but read. Never shown again.",
    )
    schemas = serializers.ListField(
        child=serializers.RegexField(SCHEMA, max_length=63),
        min_length=1,
        max_length=MOST_SCHEMAS,
        default=["public"],
        help_text="The schemas that may be read. The login may use no other.",
    )


class DatabaseAnswer(serializers.ModelSerializer[ProjectDatabase]):
    class Meta:
        model = ProjectDatabase
        fields = ("project", "place", "schemas", "created_at")


class ProjectDatabaseView(View):
    @extend_schema(responses=DatabaseAnswer)
    def get(self, request: Request, key: str) -> Response:
        """The database that the project's agents may read, without its login."""
        return answer(DatabaseAnswer(needed_by(self.actor, ProjectDatabase, key)))

    @extend_schema(request=DatabaseBody, responses={201: DatabaseAnswer})
    def post(self, request: Request, key: str) -> Response:
        """Let the project's agents read a database. The login is tried first and kept sealed."""
        project = find_project(self.actor, key)
        given = checked(DatabaseBody, request)
        return answer(DatabaseAnswer(connect(actor=self.actor, project=project.key, **given)), status=201)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, key: str) -> Response:
        """Take the database away from the project's agents."""
        forget_database(actor=self.actor, database=needed_by(self.actor, ProjectDatabase, key))
        return Response(status=204)


class MigratorBody(serializers.Serializer[Any]):
    address = serializers.CharField(
        max_length=500,
        write_only=True,
        help_text="postgresql://owner:password@host:5432/shop; a login that owns its things and nothing else. Never shown again.",
    )
    schemas = serializers.ListField(
        child=serializers.RegexField(SCHEMA, max_length=63),
        min_length=1,
        max_length=MOST_SCHEMAS,
        default=["public"],
        help_text="The search path: new things are made in the first one.",
    )


class MigratorAnswer(serializers.ModelSerializer[ProjectMigrator]):
    class Meta:
        model = ProjectMigrator
        fields = ("project", "place", "schemas", "created_at")


class ProjectMigratorView(View):
    @extend_schema(responses=MigratorAnswer)
    def get(self, request: Request, key: str) -> Response:
        """Where migrations of the project are applied to, without the login."""
        return answer(MigratorAnswer(needed_by(self.actor, ProjectMigrator, key)))

    @extend_schema(request=MigratorBody, responses={201: MigratorAnswer})
    def post(self, request: Request, key: str) -> Response:
        """Let people have migrations of the project applied to a database. The login is tried first and kept sealed."""
        project = find_project(self.actor, key)
        given = checked(MigratorBody, request)
        row = connect_for_migrations(actor=self.actor, project=project.key, **given)
        return answer(MigratorAnswer(row), status=201)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, key: str) -> Response:
        """Take the login away: nothing is applied with it any more."""
        forget_migrator(actor=self.actor, migrator=needed_by(self.actor, ProjectMigrator, key))
        return Response(status=204)
