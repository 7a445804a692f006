"""Models in the console: read from their tables, changed by governed actions alone."""

from collections.abc import Callable, Container
from dataclasses import dataclass
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import models
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import urlencode
from unfold.admin import ModelAdmin as UnfoldModelAdmin
from unfold.widgets import UnfoldAdminTextareaWidget

from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import GuildhallError
from guildhall.owner.decorators import action


def actor_of(request: HttpRequest) -> Actor:
    """The owner behind a request that the site let in."""
    actor = getattr(request, "actor", None)
    if not isinstance(actor, Actor):
        raise PermissionDenied
    return actor


class _WithoutTransaction(admin.ModelAdmin):  # type: ignore[type-arg]
    """The admin's views without its transaction: a governed action opens its own, durable one, and takes no other."""

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        return self._changeform_view(request, object_id, form_url, extra_context)  # type: ignore[attr-defined]

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None) -> Any:
        return self._delete_view(request, object_id, extra_context)  # type: ignore[attr-defined]


class _Refused:
    """Mixed into a form class: what the action said, where it belongs."""

    refusal: ClassVar[GuildhallError]

    def full_clean(self: Any) -> None:
        super().full_clean()  # type: ignore[misc]
        shown = False
        for name, found in self.refusal.fields.items():
            for message in found:
                self.add_error(name if name in self.fields else None, message)
                shown = True
        if not shown:
            self.add_error(None, self.refusal.detail)


class GovernedAdmin(UnfoldModelAdmin, _WithoutTransaction):  # type: ignore[misc]
    """Everything is read-only until a subclass allows it and hands it to an action.

    A subclass that allows adding or changing overrides `save_model`; one that allows deleting, `delete_model`. What
    these raise as `GuildhallError` is shown in the form, and nothing has been written.
    """

    actions = None
    list_fullwidth = True
    compressed_fields = True

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        """Runs the form's action; when that refuses, the same form again with the reason in it."""
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except GuildhallError as error:
            request.refusal = error  # type: ignore[attr-defined]
            return super().changeform_view(request, object_id, form_url, extra_context)

    def get_form(self, request: HttpRequest, obj: models.Model | None = None, change: bool = False, **more: Any) -> Any:
        form = super().get_form(request, obj, change=change, **more)
        refusal = getattr(request, "refusal", None)
        return form if refusal is None else type(form.__name__, (_Refused, form), {"refusal": refusal})

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None) -> Any:
        try:
            return super().delete_view(request, object_id, extra_context)
        except GuildhallError as error:
            messages.error(request, error.detail)
            return HttpResponseRedirect(self._url("changelist"))

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        raise PermissionDenied

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        raise PermissionDenied

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Nothing: the action has written all there is."""

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        """Nothing: the action's record is the log."""

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        """Nothing: the action's record is the log."""

    def log_deletions(self, request: HttpRequest, queryset: Any) -> Any:
        """Nothing: the action's record is the log."""

    def history_view(self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None) -> Any:
        """An object's history is its part of the audit trail."""
        subject = getattr(self._found(request, object_id), "ref", "")
        return HttpResponseRedirect(f"{reverse('admin:audit')}?{urlencode({'subject': subject})}")

    def _found(self, request: HttpRequest, object_id: str) -> Any:
        obj = self.get_object(request, object_id)
        if obj is None:
            raise Http404(f"There is no such {self.opts.verbose_name}.")
        return obj

    def _url(self, view: str, *args: Any) -> str:
        return reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_{view}", args=args)

    def open_acts(self, object_id: Any) -> Container[str] | None:
        """Paths of the acts that make sense for the object as it is, the only ones with a button; None for all."""
        return None

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        wanted = self.open_acts(object_id)
        return [act for act in super().get_actions_detail(request, object_id) if wanted is None or act.path in wanted]

    def ask(self, request: HttpRequest, object_id: str, act: "Act") -> HttpResponse:
        """The page that says what `act` will do to the object and does it when the form is sent."""
        actor = actor_of(request)
        obj = self._found(request, object_id)
        form = act.form(request.POST or None)
        back = self._url("change", obj.pk)
        if request.method == "POST" and form.is_valid():
            try:
                act.perform(actor, obj, form.cleaned_data)
            except GuildhallError as error:
                form.add_error(None if "reason" not in error.fields else "reason", error.detail)
            else:
                messages.success(request, act.done.format(obj))
                return HttpResponseRedirect(back)
        context = {
            **self.admin_site.each_context(request),
            "title": act.title.format(obj),
            "act": act,
            "form": form,
            "back": back,
        }
        return render(request, "owner/act.html", context, status=422 if form.errors else 200)


class PlainForm(forms.Form):
    """A confirmation without a question."""


class ReasonForm(forms.Form):
    """Why; the action decides how long that has to be."""

    reason = forms.CharField(
        max_length=300, help_text="10 to 300 characters.", widget=UnfoldAdminTextareaWidget(attrs={"rows": 3})
    )


@dataclass(frozen=True, slots=True)
class Act:
    """Something done to one object after asking. `{}` in `title` and `done` is the object's name."""

    title: str
    consequence: str
    button: str
    done: str
    perform: Callable[[Actor, Any, dict[str, Any]], object]
    form: type[forms.Form] = PlainForm
    danger: bool = False


def acting_on(kind: str, act: Callable[..., object]) -> Callable[[Actor, Any, dict[str, Any]], object]:
    """Has a governed action carried out on the object, its `kind`, with what the form asks."""
    return lambda actor, obj, data: act(actor=actor, **{kind: obj}, **data)


def asks(act: Act, *, icon: str, label: str = "", path: str | None = None) -> Callable[..., HttpResponse]:
    """A button above an object that leads to the page of `act`, with its words or with `label`."""

    @action(label or act.button, icon=icon, url_path=path)
    def ask(self: GovernedAdmin, request: HttpRequest, object_id: str) -> HttpResponse:
        return self.ask(request, object_id, act)

    return ask
