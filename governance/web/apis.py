"""The API of approvals, kill switches, the policy and the audit trail."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from governance.actions.approvals import decide_approval
from governance.actions.holds import lift_hold, place_hold
from governance.hold_targets import hold_target
from governance.models import Approval, Hold
from governance.selectors import active_policy, lists
from governance.selectors.approvals import visible_approvals
from governance.web import serializers
from guildhall.api.inputs import checked, checked_query
from guildhall.api.trail import TrailEntry
from guildhall.api.views import ListView, View, answer


class ApprovalsView(ListView[Approval]):
    serializer_class = serializers.ApprovalSummary
    queryset = Approval.objects.none()
    orderings = {"-requested_at": ("-id",), "requested_at": ("id",), "expires_at": ("expires_at", "id")}

    def get_queryset(self) -> Any:
        wanted = checked_query(serializers.ApprovalQuery, self.request)
        rows = lists.waiting_for(self.actor) if wanted["mine"] else visible_approvals(self.actor)
        for column in ("state", "kind", "subject"):
            if column in wanted:
                rows = rows.filter(**{column: wanted[column]})
        return rows

    @extend_schema(parameters=[serializers.ApprovalQuery])
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Approvals that the caller may see; `?mine=true` for what waits for the caller."""
        return super().get(request, *args, **kwargs)


class ApprovalView(View):
    @extend_schema(responses=serializers.ApprovalAnswer)
    def get(self, request: Request, number: int) -> Response:
        """One approval with exactly what will happen (`binding`) and the hash that a decision has to name."""
        return _approval(self, number)


class ApprovalDecisionView(View):
    @extend_schema(request=serializers.DecisionBody, responses=serializers.ApprovalAnswer)
    def post(self, request: Request, number: int) -> Response:
        """Approve, ask for changes or reject. Another hash than the present one, a replay or an expiry answers 409."""
        lists.find_approval(self.actor, number)
        given = checked(serializers.DecisionBody, request)
        decide_approval(actor=self.actor, approval=number, **given)
        return _approval(self, number)


class HoldsView(ListView[Hold]):
    """Kill switches that are on, or with `state=lifted` those that were."""

    serializer_class = serializers.HoldAnswer
    queryset = Hold.objects.none()

    def get_queryset(self) -> Any:
        lifted = checked_query(serializers.HoldQuery, self.request)["state"] == "lifted"
        return lists.lifted_holds(self.actor) if lifted else lists.holds_visible_to(self.actor)

    @extend_schema(parameters=[serializers.HoldQuery])
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Kill switches that are on, or that were lifted: who pulled them, why, what that stopped, who let it go on."""
        return super().get(request, *args, **kwargs)

    @extend_schema(request=serializers.HoldBody, responses={201: serializers.HoldAnswer})
    def post(self, request: Request) -> Response:
        """Stop an agent, a strategy, a run or everything, at once."""
        given = checked(serializers.HoldBody, request)
        given["target"] = hold_target(actor=self.actor, kind=given["kind"], target=given["target"])
        hold = place_hold(actor=self.actor, **given)
        return answer(serializers.HoldAnswer(lists.find_active_hold(self.actor, hold.id)), status=201)


class HoldView(View):
    @extend_schema(responses={204: None})
    def delete(self, request: Request, pk: int) -> Response:
        """Let it go on."""
        hold = lists.find_active_hold(self.actor, pk)
        lift_hold(actor=self.actor, kind=hold.kind, target=hold.target)
        return Response(status=204)


class PolicyView(View):
    @extend_schema(responses=serializers.PolicyAnswer)
    def get(self, request: Request) -> Response:
        """The policy in force."""
        lists.refuse_outsider(self.actor)
        policy = active_policy()
        document = policy.document.model_dump(mode="json")
        return answer(serializers.PolicyAnswer({"version": policy.version, "text": policy.text, "document": document}))


class AuditView(View):
    @extend_schema(parameters=[serializers.AuditQuery], responses=TrailEntry(many=True))
    def get(self, request: Request) -> Response:
        """The audit trail, newest first; for the next page send the last `id` as `before`."""
        wanted = checked_query(serializers.AuditQuery, request)
        return answer(TrailEntry(lists.audit_trail(self.actor, wanted), many=True))


def _approval(view: View, number: int) -> Response:
    row = lists.find_approval(view.actor, number)
    return answer(serializers.ApprovalAnswer(row, context={"actor": view.actor}))
