"""The API of money: limits, spend and the ledger."""

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from governance.actions.charges import adjust_cost
from governance.actions.limits import remove_limit, set_limit
from governance.scopes import ScopeKind, Window
from governance.selectors import (
    budgets,
    differences,
    limits,
    lists,
    reconciliations,
    spend_by,
    spend_by_day,
    total_spent,
)
from governance.selectors.ledger import LedgerFilter, ledger
from governance.web import cost_serializers as serializers
from guildhall.api.inputs import checked, checked_query
from guildhall.api.views import View, answer
from guildhall.kernel.errors import NotFound


class BudgetsView(View):
    @extend_schema(responses=serializers.BudgetAnswer(many=True))
    def get(self, request: Request) -> Response:
        """Limits in use in their present windows."""
        lists.refuse_outsider(self.actor)
        return answer(serializers.BudgetAnswer(budgets(), many=True))

    @extend_schema(request=serializers.BudgetBody, responses=serializers.BudgetAnswer(many=True))
    def put(self, request: Request) -> Response:
        """Set a limit; it counts at once. The answer are the limits of that kind and id."""
        given = checked(serializers.BudgetBody, request)
        kind, scope_id = ScopeKind(given["scope_kind"]), given["scope_id"]
        set_limit(
            actor=self.actor, kind=kind, scope_id=scope_id, window=Window(given["window"]), amount=given["amount"]
        )
        return answer(serializers.BudgetAnswer(budgets(kind=kind, scope_id=scope_id), many=True))

    @extend_schema(parameters=[serializers.BudgetQuery], responses={204: None})
    def delete(self, request: Request) -> Response:
        """Take a limit away; where its kind has a default, that counts again at once."""
        given = checked_query(serializers.BudgetQuery, request)
        kind, window = ScopeKind(given["scope_kind"]), Window(given["window"])
        remove_limit(actor=self.actor, kind=kind, scope_id=given["scope_id"], window=window)
        return Response(status=204)


class CostsView(View):
    @extend_schema(parameters=[serializers.CostQuery], responses=serializers.CostAnswer)
    def get(self, request: Request) -> Response:
        """What was spent, by project, strategy, story, task, run, API key, owner, agent, model, kind or provider."""
        lists.refuse_outsider(self.actor)
        wanted = checked_query(serializers.CostQuery, request)
        by, since, until = wanted["by"], wanted.get("since"), wanted.get("until")
        lines = spend_by(by, since=since, until=until)
        return answer(
            serializers.CostAnswer({"by": by, "total": total_spent(since=since, until=until), "lines": lines})
        )


class CostDaysView(View):
    @extend_schema(parameters=[serializers.CostQuery], responses=serializers.DaysAnswer)
    def get(self, request: Request) -> Response:
        """What was spent on each day (UTC) and by whom; an entry belongs to the day of its reservation."""
        lists.refuse_outsider(self.actor)
        wanted = checked_query(serializers.CostQuery, request)
        by, between = wanted["by"], {"since": wanted.get("since"), "until": wanted.get("until")}
        found = {"by": by, "total": total_spent(**between), "lines": spend_by_day(by, **between)}
        return answer(serializers.DaysAnswer(found))


class LimitsView(View):
    @extend_schema(responses=serializers.LimitAnswer(many=True))
    def get(self, request: Request) -> Response:
        """Every limit that is set, also those that nothing uses now; `budgets` has each use."""
        lists.refuse_outsider(self.actor)
        return answer(serializers.LimitAnswer(limits(), many=True))


class LedgerView(View):
    @extend_schema(parameters=[serializers.LedgerQuery], responses=serializers.LedgerLine(many=True))
    def get(self, request: Request) -> Response:
        """Lines of the ledger, newest first; for the next page send the last `id` as `before`."""
        lists.refuse_outsider(self.actor)
        wanted = checked_query(serializers.LedgerQuery, request)
        columns = {wanted["by"]: wanted["id"]} if "by" in wanted else {}
        columns |= {"kind": wanted["kind"]} if "kind" in wanted else {}
        fitting = LedgerFilter(columns, since=wanted.get("since"), until=wanted.get("until"))
        lines = ledger(fitting, before=wanted.get("before"), limit=wanted["limit"])
        return answer(serializers.LedgerLine(lines, many=True))


class AdjustmentsView(View):
    @extend_schema(request=serializers.CostAdjustmentBody, responses={201: serializers.CostAdjustmentAnswer})
    def post(self, request: Request) -> Response:
        """Set what a call has cost in the end; the ledger gets a line of the difference. Admins may; once each."""
        lists.refuse_outsider(self.actor)
        given = checked(serializers.CostAdjustmentBody, request)
        difference = adjust_cost(actor=self.actor, **given)
        return answer(serializers.CostAdjustmentAnswer({**given, "difference": difference}), status=201)


class ReconciliationsView(View):
    @extend_schema(responses=serializers.ReconciliationAnswer(many=True))
    def get(self, request: Request) -> Response:
        """The newest 50 comparisons of providers' own usage with the ledger."""
        lists.refuse_outsider(self.actor)
        return answer(serializers.ReconciliationAnswer(reconciliations(), many=True))


class DifferencesView(View):
    @extend_schema(responses=serializers.DifferenceAnswer(many=True))
    def get(self, request: Request, pk: int) -> Response:
        """What one comparison found, uncorrected differences first."""
        lists.refuse_outsider(self.actor)
        if all(row.id != pk for row in reconciliations()):
            raise NotFound("There is no such comparison.")
        return answer(serializers.DifferenceAnswer(differences(pk), many=True))
