"""The API of violations."""

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from governance.actions.violations import judge_violation
from governance.models import Violation
from governance.models.violations import ViolationEffect, ViolationKind, ViolationVerdict
from governance.selectors.violations import find_violation, violations_visible_to
from guildhall.api.inputs import checked, checked_query
from guildhall.api.views import ListView, View, answer


class ViolationAnswer(serializers.ModelSerializer[Violation]):
    number = serializers.IntegerField(source="pk")
    kind = serializers.ChoiceField(ViolationKind.choices)
    effect = serializers.ChoiceField(ViolationEffect.choices)
    verdict = serializers.ChoiceField(ViolationVerdict.choices)
    excerpt = serializers.CharField(help_text="What it was seen in, without secrets.")

    class Meta:
        model = Violation
        fields: ClassVar = [
            "number",
            "kind",
            "effect",
            "what",
            "rule",
            "excerpt",
            "agent",
            "subject",
            "story",
            "stops",
            "at",
            "verdict",
            "note",
            "judged_by",
            "judged_at",
        ]


class ViolationQuery(serializers.Serializer[Any]):
    kind = serializers.ChoiceField(ViolationKind.choices, required=False, help_text="Only of this kind.")
    verdict = serializers.ChoiceField(
        ViolationVerdict.choices, required=False, help_text="`open`: nobody has judged it."
    )
    agent = serializers.CharField(max_length=160, required=False, help_text="Such as agent:mason.")
    subject = serializers.CharField(max_length=160, required=False, help_text="Such as run:318.")


class ViolationVerdictBody(serializers.Serializer[Any]):
    verdict = serializers.ChoiceField([ViolationVerdict.ACKNOWLEDGED.value, ViolationVerdict.FALSE_POSITIVE.value])
    note = serializers.CharField(
        max_length=500, default="", allow_blank=True, help_text="At least 10 characters for a false positive."
    )


class ViolationsView(ListView[Violation]):
    serializer_class = ViolationAnswer
    queryset = Violation.objects.none()
    orderings = {"-at": ("-id",), "at": ("id",)}

    def get_queryset(self) -> Any:
        wanted = checked_query(ViolationQuery, self.request)
        return violations_visible_to(self.actor).filter(**wanted)

    @extend_schema(parameters=[ViolationQuery])
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """What agents did against the rules, newest first."""
        return super().get(request, *args, **kwargs)


class ViolationView(View):
    @extend_schema(responses=ViolationAnswer)
    def get(self, request: Request, number: int) -> Response:
        """One violation with what was seen."""
        return answer(ViolationAnswer(find_violation(self.actor, number)))


class ViolationVerdictView(View):
    @extend_schema(request=ViolationVerdictBody, responses=ViolationAnswer)
    def post(self, request: Request, number: int) -> Response:
        """Acknowledge it, or call it a false positive, which gives the agent its points back. Once; then 409."""
        row = find_violation(self.actor, number)
        judge_violation(actor=self.actor, violation=row, **checked(ViolationVerdictBody, request))
        return answer(ViolationAnswer(find_violation(self.actor, number)))
