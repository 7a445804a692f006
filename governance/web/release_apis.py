"""The API of what is approved and not executed, and of locks and freezes."""

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from governance.actions.outcomes_held import retry_approval, take_back
from governance.actions.release import hold_environment, release_environment
from governance.models import ReleaseHold, ReleaseHoldKind
from governance.selectors import lists
from governance.selectors.release import active_release_holds, release_controls
from governance.web.serializers import ApprovalAnswer
from guildhall.api.inputs import checked, checked_query
from guildhall.api.views import ListView, View, answer


class ReleaseReasonBody(serializers.Serializer[Any]):
    reason = serializers.CharField(max_length=300, help_text="At least 10 characters.")


class ReleaseHoldAnswer(serializers.ModelSerializer[ReleaseHold]):
    class Meta:
        model = ReleaseHold
        fields: ClassVar = ["id", "kind", "environment", "reason", "held_by", "held_at", "until"]


class ReleaseHoldBody(serializers.Serializer[Any]):
    kind = serializers.ChoiceField(ReleaseHoldKind.choices)
    environment = serializers.CharField(max_length=160, help_text="Such as shop:main; patterns with * match several.")
    reason = serializers.CharField(max_length=300, help_text="At least 10 characters.")
    until = serializers.DateTimeField(required=False, help_text="Left out: until somebody lifts it.")


class ControlsQuery(serializers.Serializer[Any]):
    environment = serializers.CharField(max_length=160, help_text="repository:branch, such as shop:main.")


class BlockAnswer(serializers.Serializer[Any]):
    kind = serializers.CharField(help_text="lock or freeze.")
    reason = serializers.CharField()
    until = serializers.DateTimeField(allow_null=True)


class ControlsAnswer(serializers.Serializer[Any]):
    """What holds for an environment now, by the policy and by hand."""

    environment = serializers.CharField()
    blocks = BlockAnswer(many=True)
    checks = serializers.ListField(
        child=serializers.CharField(), source="required", help_text="That must have passed on the commit."
    )
    approvers = serializers.IntegerField(help_text="How many distinct people approve at least.")


class ApprovalRetryView(View):
    @extend_schema(request=ReleaseReasonBody, responses=ApprovalAnswer)
    def post(self, request: Request, number: int) -> Response:
        """Have what is approved and not executed carried out now; release controls still count."""
        lists.find_approval(self.actor, number)
        retry_approval(actor=self.actor, approval=number, **checked(ReleaseReasonBody, request))
        return answer(ApprovalAnswer(lists.find_approval(self.actor, number), context={"actor": self.actor}))


class ApprovalTakeBackView(View):
    @extend_schema(request=ReleaseReasonBody, responses=ApprovalAnswer)
    def post(self, request: Request, number: int) -> Response:
        """Take a yes back before anything followed from it; work that still waits is asked about anew."""
        lists.find_approval(self.actor, number)
        take_back(actor=self.actor, approval=number, **checked(ReleaseReasonBody, request))
        return answer(ApprovalAnswer(lists.find_approval(self.actor, number), context={"actor": self.actor}))


class ReleaseHoldsView(ListView[ReleaseHold]):
    """Locks and freezes that people began and that are on."""

    serializer_class = ReleaseHoldAnswer
    queryset = ReleaseHold.objects.none()

    def get_queryset(self) -> Any:
        lists.refuse_outsider(self.actor)
        return active_release_holds()

    @extend_schema(request=ReleaseHoldBody, responses={201: ReleaseHoldAnswer})
    def post(self, request: Request) -> Response:
        """Lock environments or begin a freeze: nothing is merged there until it ends."""
        hold = hold_environment(actor=self.actor, **checked(ReleaseHoldBody, request))
        return answer(ReleaseHoldAnswer(hold), status=201)


class ReleaseLiftView(View):
    @extend_schema(request=ReleaseReasonBody, responses={204: None})
    def post(self, request: Request, pk: int) -> Response:
        """End a lock or a freeze; what waits for it is carried out."""
        lists.refuse_outsider(self.actor)
        release_environment(actor=self.actor, hold=pk, **checked(ReleaseReasonBody, request))
        return Response(status=204)


class ReleaseControlsView(View):
    @extend_schema(parameters=[ControlsQuery], responses=ControlsAnswer)
    def get(self, request: Request) -> Response:
        """What an environment's merges need now."""
        lists.refuse_outsider(self.actor)
        return answer(ControlsAnswer(release_controls(checked_query(ControlsQuery, request)["environment"])))
