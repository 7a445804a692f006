"""Connecting a repository that is on GitHub: the token is tried and the commits are fetched before anything is written."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from django.conf import settings

from gpu_workers.actions.connections import keep_hook_secret, keep_token, require_checks
from gpu_workers.actions.forges import NewConnection, connect_repository
from gpu_workers.folders import repository_folder
from gpu_workers.forges.addresses import checked_place
from gpu_workers.forges.choosing import hook_of, token_of
from gpu_workers.forges.remote import Remote
from gpu_workers.forges.rest import Api
from gpu_workers.forges.vault import seal
from gpu_workers.models import ForgeConnection, Repository
from gpu_workers.policies import may, may_connect
from gpu_workers.repos.repository import init
from gpu_workers.sandbox.workspace import remove_tree
from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import Conflict, Denied, Invalid, Unavailable
from guildhall.kernel.redaction import keep_secret, tried_secret
from guildhall.kernel.tenancy import current_tenant, release_connection
from workflows.actions.repository_terms import LONGEST, wrong_with_branch

GITHUB = "https://api.github.com"
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,59}")
FULL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,38}/[A-Za-z0-9._-]{1,100}")


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody wants connected: our name for it, GitHub's (`owner/name`), and a token that may push there."""

    name: str
    full_name: str
    token: str
    ci_command: str
    api_url: str = GITHUB
    requires_checks: bool = True


@dataclass(frozen=True, slots=True)
class Connected:
    """The repository, and what GitHub's settings for a webhook ask for. The secret is shown this once."""

    repository: Repository
    hook_path: str
    hook_secret: str


def connect(*, actor: Actor, wish: Wish) -> Connected:
    """Connect a repository. Raises `Invalid`, `Conflict`, `Denied`, `Unavailable` and `RateLimited`.

    Nothing is kept before everything is known to work, its commits included. Those that a crash left behind come with the
    first run.
    """
    if not may_connect(actor):
        raise Denied("repository.connect is for admin.")
    _refuse_unusable(wish)
    if Repository.objects.filter(name=wish.name).exists():
        raise Conflict(f"There is a repository {wish.name!r} already.")
    release_connection()
    with tried_secret(wish.token), _arriving(wish.name) as copy:
        found = _looked_up(wish)
        _refuse_unfit(found.default_branch)
        _refuse_unread(wish, found.default_branch)
        head = _fetched(wish, found, copy)
        connected = _keep(actor, wish, found, head)
        _settle(copy, repository_folder(wish.name))
    return connected


def _keep(actor: Actor, wish: Wish, found: _Found, head: str) -> Connected:
    """The rows of a connection whose commits are here."""
    keep_secret(wish.token, tenant=current_tenant())
    key, secret = secrets.token_urlsafe(24), secrets.token_urlsafe(32)
    new = NewConnection(
        name=wish.name,
        ci_command=wish.ci_command,
        default_branch=found.default_branch,
        head_sha=head,
        api_url=wish.api_url.rstrip("/"),
        clone_url=found.clone_url,
        full_name=found.full_name,
        token=seal(wish.token, token_of(wish.name)),
        hook_key=key,
        hook_secret=seal(secret, hook_of(wish.name)),
        requires_checks=wish.requires_checks,
    )
    return Connected(connect_repository(actor=actor, new=new), hook_path(key), secret)


def renew_token(*, actor: Actor, connection: ForgeConnection, token: str) -> None:
    """Have a connection use another token, which is tried first. Raises like `connect`; then the old one stays."""
    if not may(actor, "repository.renew_token"):
        raise Denied("repository.renew_token is for admin.")
    if problems := _token_problems(token):
        raise Invalid("The token was not accepted.", fields={"token": problems})
    name = connection.repository.name
    wish = Wish(name, connection.full_name, token, connection.repository.ci_command, connection.api_url)
    release_connection()
    with tried_secret(token):
        _looked_up(wish)
        _refuse_unread(wish, connection.repository.default_branch)
    keep_secret(token, tenant=current_tenant())
    keep_token(actor=actor, connection=connection, token=seal(token, token_of(name)))


def renew_hook_secret(*, actor: Actor, connection: ForgeConnection) -> str:
    """A new secret for the connection's webhook; it is shown this once."""
    secret = secrets.token_urlsafe(32)
    sealed = seal(secret, hook_of(connection.repository.name))
    keep_hook_secret(actor=actor, connection=connection, hook_secret=sealed)
    return secret


def say_checks(*, actor: Actor, connection: ForgeConnection, required: bool) -> ForgeConnection:
    """As `require_checks`; where that is so already, nothing is written and nothing told. Raises `Denied`."""
    if connection.requires_checks == required and may(actor, "repository.require_checks"):
        return connection
    return require_checks(actor=actor, connection=connection, required=required)


def hook_path(key: str) -> str:
    """The path on the tenant's host that GitHub is to send to."""
    return f"/hooks/github/{key}/"


@dataclass(frozen=True, slots=True)
class _Found:
    full_name: str
    default_branch: str
    clone_url: str


def _refuse_unusable(wish: Wish) -> None:
    problems: dict[str, list[str]] = {}
    if not NAME.fullmatch(wish.name):
        problems["name"] = ["Lower-case letters, digits and hyphens, at most 60."]
    if not FULL_NAME.fullmatch(wish.full_name) or wish.full_name.endswith(("/.", "/..")):
        problems["full_name"] = ["Give it as owner/name."]
    if wrong := _token_problems(wish.token):
        problems["token"] = wrong
    if not 1 <= len(wish.ci_command.strip()) <= 400:
        problems["ci_command"] = ["Give the command that judges a commit, at most 400 characters."]
    if problems:
        raise Invalid("The repository was not connected.", fields=problems)
    place = checked_place(wish.api_url, loopback=bool(settings.FORGE_LOOPBACK))
    if place.parts.query:
        raise Invalid("The address must not have a query.", fields={"api_url": ["Leave out what follows the ?."]})


def _token_problems(token: str) -> list[str]:
    plain = 8 <= len(token) <= 400 and token.isascii() and token.isprintable()
    return [] if plain else ["Give a token of 8 to 400 plain characters."]


def _api(wish: Wish) -> Api:
    return Api(wish.api_url, wish.token, loopback=bool(settings.FORGE_LOOPBACK))


def _looked_up(wish: Wish) -> _Found:
    answer = _api(wish).call("GET", f"/repos/{wish.full_name}", allowed=(401, 403, 404))
    if answer.status != 200:
        problem = "GitHub knows no such repository, or the token may not see it."
        raise Invalid("The token was not accepted.", fields={"token": [problem]})
    data = answer.record()
    granted = data.get("permissions")
    if not isinstance(granted, dict) or not granted.get("push"):
        problem = "The token may not push to this repository."
        raise Invalid("The token was not accepted.", fields={"token": [problem]})
    if data.get("allow_merge_commit") is False:
        problem = (
            "GitHub's settings of this repository allow no merge commits, and approved commits are merged as they are."
        )
        raise Invalid("The repository was not connected.", fields={"full_name": [problem]})
    try:
        return _Found(str(data["full_name"]), str(data["default_branch"]), str(data["clone_url"])[:300])
    except KeyError as garbled:
        raise Unavailable("GitHub's answer cannot be used.") from garbled


def _refuse_unfit(branch: str) -> None:
    """What GitHub calls its default branch is taken where a person could name it here; and what it says later is not."""
    if wrong := wrong_with_branch(branch):
        problem = (
            f"GitHub calls {ascii(branch)[:LONGEST]} its default branch. {wrong} Make another one the default there."
        )
        raise Invalid("The repository was not connected.", fields={"full_name": [problem]})


def _refuse_unread(wish: Wish, branch: str) -> None:
    """Statuses are read all along, which a token may not allow that sees the repository."""
    path = f"/repos/{wish.full_name}/commits/{quote(branch, safe='')}/status"
    if _api(wish).call("GET", path, allowed=(403, 404, 409)).status == 403:
        problem = "The token may not read commit statuses; give it that permission as well."
        raise Invalid("The token was not accepted.", fields={"token": [problem]})


@contextmanager
def _arriving(name: str) -> Iterator[Path]:
    """A folder beside the repository's to fetch into: nobody else's attempt at the same name comes upon it."""
    copy = repository_folder(name).with_name(f".{name}-{secrets.token_hex(8)}.git")
    try:
        yield copy
    finally:
        remove_tree(copy)


def _fetched(wish: Wish, found: _Found, copy: Path) -> str:
    """The head of the default branch, with all its commits in `copy`: what is pushed later goes the same way."""
    remote = Remote(copy, found.clone_url, wish.token, loopback=bool(settings.FORGE_LOOPBACK))
    init(copy, bare=True)
    if remote.head(found.default_branch) is None:
        problem = "The commits cannot be read; an empty repository needs a first commit."
        raise Invalid("The repository was not connected.", fields={"full_name": [problem]})
    return remote.fetch(found.default_branch)


def _settle(copy: Path, folder: Path) -> None:
    """Put the fetched commits in their place. Whoever needs them there and finds none fetches them anew."""
    if not folder.exists():
        copy.rename(folder)
