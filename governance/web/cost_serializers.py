"""What the API says and takes about money. Amounts are US dollars."""

from typing import Any

from rest_framework import serializers

from governance.scopes import ScopeKind, Window
from governance.selectors.money import DIMENSIONS


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


class LedgerQuery(serializers.Serializer[Any]):
    by = serializers.ChoiceField(sorted(DIMENSIONS))
    id = serializers.CharField(max_length=120, help_text="Such as 318 for a run.")


class LedgerLine(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    kind = serializers.CharField(help_text="reserve, commit, release or adjust.")
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
