"""The API of proposals about a backlog."""

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from gpu_workers.actions.proposals import DECISIONS, ask_proposal, decide_proposal
from gpu_workers.models import Proposal
from gpu_workers.models.proposal import ProposalKind, ProposalState
from gpu_workers.planner.reading import find_proposal, proposals_visible_to
from guildhall.api.inputs import checked, checked_query
from guildhall.api.views import ListView, View, answer
from workflows.selectors.lists import find_project


class BacklogProposalBody(serializers.Serializer[Any]):
    project = serializers.CharField(max_length=24, help_text="A project's key.")
    kind = serializers.ChoiceField(ProposalKind.choices)
    wish = serializers.CharField(max_length=2000, required=False, allow_blank=True, default="")
    capacity = serializers.IntegerField(
        min_value=1, max_value=10_000, required=False, allow_null=True, default=None, help_text="Points, of a roadmap."
    )


class ProposalQuery(serializers.Serializer[Any]):
    state = serializers.ChoiceField(ProposalState.choices, required=False)
    kind = serializers.ChoiceField(ProposalKind.choices, required=False)
    project = serializers.CharField(max_length=24, required=False)


class ProposalVerdictBody(serializers.Serializer[Any]):
    decision = serializers.ChoiceField(DECISIONS)
    feedback = serializers.CharField(
        max_length=2000, required=False, allow_blank=True, default="", help_text="At least 10 characters to reject."
    )


class BacklogProposalSummary(serializers.ModelSerializer[Proposal]):
    state = serializers.ChoiceField(ProposalState.choices)

    class Meta:
        model = Proposal
        fields: ClassVar = ["id", "kind", "project", "state", "asked_by", "agent", "run", "created_at", "decided_at"]


class ProposalEntry(serializers.Serializer[Any]):
    what = serializers.CharField()
    why_not = serializers.CharField(allow_blank=True, help_text="Empty where it was done.")


class BacklogProposalAnswer(BacklogProposalSummary):
    content = serializers.DictField(help_text="As the agent handed it in and the program checked it.")
    outcome = ProposalEntry(many=True)
    left_out = serializers.SerializerMethodField(
        help_text="Stories that the agent was not shown, as more waited than it is shown of them."
    )

    class Meta(BacklogProposalSummary.Meta):
        fields: ClassVar = [
            *BacklogProposalSummary.Meta.fields,
            "sprint",
            "capacity",
            "wish",
            "content",
            "reason",
            "decided_by",
            "feedback",
            "outcome",
            "left_out",
        ]

    def get_left_out(self, proposal: Proposal) -> int:
        return int(proposal.shown.get("left_out", 0))


class ProposalsView(ListView[Proposal]):
    serializer_class = BacklogProposalSummary
    queryset = Proposal.objects.none()

    def get_queryset(self) -> Any:
        return proposals_visible_to(self.actor).filter(**checked_query(ProposalQuery, self.request))

    @extend_schema(parameters=[ProposalQuery])
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Proposals, newest first."""
        return super().get(request, *args, **kwargs)

    @extend_schema(request=BacklogProposalBody, responses={201: BacklogProposalAnswer})
    def post(self, request: Request) -> Response:
        """Have a PM agent work out an order, a sprint plan or a roadmap. Nothing changes before a person accepts it."""
        given = checked(BacklogProposalBody, request)
        project = find_project(self.actor, given.pop("project"))
        made = ask_proposal(actor=self.actor, project=project.key, **given)
        return answer(BacklogProposalAnswer(find_proposal(self.actor, made.pk)), status=201)


class ProposalView(View):
    @extend_schema(responses=BacklogProposalAnswer)
    def get(self, request: Request, pk: int) -> Response:
        """One proposal with its content."""
        return answer(BacklogProposalAnswer(find_proposal(self.actor, pk)))


class ProposalDecisionView(View):
    @extend_schema(request=ProposalVerdictBody, responses=BacklogProposalAnswer)
    def post(self, request: Request, pk: int) -> Response:
        """Accept or reject. What is accepted is carried out by the usual acts, in your name."""
        proposal = find_proposal(self.actor, pk)
        decide_proposal(actor=self.actor, proposal=proposal, **checked(ProposalVerdictBody, request))
        return answer(BacklogProposalAnswer(find_proposal(self.actor, pk)))
