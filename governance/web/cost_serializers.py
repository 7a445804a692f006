"""What the API says and takes about money. Amounts are US dollars."""

from typing import Any

from rest_framework import serializers

from governance.models import EntryKind
from governance.scopes import ScopeKind, Window
from governance.selectors.money import DIMENSIONS
from governance.spenders import spends

NAMES = {**{kind: str(kind) for kind in ScopeKind}, ScopeKind.API_KEY: "API key"}


class BudgetAnswer(serializers.Serializer[Any]):
    """A limit in its present window."""

    scope_kind = serializers.CharField()
    scope_id = serializers.CharField(allow_blank=True)
    window = serializers.CharField()
    limit = serializers.DecimalField(max_digits=20, decimal_places=10)
    reserved = serializers.DecimalField(max_digits=20, decimal_places=10)
    spent = serializers.DecimalField(max_digits=20, decimal_places=10)
    left = serializers.DecimalField(max_digits=20, decimal_places=10)
    until = serializers.DateTimeField(allow_null=True, help_text="null for a limit in total.")


class BudgetQuery(serializers.Serializer[Any]):
    scope_kind = serializers.ChoiceField([str(kind) for kind in ScopeKind])
    scope_id = serializers.CharField(
        max_length=120, default="", allow_blank=True, help_text="Empty: each of the kind without a limit of its own."
    )
    window = serializers.ChoiceField([str(window) for window in Window])


class BudgetBody(BudgetQuery):
    amount = serializers.DecimalField(max_digits=20, decimal_places=10, min_value=0)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        kind, scope_id = ScopeKind(attrs["scope_kind"]), attrs["scope_id"]
        if kind != ScopeKind.TENANT and not spends(kind, scope_id):
            words = f"There is no {NAMES[kind]} {scope_id} here. Leave it empty for each {NAMES[kind]}."
            raise serializers.ValidationError({"scope_id": [words]})
        return attrs


class CostQuery(serializers.Serializer[Any]):
    by = serializers.ChoiceField(sorted(DIMENSIONS), default="run", help_text="Whose spend each line adds up.")
    since = serializers.DateTimeField(required=False)
    until = serializers.DateTimeField(required=False)


class CostLine(serializers.Serializer[Any]):
    owner = serializers.CharField(allow_blank=True, help_text="Empty: what belongs to none of this kind.")
    spent = serializers.DecimalField(max_digits=20, decimal_places=10)
    tokens_in = serializers.IntegerField()
    tokens_out = serializers.IntegerField()
    tokens_cached = serializers.IntegerField()
    calls = serializers.IntegerField()


class CostAnswer(serializers.Serializer[Any]):
    """The lines add up to `total` exactly."""

    by = serializers.CharField()
    total = serializers.DecimalField(max_digits=20, decimal_places=10)
    lines = CostLine(many=True)


class DayLine(serializers.Serializer[Any]):
    day = serializers.DateField()
    owner = serializers.CharField(allow_blank=True, help_text="Empty: what belongs to none of this kind.")
    spent = serializers.DecimalField(max_digits=20, decimal_places=10)


class DaysAnswer(serializers.Serializer[Any]):
    """Days in UTC; the lines add up to `total` exactly."""

    by = serializers.CharField()
    total = serializers.DecimalField(max_digits=20, decimal_places=10)
    lines = DayLine(many=True)


class LimitAnswer(serializers.Serializer[Any]):
    """A limit as it was set. `fullest` is the scope that has used most of it in the present window."""

    scope_kind = serializers.CharField()
    scope_id = serializers.CharField(allow_blank=True, help_text="Empty: each of the kind without a limit of its own.")
    window = serializers.CharField()
    amount = serializers.DecimalField(max_digits=20, decimal_places=10)
    users = serializers.IntegerField(help_text="How many scopes use it in the present window.")
    fullest = BudgetAnswer(allow_null=True)


class LedgerQuery(serializers.Serializer[Any]):
    by = serializers.ChoiceField(sorted(DIMENSIONS), required=False, help_text="Only lines of one owner: whose kind.")
    id = serializers.CharField(max_length=160, required=False, help_text="And its id, such as 318 for a run.")
    kind = serializers.ChoiceField(EntryKind.choices, required=False)
    since = serializers.DateTimeField(required=False)
    until = serializers.DateTimeField(required=False)
    before = serializers.IntegerField(min_value=1, max_value=2**63 - 1, required=False, help_text="For the next page.")
    limit = serializers.IntegerField(min_value=1, max_value=200, default=200)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("by" in attrs) != ("id" in attrs):
            raise serializers.ValidationError({"id": ["Give both, by and id, or neither."]})
        return attrs


class LedgerLine(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    kind = serializers.CharField(help_text="reserve, commit, release or adjust.")
    cost_kind = serializers.CharField(help_text="model, compute or storage.")
    agent = serializers.CharField(allow_blank=True)
    quantity = serializers.DecimalField(
        max_digits=20, decimal_places=6, help_text="Seconds of compute or GiB of storage; 0 where tokens were paid for."
    )
    price_in = serializers.DecimalField(
        max_digits=20, decimal_places=10, help_text="US dollars per million tokens read."
    )
    price_out = serializers.DecimalField(max_digits=20, decimal_places=10, help_text="And per million written.")
    price_cached = serializers.DecimalField(
        max_digits=20, decimal_places=10, help_text="And per million read from the provider's cache."
    )
    unit_price = serializers.DecimalField(
        max_digits=20, decimal_places=10, help_text="US dollars for one of `quantity`."
    )
    provider = serializers.CharField(allow_blank=True)
    project = serializers.CharField(allow_blank=True)
    strategy = serializers.CharField(allow_blank=True)
    story = serializers.CharField(allow_blank=True)
    task = serializers.CharField(allow_blank=True)
    run = serializers.CharField(allow_blank=True)
    api_key = serializers.CharField(allow_blank=True)
    reason = serializers.CharField(allow_blank=True)
    key = serializers.CharField()
    owner = serializers.CharField()
    model = serializers.CharField()
    reserved_delta = serializers.DecimalField(max_digits=20, decimal_places=10)
    spent_delta = serializers.DecimalField(max_digits=20, decimal_places=10)
    tokens_in = serializers.IntegerField()
    tokens_out = serializers.IntegerField()
    tokens_cached = serializers.IntegerField()
    estimated = serializers.BooleanField()
    price_version = serializers.CharField()
    trace_id = serializers.CharField()
    operation_id = serializers.CharField()
    at = serializers.DateTimeField()


class ReconciliationAnswer(serializers.Serializer[Any]):
    """One comparison of a provider's own usage with the ledger. `problem` says why there is none."""

    id = serializers.IntegerField()
    provider = serializers.CharField()
    since = serializers.DateTimeField()
    until = serializers.DateTimeField()
    calls = serializers.IntegerField()
    ledger_cost = serializers.DecimalField(max_digits=20, decimal_places=10)
    provider_cost = serializers.DecimalField(max_digits=20, decimal_places=10)
    corrected = serializers.IntegerField(help_text="Estimates that were put right.")
    open = serializers.IntegerField(help_text="Differences that nothing has corrected.")
    problem = serializers.CharField(allow_blank=True)
    made_at = serializers.DateTimeField()


class DifferenceAnswer(serializers.Serializer[Any]):
    kind = serializers.CharField(help_text="amount, uncharged, or unknown to the provider.")
    reservation = serializers.UUIDField()
    key = serializers.CharField()
    owner = serializers.CharField()
    model = serializers.CharField()
    ledger_cost = serializers.DecimalField(max_digits=20, decimal_places=10)
    provider_cost = serializers.DecimalField(max_digits=20, decimal_places=10)
    gap = serializers.DecimalField(max_digits=20, decimal_places=10, help_text="What the provider counts above.")
    corrected = serializers.BooleanField(help_text="An estimate that was put right at once.")
    charged = serializers.DecimalField(max_digits=20, decimal_places=10, help_text="What the call costs by now.")


class CostAdjustmentBody(serializers.Serializer[Any]):
    reservation = serializers.UUIDField()
    charged = serializers.DecimalField(
        max_digits=20, decimal_places=10, min_value=0, help_text="What it is charged as you see it; 412 if it is not."
    )
    cost = serializers.DecimalField(
        max_digits=20, decimal_places=10, min_value=0, help_text="What it costs in the end."
    )
    reason = serializers.CharField(max_length=300)


class CostAdjustmentAnswer(serializers.Serializer[Any]):
    reservation = serializers.UUIDField()
    cost = serializers.DecimalField(max_digits=20, decimal_places=10)
    difference = serializers.DecimalField(
        max_digits=20, decimal_places=10, help_text="What the ledger's new line says."
    )
