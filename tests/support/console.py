"""A browser of an owner on the platform's host, and what the console's tests ask of it."""

import itertools
import os
from typing import Any

from django.conf import settings

from guildhall.evidence.selectors import recent
from guildhall.kernel.tenancy import identity_scope, platform_scope
from tenants.models import User
from tenants.web.door import account_actor
from tests.support.clients import Browser
from tests.support.tenants import PASSWORD, Member

_numbers = itertools.count(1)


def new_owner() -> Member:
    """A committed owner of the platform."""
    email = f"owner-{os.getpid()}-{next(_numbers)}@owners.example"
    with identity_scope():
        user = User.objects.create_user(email, f"Owner {next(_numbers)}", PASSWORD, is_owner=True)
    return Member(account_actor(user), email)


def console(owner: Member) -> Browser:
    """A browser in which `owner` is signed in."""
    browser = Browser(settings.PUBLIC_HOST)
    answer = browser.sign_in(owner)
    assert (answer.status_code, answer["Location"]) == (302, "/admin/"), answer.content
    return browser


def errors(answer: Any) -> dict[str, list[str]]:
    """What the form of a page of the console says, by field."""
    found: dict[str, list[str]] = dict(answer.context["adminform"].form.errors)
    return found


def recorded(subject: str, *, kind: str | None = None) -> list[dict[str, Any]]:
    """The platform's audit entries about `subject`, newest first."""
    with platform_scope():
        return recent(subject=subject, kinds=[kind] if kind else None)
