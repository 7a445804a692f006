"""The namespace of a Kubernetes cluster that a project's agents may have things applied to, once people allow it."""

from typing import ClassVar

from django.db import models
from django.db.models.functions import Now


class ProjectCluster(models.Model):
    """One per project (its key). `token` is sealed.

    `ca` holds the certificates of the authority that the server has to be signed by: DER, in base64 on one line, since rows
    keep nothing that has the form of a key's lines.
    """

    project = models.CharField(max_length=12, unique=True)
    api_url = models.CharField(max_length=200)
    namespace = models.CharField(max_length=63)
    ca = models.TextField()
    token = models.TextField()
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering: ClassVar = ["project"]

    def __str__(self) -> str:
        return f"{self.project}: {self.place}"

    @property
    def ref(self) -> str:
        return f"project:{self.project}"

    @property
    def place(self) -> str:
        """The namespace and where it is, as people are told."""
        return f"{self.namespace} at {self.api_url.removeprefix('https://')}"
