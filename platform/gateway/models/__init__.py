"""Where model calls can go and what they cost: platform-wide rows, read by tenants, written by owners."""

from typing import ClassVar

from django.db import models
from django.db.models.functions import Now

from gateway.models.holds import PlatformHold as PlatformHold
from gateway.models.holds import PlatformStop as PlatformStop

CREDENTIALS = [("", "none"), ("LLM_API_KEY", "LLM_API_KEY of the environment")]
"""Secrets are named here and kept in the environment: tenants' roles can read this table."""


class Deployment(models.Model):
    """One model at one OpenAI-compatible server."""

    name = models.SlugField(max_length=60, unique=True)
    base_url = models.URLField(max_length=300)
    model = models.CharField(max_length=160)
    credential = models.CharField(max_length=40, blank=True, choices=CREDENTIALS)
    context_tokens = models.PositiveIntegerField(default=4096)
    slots = models.PositiveSmallIntegerField(
        default=0,
        help_text="How many calls it works at at once; more wait in line, before any money is set aside. 0: as many as come.",
    )
    supports_tools = models.BooleanField(default=False, help_text="Answers with native tool calls.")
    supports_schema = models.BooleanField(default=True, help_text="Obeys a JSON schema.")
    supports_logprobs = models.BooleanField(
        default=False, help_text="Tells how sure it is of each token; agents' confidence counts it."
    )
    salts_cache = models.BooleanField(
        default=False,
        db_default=False,
        help_text="Takes cache_salt with a call, as vLLM does: organisations then share no cache of prompts there.",
    )
    may_judge = models.BooleanField(
        default=False, help_text="Good enough for its verdict to count in reviews, on top of the checks."
    )
    timeout_s = models.PositiveIntegerField(
        default=120, help_text="How many seconds it may say nothing while it has a call; then it counts as away."
    )
    usage_url = models.URLField(
        max_length=300,
        blank=True,
        default="",
        help_text="Where the provider tells its own usage by request, for the comparison with the ledger; empty when nowhere.",
    )
    active = models.BooleanField(default=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering: ClassVar = ["name"]

    def __str__(self) -> str:
        return self.name


class Route(models.Model):
    """A name that work asks for, and the deployments that serve it, in order."""

    name = models.SlugField(max_length=30)
    rank = models.PositiveSmallIntegerField()
    deployment = models.ForeignKey(Deployment, on_delete=models.CASCADE, related_name="routes")

    class Meta:
        ordering: ClassVar = ["name", "rank"]
        constraints: ClassVar = [models.UniqueConstraint(name="route_rank_once", fields=["name", "rank"])]

    def __str__(self) -> str:
        return f"{self.name} {self.rank}: {self.deployment_id}"


class Price(models.Model):
    """What a model costs from a date on: US dollars per million tokens. Rows are added, never changed."""

    model = models.CharField(max_length=160)
    version = models.CharField(max_length=64)
    valid_from = models.DateField()
    tokens_in = models.DecimalField(max_digits=20, decimal_places=10)
    tokens_out = models.DecimalField(max_digits=20, decimal_places=10)
    tokens_cached = models.DecimalField(max_digits=20, decimal_places=10)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering: ClassVar = ["model", "-valid_from", "-id"]
        constraints: ClassVar = [
            models.UniqueConstraint(name="price_once", fields=["model", "version"]),
            models.CheckConstraint(
                name="price_not_negative",
                condition=models.Q(tokens_in__gte=0, tokens_out__gte=0, tokens_cached__gte=0),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.model} {self.version}"
