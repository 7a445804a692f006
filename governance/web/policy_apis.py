"""The API of the policy: versions, proposals with diff and simulation, asking for one; and of confidence."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from governance.actions.policy_drafts import (
    draft_policy,
    edit_policy_draft,
    submit_policy_draft,
    withdraw_policy_draft,
)
from governance.models import Assessment, Policy, PolicyDraft
from governance.policies.document_text import PolicyError, parse_policy
from governance.policies.tool_names import unknown_tool
from governance.selectors.confidence import assessments_visible_to, calibration_of
from governance.selectors.lists import refuse_outsider
from governance.selectors.policy import drafts_visible_to, find_draft, find_policy, policies_visible_to
from governance.selectors.simulation import simulation_of
from governance.web import policy_serializers as serializers
from governance.web.policy_shown import shown_draft, simulated
from guildhall.api.inputs import checked, checked_query
from guildhall.api.views import ListView, View, answer


class PolicyVersionsView(ListView[Policy]):
    """Every version of the policy, the newest first."""

    serializer_class = serializers.PolicyVersion
    queryset = Policy.objects.none()

    def get_queryset(self) -> Any:
        return policies_visible_to(self.actor)


class PolicyVersionView(View):
    @extend_schema(responses=serializers.PolicyVersionText)
    def get(self, request: Request, version: int) -> Response:
        """One version as it was written. Proposing its text again is the way back."""
        return answer(serializers.PolicyVersionText(find_policy(self.actor, version)))


class PolicyCheckView(View):
    @extend_schema(request=serializers.PolicyBody, responses=serializers.PolicyCheckAnswer)
    def post(self, request: Request) -> Response:
        """Whether a text is a policy, and what is wrong in which line. Keeps nothing."""
        refuse_outsider(self.actor)
        problems: list[tuple[int, str]] = []
        try:
            parse_policy(checked(serializers.PolicyBody, request)["text"], tools=unknown_tool)
        except PolicyError as error:
            problems = error.problems
        listed = [{"line": line, "message": message} for line, message in problems]
        return answer(serializers.PolicyCheckAnswer({"valid": not problems, "problems": listed}))


class PolicyDraftsView(ListView[PolicyDraft]):
    """Proposals for the policy, the newest first."""

    serializer_class = serializers.PolicyDraftSummary
    queryset = PolicyDraft.objects.none()

    def get_queryset(self) -> Any:
        return drafts_visible_to(self.actor)

    @extend_schema(request=serializers.PolicyDraftBody, responses={201: serializers.PolicyDraftAnswer})
    def post(self, request: Request) -> Response:
        """Propose a policy. It changes nothing until somebody else has approved it."""
        return _draft(draft_policy(actor=self.actor, **checked(serializers.PolicyDraftBody, request)), status=201)


class PolicyDraftView(View):
    @extend_schema(responses=serializers.PolicyDraftAnswer)
    def get(self, request: Request, number: int) -> Response:
        """One proposal, how it differs from the policy in force, and what it loosens."""
        return _draft(find_draft(self.actor, number))

    @extend_schema(request=serializers.PolicyDraftEdit, responses=serializers.PolicyDraftAnswer)
    def put(self, request: Request, number: int) -> Response:
        """Change it, on the policy in force now. An approval that it waited for is void."""
        draft = find_draft(self.actor, number)
        return _draft(edit_policy_draft(actor=self.actor, draft=draft, **checked(serializers.PolicyDraftEdit, request)))


class PolicySimulationView(View):
    @extend_schema(responses=serializers.SimulationAnswer)
    def get(self, request: Request, number: int) -> Response:
        """What it would have blocked or asked of what was done in the last thirty days."""
        draft = find_draft(self.actor, number)
        return answer(serializers.SimulationAnswer(simulated(simulation_of(self.actor, parse_policy(draft.text)))))


class PolicySubmitView(View):
    @extend_schema(request=serializers.PolicySubmitBody, responses=serializers.PolicyDraftAnswer)
    def post(self, request: Request, number: int) -> Response:
        """Ask for it to be put into force: an approval bound to exactly this text and the version that it changes."""
        draft = find_draft(self.actor, number)
        given = checked(serializers.PolicySubmitBody, request)
        submit_policy_draft(actor=self.actor, draft=draft, digest=given["digest"])
        return _draft(find_draft(self.actor, number))


class PolicyWithdrawView(View):
    @extend_schema(request=serializers.PolicyWithdrawBody, responses=serializers.PolicyDraftAnswer)
    def post(self, request: Request, number: int) -> Response:
        """Take it back; an approval that it waited for is void."""
        draft = find_draft(self.actor, number)
        given = checked(serializers.PolicyWithdrawBody, request)
        return _draft(withdraw_policy_draft(actor=self.actor, draft=draft, reason=given["reason"]))


class AssessmentsView(ListView[Assessment]):
    serializer_class = serializers.AssessmentAnswer
    queryset = Assessment.objects.none()

    def get_queryset(self) -> Any:
        return assessments_visible_to(self.actor).filter(**checked_query(serializers.AssessmentQuery, self.request))

    @extend_schema(parameters=[serializers.AssessmentQuery])
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """How sure agents were of what they were about to do, and what that was computed from; the newest first."""
        return super().get(request, *args, **kwargs)


class CalibrationView(View):
    @extend_schema(parameters=[serializers.CalibrationQuery], responses=serializers.CalibrationAnswer)
    def get(self, request: Request) -> Response:
        """How right confidence was: the Brier score, how often people agreed and how often it halted, in all and by band."""
        wanted = checked_query(serializers.CalibrationQuery, request)
        return answer(serializers.CalibrationAnswer(calibration_of(self.actor, agent=wanted.get("agent", ""))))


def _draft(draft: PolicyDraft, *, status: int = 200) -> Response:
    shown = shown_draft(draft)
    draft.diff, draft.loosens, draft.risk = shown.diff, shown.loosens, shown.risk  # type: ignore[attr-defined]
    draft.approval = shown.asked.number if shown.asked else None  # type: ignore[attr-defined]
    return answer(serializers.PolicyDraftAnswer(draft), status=status)
