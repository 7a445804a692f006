"""What the sign-in and account pages take. Rules that matter are in the actions; these keep nonsense away from them."""

from typing import Any

from django import forms
from django.core.validators import validate_email

from guildhall.kernel.errors import GuildhallError


class PageForm(forms.Form):
    """A form whose refused action is shown where it belongs: at its fields, or above them."""

    def refuse(self, error: GuildhallError) -> None:
        """Show `error` in place of what Django found."""
        for name, messages in error.fields.items():
            for message in messages:
                self.add_error(name if name in self.fields else None, message)
        if not error.fields:
            self.add_error(None, error.detail)


def _text(label: str, kind: str, complete: str, **options: Any) -> forms.CharField:
    attrs = {"class": "form-control", "autocomplete": complete}
    widget = forms.PasswordInput(attrs=attrs) if kind == "password" else forms.TextInput(attrs={**attrs, "type": kind})
    return forms.CharField(label=label, widget=widget, strip=kind != "password", **options)


class SignInForm(PageForm):
    email = _text("E-mail", "email", "username", max_length=254)
    password = _text("Password", "password", "current-password", max_length=1000)
    remember = forms.BooleanField(required=False, widget=forms.CheckboxInput(attrs={"class": "form-check-input"}))


class CodeForm(PageForm):
    code = _text("Code", "text", "one-time-code", max_length=40)


class AccountForm(PageForm):
    """For an invited person without an account."""

    name = _text("Your name", "text", "name", max_length=120)
    password = _text("Choose a password", "password", "new-password", max_length=1000)


class ProofForm(PageForm):
    """For an invited person who has one."""

    password = _text("Your Guildhall password", "password", "current-password", max_length=1000)


class PasswordForm(PageForm):
    old = _text("Password now", "password", "current-password", max_length=1000)
    new = _text("New password", "password", "new-password", max_length=1000)


class ForgottenForm(PageForm):
    email = _text("E-mail", "email", "username", max_length=254)

    def clean_email(self) -> str:
        """An address as the sign-in knows them: NUL and nonsense stay outside."""
        email = str(self.cleaned_data["email"]).strip().lower()
        validate_email(email)
        return email


class NewPasswordForm(PageForm):
    new = _text("New password", "password", "new-password", max_length=1000)
