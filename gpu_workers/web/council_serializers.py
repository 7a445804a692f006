"""What the API says and takes about councils."""

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from gpu_workers.models import Run
from gpu_workers.web.council_offers import OFFERS, offers_on
from workflows.models import Contribution, Council, CouncilScore, CouncilSeat
from workflows.models.council import CouncilPhase, CouncilState, CouncilSubject
from workflows.selectors.councils import ranking, spent_on


class SeatAnswer(serializers.ModelSerializer[CouncilSeat]):
    letter = serializers.CharField(help_text="Names the seat's proposal: A to G.")

    class Meta:
        model = CouncilSeat
        fields: ClassVar = ["letter", "agent", "agent_name", "role"]


class CouncilSummary(serializers.ModelSerializer[Council]):
    story = serializers.CharField(source="story.reference")
    subject = serializers.ChoiceField(CouncilSubject.choices)
    state = serializers.ChoiceField(CouncilState.choices)
    phase = serializers.ChoiceField(CouncilPhase.choices, allow_blank=True)
    stands = serializers.BooleanField(help_text="False once the story is planned anew.")
    tasks = serializers.ListField(child=serializers.CharField())
    winner = serializers.CharField(source="winner.letter", allow_null=True, default=None)
    decision = serializers.IntegerField(source="decision_id", allow_null=True)
    seats = SeatAnswer(many=True)

    class Meta:
        model = Council
        fields: ClassVar = [
            "id",
            "story",
            "subject",
            "question",
            "tasks",
            "state",
            "phase",
            "stands",
            "reason",
            "asked_by",
            "asked_by_name",
            "winner",
            "decision",
            "waived_by",
            "waived_by_name",
            "waived_because",
            "seats",
            "created_at",
            "started_at",
            "ended_at",
        ]


class RankAnswer(serializers.Serializer[Any]):
    letter = serializers.CharField(source="seat")
    mean = serializers.FloatField(help_text="Over the four criteria, of everybody's scores but the author's.")
    means = serializers.DictField(child=serializers.FloatField(), help_text="By criterion.")
    votes = serializers.IntegerField()


class SpentAnswer(serializers.Serializer[Any]):
    messages = serializers.IntegerField()
    abstained = serializers.IntegerField(help_text="Answers that could not be used.")
    tokens_in = serializers.IntegerField()
    tokens_out = serializers.IntegerField()
    cost = serializers.DecimalField(max_digits=20, decimal_places=10, help_text="US dollars.")


class CouncilAnswer(CouncilSummary):
    """`context["run"]` is its latest run or None, `context["actor"]` who asks."""

    ranking = serializers.SerializerMethodField()
    spent = serializers.SerializerMethodField()
    run = serializers.SerializerMethodField()
    allowed_actions = serializers.SerializerMethodField(
        help_text="What the caller may do now: call another council, retry its run, or waive its result."
    )

    class Meta(CouncilSummary.Meta):
        fields: ClassVar = [*CouncilSummary.Meta.fields, "ranking", "spent", "run", "allowed_actions"]

    @extend_schema_field(RankAnswer(many=True))
    def get_ranking(self, council: Council) -> Any:
        return RankAnswer(ranking(council), many=True).data

    @extend_schema_field(SpentAnswer)
    def get_spent(self, council: Council) -> Any:
        return SpentAnswer(spent_on(council)).data

    @extend_schema_field({"type": "integer", "nullable": True})
    def get_run(self, council: Council) -> int | None:
        run: Run | None = self.context["run"]
        return run.number if run else None

    @extend_schema_field(serializers.ListField(child=serializers.ChoiceField(OFFERS)))
    def get_allowed_actions(self, council: Council) -> list[str]:
        return offers_on(self.context["actor"], council, self.context["run"])


class ScoreAnswer(serializers.ModelSerializer[CouncilScore]):
    about = serializers.CharField(source="about.letter")
    reasons = serializers.DictField(child=serializers.CharField())

    class Meta:
        model = CouncilScore
        fields: ClassVar = ["about", "correctness", "risk", "cost", "testability", "reasons"]


class ContributionAnswer(serializers.ModelSerializer[Contribution]):
    phase = serializers.ChoiceField(CouncilPhase.choices)
    letter = serializers.CharField(source="author.letter")
    agent = serializers.CharField(source="author.agent")
    about = serializers.CharField(source="about.letter", allow_null=True, default=None)
    scores = ScoreAnswer(many=True)

    class Meta:
        model = Contribution
        fields: ClassVar = [
            "id",
            "phase",
            "letter",
            "agent",
            "about",
            "attempt",
            "title",
            "text",
            "valid",
            "problem",
            "scores",
            "model",
            "tokens_in",
            "tokens_out",
            "cost",
            "duration_ms",
            "at",
        ]


class CouncilQuery(serializers.Serializer[Any]):
    story = serializers.CharField(max_length=24, required=False, help_text="Such as SHOP-142.")
    subject = serializers.ChoiceField(CouncilSubject.choices, required=False)
    state = serializers.ChoiceField(CouncilState.choices, required=False)


class CouncilBody(serializers.Serializer[Any]):
    subject = serializers.ChoiceField(CouncilSubject.choices)
    question = serializers.CharField(
        max_length=2000, required=False, allow_blank=True, default="", help_text="A usual one is asked when left out."
    )
