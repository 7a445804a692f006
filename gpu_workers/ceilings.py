"""What a task may cost at most while an approval of its work stands."""

from decimal import Decimal

from governance.scopes import ScopeKind, Window
from governance.selectors import budgets, spend_of


def cost_ceiling(task: str) -> str:
    """The ceiling (US dollars, as text) that an approval of a task's work is bound to, as asked now.

    The task's limit in total; what it cost already where that is more, or where it has none.
    """
    limits = [limit.limit for limit in budgets(kind=ScopeKind.TASK, scope_id=task) if limit.window == Window.TOTAL]
    return f"{max([spent_on(task), *limits]).normalize():f}"


def spent_on(task: str) -> Decimal:
    """What the task has cost so far, in US dollars."""
    return spend_of("task", task).spent


def passes_ceiling(task: str, ceiling: object) -> bool:
    """Whether the task has cost more than an approval covers. One without a ceiling covers no cost at all."""
    return spent_on(task) > Decimal(str(ceiling or 0))
