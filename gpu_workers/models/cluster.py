"""The namespace of a Kubernetes cluster that a project's agents may have things applied to, once people allow it."""

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models

from gpu_workers.models.connection import ProjectConnection


class ProjectCluster(ProjectConnection):
    """`token` is sealed. `kinds` are those of objects that its admin lets in besides Kubernetes' own, `accounts` the service
    accounts of the namespace that pods may run as besides `default`.

    `ca` holds the certificates of the authority that the server has to be signed by: DER, in base64 on one line, since rows
    keep nothing that has the form of a key's lines.
    """

    NOUN: ClassVar[str] = "cluster"

    api_url = models.CharField(max_length=200)
    namespace = models.CharField(max_length=63)
    ca = models.TextField()
    token = models.TextField()
    kinds = ArrayField(models.CharField(max_length=164), default=list, db_default=[])
    accounts = ArrayField(models.CharField(max_length=253), default=list, db_default=[])

    def __str__(self) -> str:
        return self.place

    @property
    def place(self) -> str:
        """The namespace and where it is, as people are told."""
        return f"{self.namespace} at {self.api_url.removeprefix('https://')}"
