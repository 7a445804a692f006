"""The API of change requests and of what is said of their lines."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from gpu_workers import selectors
from gpu_workers.actions.remarks import NewRemark, edit_remark, withdraw_remark
from gpu_workers.actions.reverts import request_revert
from gpu_workers.models import ChangeRemark, ChangeRequest
from gpu_workers.remarking import write_remark
from gpu_workers.repos import FileDiff
from gpu_workers.shown_diffs import shown_diff
from gpu_workers.web import serializers
from gpu_workers.web.change_serializers import ChangeAnswer, RemarkAnswer, RemarkBody, RemarkEdit
from gpu_workers.web.change_shown import approvals_of
from guildhall.api.conditional import IF_MATCH, required_version
from guildhall.api.inputs import checked, checked_query
from guildhall.api.views import ListView, View, answer
from guildhall.kernel.errors import Unavailable


class ChangesView(ListView[ChangeRequest]):
    serializer_class = serializers.ChangeSummary
    queryset = ChangeRequest.objects.none()
    orderings = {"-number": ("-number",), "number": ("number",)}

    def get_queryset(self) -> Any:
        wanted = checked_query(serializers.ChangeQuery, self.request)
        project = wanted.pop("project", "")
        found = selectors.changes_visible_to(self.actor).filter(**wanted)
        return selectors.changes_of_project(found, project) if project else found

    @extend_schema(parameters=[serializers.ChangeQuery])
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Change requests, newest first."""
        return super().get(request, *args, **kwargs)


class ChangeView(View):
    @extend_schema(responses=ChangeAnswer)
    def get(self, request: Request, number: int) -> Response:
        """One change request with its diff, at most 512 KiB of it, and what CI and people said of it."""
        change = selectors.change_for(self.actor, number)
        context = {"diff": _diff(change), "approvals": approvals_of(self.actor, change)}
        return answer(ChangeAnswer(change, context=context))


def _diff(change: ChangeRequest) -> list[FileDiff] | None:
    """None where it cannot be read: what else there is to say of the change is said all the same, as on its page."""
    try:
        return shown_diff(change.repository, change.base_sha, change.head_sha)
    except Unavailable:
        return None


class ChangeRevertView(View):
    @extend_schema(request=serializers.ReasonBody, responses={202: serializers.ChangeSummary})
    def post(self, request: Request, number: int) -> Response:
        """Have a merged change undone by a new commit on the default branch. The state turns to reverted once it is."""
        change = selectors.change_for(self.actor, number)
        reason = checked(serializers.ReasonBody, request)["reason"]
        request_revert(actor=self.actor, change=change, reason=reason)
        return answer(serializers.ChangeSummary(selectors.change_for(self.actor, number)), status=202)


class RemarksView(ListView[ChangeRemark]):
    """What was said of a change's lines, newest first; outdated remarks are of an earlier commit."""

    serializer_class = RemarkAnswer
    queryset = ChangeRemark.objects.none()

    def get_queryset(self) -> Any:
        change = selectors.change_for(self.actor, self.kwargs["number"])
        return change.remarks.select_related("change").order_by("-pk")

    @extend_schema(request=RemarkBody, responses={201: RemarkAnswer})
    def post(self, request: Request, number: int) -> Response:
        """Remark on a line that the diff shows, in a built-in repository. The next run for the task reads it."""
        change = selectors.change_for(self.actor, number)
        made = write_remark(self.actor, change, NewRemark(**checked(RemarkBody, request)))
        return answer(RemarkAnswer(made), status=201)


class RemarkView(View):
    @extend_schema(responses=RemarkAnswer)
    def get(self, request: Request, number: int, pk: int) -> Response:
        """One remark. The ETag is for editing it."""
        return _remark(self, number, pk)

    @extend_schema(request=RemarkEdit, responses=RemarkAnswer, parameters=[IF_MATCH])
    def patch(self, request: Request, number: int, pk: int) -> Response:
        """Mend one's own remark while no run has read it. If-Match is required."""
        remark, version = selectors.remark_for(self.actor, number, pk), required_version(request)
        edit_remark(actor=self.actor, remark=remark, version=version, **checked(RemarkEdit, request))
        return _remark(self, number, pk)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, number: int, pk: int) -> Response:
        """Take one's own remark back while no run has read it."""
        withdraw_remark(actor=self.actor, remark=selectors.remark_for(self.actor, number, pk))
        return Response(status=204)


def _remark(view: View, number: int, pk: int) -> Response:
    found = selectors.remark_for(view.actor, number, pk)
    return answer(RemarkAnswer(found), version=found.version)
