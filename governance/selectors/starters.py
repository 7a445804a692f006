"""Which API key had work begun."""

from governance.models import Starter
from governance.scopes import Scope, ScopeKind


def key_scopes(*subjects: str) -> tuple[Scope, ...]:
    """The scope of the API key through which the first of `subjects` was begun that was begun through one; else none."""
    found = dict(Starter.objects.filter(subject__in=subjects).values_list("subject", "api_key"))
    key = next((found[subject] for subject in subjects if subject in found), "")
    return (Scope(ScopeKind.API_KEY, key),) if key else ()
