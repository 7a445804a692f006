"""The API of runs and CI."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from gpu_workers import selectors
from gpu_workers.actions.retries import retry_run
from gpu_workers.actions.runs import cancel_run
from gpu_workers.models import CIRun, Run
from gpu_workers.web import serializers
from guildhall.api.inputs import checked, checked_query
from guildhall.api.views import ListView, View, answer


class RunsView(ListView[Run]):
    serializer_class = serializers.RunSummary
    queryset = Run.objects.none()
    orderings = {"-number": ("-number",), "number": ("number",)}

    def get_queryset(self) -> Any:
        wanted = checked_query(serializers.RunQuery, self.request)
        if "agent" in wanted:
            wanted["agent__name"] = wanted.pop("agent")
        return selectors.runs_visible_to(self.actor).filter(**wanted)

    @extend_schema(parameters=[serializers.RunQuery])
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Runs, newest first."""
        return super().get(request, *args, **kwargs)


class RunView(View):
    @extend_schema(responses=serializers.RunAnswer)
    def get(self, request: Request, number: int) -> Response:
        """One run with its five phases and every step."""
        return _run(self, number)


class RunLogView(View):
    @extend_schema(parameters=[serializers.LogQuery], responses=serializers.LogLine(many=True))
    def get(self, request: Request, number: int) -> Response:
        """Up to 500 pieces of the run's output after the piece `after`."""
        run = selectors.run_for(self.actor, number)
        after = checked_query(serializers.LogQuery, request)["after"]
        return answer(serializers.LogLine(selectors.log_of(run, after), many=True))


class RunCancelView(View):
    @extend_schema(request=serializers.ReasonBody, responses=serializers.RunAnswer)
    def post(self, request: Request, number: int) -> Response:
        """Stop a run for good; what it began is ended within seconds."""
        run = selectors.run_for(self.actor, number)
        cancel_run(actor=self.actor, run=run, reason=checked(serializers.ReasonBody, request)["reason"])
        return _run(self, number)


class RunRetryView(View):
    @extend_schema(request=serializers.ReasonBody, responses=serializers.RunAnswer)
    def post(self, request: Request, number: int) -> Response:
        """Have agents try again what they gave up on; a new run starts when one is free."""
        run = selectors.run_for(self.actor, number)
        retry_run(actor=self.actor, run=run, reason=checked(serializers.ReasonBody, request)["reason"])
        return _run(self, number)


class CIRunsView(ListView[CIRun]):
    serializer_class = serializers.CISummary
    queryset = CIRun.objects.none()

    def get_queryset(self) -> Any:
        return selectors.ci_visible_to(self.actor).filter(**checked_query(serializers.CIQuery, self.request))

    @extend_schema(parameters=[serializers.CIQuery])
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """What CI said, newest first; `?sha=` for one commit."""
        return super().get(request, *args, **kwargs)


class CIRunView(View):
    @extend_schema(responses=serializers.CIAnswer)
    def get(self, request: Request, pk: int) -> Response:
        """One answer of CI with its test cases and its log."""
        return answer(serializers.CIAnswer(selectors.ci_for(self.actor, pk)))


def _run(view: View, number: int) -> Response:
    return answer(serializers.RunAnswer(selectors.run_for(view.actor, number)))
