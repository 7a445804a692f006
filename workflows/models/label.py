"""Labels: words with a colour that a tenant puts on its stories and tasks."""

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower, Now

from workflows.models.story import Story
from workflows.models.task import Task

COLOURS = ("idle", "run", "wait", "ok", "bad", "d1", "d2", "d3", "d4")
"""The five tones and the four series colours of the design; nothing else is drawn."""


class Label(models.Model):
    """One word of a tenant; names differ by more than capitals."""

    name = models.CharField(max_length=40)
    colour = models.CharField(max_length=4, default="idle")
    stories: "models.ManyToManyField[Story, models.Model]" = models.ManyToManyField(
        Story, related_name="labels", blank=True
    )
    tasks: "models.ManyToManyField[Task, models.Model]" = models.ManyToManyField(
        Task, related_name="labels", blank=True
    )
    version = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering: ClassVar = ["name"]
        constraints: ClassVar = [
            models.UniqueConstraint(Lower("name"), name="label_name_once"),
            models.CheckConstraint(name="label_colour_known", condition=Q(colour__in=COLOURS)),
            models.CheckConstraint(name="label_has_name", condition=~Q(name="")),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def ref(self) -> str:
        return f"label:{self.pk}"
