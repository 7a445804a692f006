"""The API of the clusters that projects name."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from gpu_workers.actions.clusters import forget_cluster
from gpu_workers.clusters import accounts
from gpu_workers.clusters.connecting import MAX_CA, MAX_TOKEN, NAMESPACE, Wish, connect
from gpu_workers.clusters.kinds import LONGEST, MOST
from gpu_workers.connections import needed_by
from gpu_workers.models import ProjectCluster
from guildhall.api.inputs import checked
from guildhall.api.views import View, answer
from workflows.selectors.lists import find_project


class ClusterBody(serializers.Serializer[Any]):
    api_url = serializers.CharField(max_length=200, help_text="https://kube.example:6443, the API server's address.")
    namespace = serializers.RegexField(
        rf"^{NAMESPACE}\Z", max_length=63, help_text="The one namespace that plans are applied to; none of kube-…."
    )
    token = serializers.CharField(
        max_length=MAX_TOKEN,
        write_only=True,
        help_text="A bearer token of a service account that may change things in this namespace alone. Never shown again.",
    )
    ca = serializers.CharField(
        max_length=MAX_CA,
        write_only=True,
        help_text="The certificate of the authority that signed the server's, in PEM.",
    )
    kinds = serializers.ListField(
        child=serializers.CharField(max_length=LONGEST),
        max_length=MOST,
        required=False,
        default=list,
        help_text="Kinds of objects that plans may hold besides Kubernetes' own, with their group: Certificate.cert-manager.io.",
    )
    accounts = serializers.ListField(
        child=serializers.CharField(max_length=accounts.LONGEST),
        max_length=accounts.MOST,
        required=False,
        default=list,
        help_text="Service accounts of the namespace that pods of a plan may run as besides `default`.",
    )


class ClusterAnswer(serializers.ModelSerializer[ProjectCluster]):
    class Meta:
        model = ProjectCluster
        fields = ("project", "api_url", "namespace", "kinds", "accounts", "created_at")


class ProjectClusterView(View):
    @extend_schema(responses=ClusterAnswer)
    def get(self, request: Request, key: str) -> Response:
        """The cluster that plans of the project are applied to, without its token."""
        return answer(ClusterAnswer(needed_by(self.actor, ProjectCluster, key)))

    @extend_schema(request=ClusterBody, responses={201: ClusterAnswer})
    def post(self, request: Request, key: str) -> Response:
        """Let people have plans of the project applied to a namespace. The token is tried first and kept sealed."""
        project = find_project(self.actor, key)
        given = checked(ClusterBody, request)
        return answer(ClusterAnswer(connect(actor=self.actor, wish=Wish(project.key, **given))), status=201)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, key: str) -> Response:
        """Take the cluster away. What was applied to it stays there."""
        forget_cluster(actor=self.actor, cluster=needed_by(self.actor, ProjectCluster, key))
        return Response(status=204)
