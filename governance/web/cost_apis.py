"""The API of money: limits, spend and the ledger."""

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from governance.actions.limits import remove_limit, set_limit
from governance.scopes import ScopeKind, Window
from governance.selectors import budgets, entries_of, lists, spend_by, total_spent
from governance.web import cost_serializers as serializers
from guildhall.api.inputs import checked, checked_query
from guildhall.api.views import View, answer


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
        """What was spent, by project, strategy, story, task, run, API key, owner or model."""
        lists.refuse_outsider(self.actor)
        wanted = checked_query(serializers.CostQuery, request)
        by, since, until = wanted["by"], wanted.get("since"), wanted.get("until")
        lines = spend_by(by, since=since, until=until)
        return answer(
            serializers.CostAnswer({"by": by, "total": total_spent(since=since, until=until), "lines": lines})
        )


class LedgerView(View):
    @extend_schema(parameters=[serializers.LedgerQuery], responses=serializers.LedgerLine(many=True))
    def get(self, request: Request) -> Response:
        """The newest 200 lines of the ledger of one owner."""
        lists.refuse_outsider(self.actor)
        wanted = checked_query(serializers.LedgerQuery, request)
        return answer(serializers.LedgerLine(entries_of(wanted["by"], wanted["id"]), many=True))
