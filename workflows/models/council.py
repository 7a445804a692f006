"""Councils: several agents that deliberate on a story, with everything they said and every score."""

from decimal import Decimal
from typing import Any, ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django_fsm import FSMField, transition

from guildhall.kernel.stateful import StatefulModel
from workflows.councils import CRITERIA, LOWEST, TOP
from workflows.models.planning import Decision
from workflows.models.story import Story


class CouncilSubject(models.TextChoices):
    PLAN = "plan", "Plan"
    DESIGN = "design", "Design"
    SOLUTION = "solution", "Solution"


class CouncilState(models.TextChoices):
    CONVENED = "convened", "Convened"
    DELIBERATING = "deliberating", "Deliberating"
    COMPLETED = "completed", "Decided"
    STOPPED = "stopped", "Stopped"


class CouncilPhase(models.TextChoices):
    PROPOSAL = "proposal", "Proposals"
    CRITIQUE = "critique", "Critiques"
    REVISION = "revision", "Revisions"
    SCORE = "score", "Scores"


OPEN_COUNCIL = [CouncilState.CONVENED, CouncilState.DELIBERATING]
LETTERS = "ABCDEFG"


class Council(StatefulModel):
    """`tasks` are the references that it deliberates on. It stands until the story is planned anew; `waived_by` is who let
    the story go on without a result.
    """

    story = models.ForeignKey(Story, on_delete=models.CASCADE, related_name="councils")
    subject = models.CharField(max_length=10, choices=CouncilSubject.choices)
    question = models.TextField()
    tasks = ArrayField(models.CharField(max_length=40), default=list)
    stands = models.BooleanField(default=True)
    state = FSMField(max_length=14, choices=CouncilState.choices, default=CouncilState.CONVENED, protected=True)
    phase = models.CharField(max_length=10, choices=CouncilPhase.choices, blank=True)
    reason = models.TextField(blank=True)
    asked_by = models.CharField(max_length=160)
    asked_by_name = models.CharField(max_length=200)
    winner = models.ForeignKey("CouncilSeat", on_delete=models.RESTRICT, related_name="+", null=True)
    decision = models.OneToOneField(Decision, on_delete=models.PROTECT, related_name="council", null=True)
    waived_by = models.CharField(max_length=160, blank=True)
    waived_by_name = models.CharField(max_length=200, blank=True)
    waived_because = models.TextField(blank=True)
    created_at = models.DateTimeField(db_default=Now())
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = "council"
        ordering: ClassVar = ["-id"]
        constraints: ClassVar = [
            models.CheckConstraint(name="council_subject_known", condition=Q(subject__in=CouncilSubject.values)),
            models.CheckConstraint(name="council_state_known", condition=Q(state__in=CouncilState.values)),
            models.CheckConstraint(name="council_phase_known", condition=Q(phase__in=["", *CouncilPhase.values])),
            models.CheckConstraint(
                name="council_completed_decided",
                condition=~Q(state="completed") | Q(winner__isnull=False, decision__isnull=False),
            ),
            models.UniqueConstraint(
                name="council_one_open", fields=["story", "subject"], condition=Q(state__in=OPEN_COUNCIL)
            ),
        ]

    def __str__(self) -> str:
        return f"council {self.pk}"

    @property
    def ref(self) -> str:
        return f"council:{self.pk}"

    @property
    def is_open(self) -> bool:
        return self.state in OPEN_COUNCIL

    @transition(
        field=state,
        source=[CouncilState.CONVENED, CouncilState.DELIBERATING, CouncilState.STOPPED],
        target=CouncilState.DELIBERATING,
    )
    def deliberate(self) -> None:
        """Its agents are at work, for the first time or again."""

    @transition(field=state, source=CouncilState.DELIBERATING, target=CouncilState.COMPLETED)
    def complete(self) -> None:
        """It has a winner and a decision."""

    @transition(field=state, source=[*OPEN_COUNCIL, CouncilState.STOPPED], target=CouncilState.STOPPED)
    def stop(self) -> None:
        """It came to no result, perhaps once more; a person has to say how it goes on."""


class CouncilSeat(models.Model):
    """One agent's place. Its letter names its proposal, so that nobody judges by the author's name."""

    council = models.ForeignKey(Council, on_delete=models.CASCADE, related_name="seats")
    place = models.PositiveSmallIntegerField()
    agent = models.CharField(max_length=160)
    agent_name = models.CharField(max_length=200)
    role = models.CharField(max_length=20)

    class Meta:
        ordering: ClassVar = ["place"]
        constraints: ClassVar = [
            models.UniqueConstraint(name="council_seat_once", fields=["council", "place"]),
            models.UniqueConstraint(name="council_agent_once", fields=["council", "agent"]),
            models.CheckConstraint(name="council_seat_place", condition=Q(place__lt=len(LETTERS))),
        ]

    def __str__(self) -> str:
        return f"{self.letter} {self.agent_name}"

    @property
    def letter(self) -> str:
        return LETTERS[self.place]


class Contribution(models.Model):
    """One message of a council: a seat's proposal, critique of another's (`about`), revision or scores.

    `valid` false means that the answer could not be used, for `problem`; it is kept all the same.
    """

    council = models.ForeignKey(Council, on_delete=models.CASCADE, related_name="contributions")
    phase = models.CharField(max_length=10, choices=CouncilPhase.choices)
    author = models.ForeignKey(CouncilSeat, on_delete=models.CASCADE, related_name="contributions")
    about = models.ForeignKey(CouncilSeat, on_delete=models.CASCADE, related_name="heard", null=True)
    attempt = models.PositiveSmallIntegerField(default=1)
    title = models.CharField(max_length=120, blank=True)
    text = models.TextField(blank=True)
    valid = models.BooleanField(default=True)
    problem = models.CharField(max_length=300, blank=True)
    model = models.CharField(max_length=200, blank=True)
    tokens_in = models.PositiveIntegerField(default=0)
    tokens_out = models.PositiveIntegerField(default=0)
    cost = models.DecimalField(max_digits=20, decimal_places=10, default=Decimal(0))
    duration_ms = models.PositiveIntegerField(default=0)
    at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering: ClassVar = ["id"]
        constraints: ClassVar = [
            models.CheckConstraint(name="contribution_phase_known", condition=Q(phase__in=CouncilPhase.values)),
            models.CheckConstraint(
                name="contribution_about_another",
                condition=Q(phase="critique", about__isnull=False) & ~Q(author=F("about"))
                | ~Q(phase="critique") & Q(about__isnull=True),
            ),
            models.UniqueConstraint(
                name="contribution_once",
                fields=["council", "phase", "author", "about", "attempt"],
                nulls_distinct=False,
            ),
        ]

    def __str__(self) -> str:
        return f"{self.phase} of {self.author_id}"


def _in_range() -> Q:
    """Every rating is a whole number from 0 to 10."""
    wanted = Q()
    for name in CRITERIA:
        wanted &= Q(**{f"{name}__gte": LOWEST, f"{name}__lte": TOP})
    return wanted


class CouncilScore(models.Model):
    """What `author` gives to the proposal of `about`, another seat. `reasons` has a sentence per criterion."""

    contribution = models.ForeignKey(Contribution, on_delete=models.CASCADE, related_name="scores")
    author = models.ForeignKey(CouncilSeat, on_delete=models.CASCADE, related_name="given")
    about = models.ForeignKey(CouncilSeat, on_delete=models.CASCADE, related_name="received")
    correctness = models.SmallIntegerField()
    risk = models.SmallIntegerField()
    cost = models.SmallIntegerField()
    testability = models.SmallIntegerField()
    reasons: "models.JSONField[Any, Any]" = models.JSONField(default=dict)

    class Meta:
        ordering: ClassVar = ["id"]
        constraints: ClassVar = [
            models.UniqueConstraint(name="council_score_once", fields=["author", "about"]),
            models.CheckConstraint(name="council_score_not_own", condition=~Q(author=F("about"))),
            models.CheckConstraint(name="council_score_range", condition=_in_range()),
        ]

    def __str__(self) -> str:
        return f"{self.author_id} on {self.about_id}"

    @property
    def ratings(self) -> dict[str, int]:
        """By criterion."""
        return {name: int(getattr(self, name)) for name in CRITERIA}
