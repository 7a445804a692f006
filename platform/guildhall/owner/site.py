"""The owner console: Django's admin, for owners alone, with our sign-in and our audit trail instead of its own."""

from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.http import urlencode
from unfold.sites import UnfoldAdminSite

from guildhall.kernel.actor import ActorKind
from guildhall.owner.alarms import alarms
from guildhall.owner.audit import audit_page
from guildhall.owner.model_admin import GovernedAdmin
from guildhall.owner.streams import retry_page, streams_page

NOT_OURS = frozenset({"password_change", "password_change_done", "view_on_site", "autocomplete"})
"""Views of the admin's own that would act or read past the governed actions, or that nothing here uses."""


class OwnerSite(UnfoldAdminSite):  # type: ignore[misc]
    """Everything under /admin/ on the platform's host."""

    index_title = "Platform"
    index_template = "owner/index.html"

    def has_permission(self, request: HttpRequest) -> bool:
        """Owners, as the host's middleware found them; nobody else, whatever a user row says."""
        actor = getattr(request, "actor", None)
        return actor is not None and actor.kind is ActorKind.OWNER

    def register(self, model_or_iterable: Any, admin_class: Any = None, **options: Any) -> None:
        """Takes models that are changed by governed actions. Installed packages offer theirs as well, second factors
        with their secrets and groups that mean nothing here: those stay out."""
        if admin_class is not None and issubclass(admin_class, GovernedAdmin):
            super().register(model_or_iterable, admin_class, **options)

    def get_urls(self) -> list[URLPattern]:
        ours = [
            path("audit/", self.admin_view(self.audit), name="audit"),
            path("streams/", self.admin_view(self.streams), name="streams"),
            path(
                "streams/<str:schema>/<str:consumer>/retry/", self.admin_view(self.retry_letters), name="streams-retry"
            ),
        ]
        return ours + [pattern for pattern in super().get_urls() if getattr(pattern, "name", None) not in NOT_OURS]

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The rooms of the console, under what is wrong now."""
        answer: HttpResponse = super().index(request, {**(extra_context or {}), "alarms": alarms()})
        return answer

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The platform's sign-in, which knows the second factor."""
        return HttpResponseRedirect(f"{reverse('sign-in')}?{urlencode({'next': request.GET.get('next', '/admin/')})}")

    def logout(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Sends the form on to the sign-out that is written down."""
        return HttpResponseRedirect(reverse("sign-out"), preserve_request=True)

    def audit(self, request: HttpRequest) -> HttpResponse:
        """What was done on the platform, read-only."""
        return audit_page(request, self.each_context(request))

    def streams(self, request: HttpRequest) -> HttpResponse:
        """How the delivery of events stands in all organisations."""
        return streams_page(request, self.each_context(request))

    def retry_letters(self, request: HttpRequest, schema: str, consumer: str) -> HttpResponse:
        """Hand a tenant's dead letters of one consumer over once more."""
        return retry_page(request, self.each_context(request), schema, consumer)
