"""Repositories that are kept on a forge: how we get there, their pull requests, and what the forge told us."""

from typing import ClassVar

from django.db import models
from django.db.models.functions import Now

from gpu_workers.models.change import ChangeRequest, Repository


class ForgeConnection(models.Model):
    """How a repository is reached on GitHub. `token` and `hook_secret` are sealed and never leave in the clear."""

    repository = models.OneToOneField(Repository, on_delete=models.PROTECT, related_name="forge")
    api_url = models.CharField(max_length=200)
    clone_url = models.CharField(max_length=300)
    full_name = models.CharField(max_length=200)
    token = models.TextField()
    hook_key = models.CharField(max_length=40, unique=True)
    hook_secret = models.TextField()
    requires_checks = models.BooleanField(default=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering: ClassVar = ["id"]
        constraints: ClassVar = [
            models.UniqueConstraint(name="forge_connected_once", fields=["api_url", "full_name"]),
        ]

    def __str__(self) -> str:
        return self.full_name

    @property
    def ref(self) -> str:
        return self.repository.ref


class PullRequest(models.Model):
    """The pull request that stands for a change on its forge."""

    change = models.OneToOneField(ChangeRequest, on_delete=models.PROTECT, related_name="pull_request")
    number = models.PositiveIntegerField()
    branch = models.CharField(max_length=120)
    url = models.CharField(max_length=300)

    class Meta:
        ordering: ClassVar = ["id"]

    def __str__(self) -> str:
        return f"pull request {self.number}"


class HookDelivery(models.Model):
    """One message of a forge that was heeded; neither it nor its text is heeded again."""

    connection = models.ForeignKey(ForgeConnection, on_delete=models.CASCADE, related_name="deliveries")
    delivery = models.CharField(max_length=64)
    digest = models.CharField(max_length=64)
    kind = models.CharField(max_length=60)
    at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering: ClassVar = ["-id"]
        verbose_name_plural = "hook deliveries"
        constraints: ClassVar = [
            models.UniqueConstraint(name="hook_delivery_once", fields=["connection", "delivery"]),
            models.UniqueConstraint(name="hook_text_once", fields=["connection", "digest"]),
        ]

    def __str__(self) -> str:
        return self.delivery
