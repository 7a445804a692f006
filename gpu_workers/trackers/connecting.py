"""The issue trackers that projects name: tried before they are kept, sealed, and opened on behalf of an agent."""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings

from gpu_workers.actions.trackers import connect_tracker
from gpu_workers.connections import check_may_name
from gpu_workers.forges.choosing import KEPT, connection_of, token_of
from gpu_workers.forges.connecting import FULL_NAME, GITHUB
from gpu_workers.forges.rest import Api
from gpu_workers.forges.vault import Opening, opened, seal
from gpu_workers.models import ProjectTracker
from gpu_workers.models.tracker import TrackerKind
from gpu_workers.reach.bounds import networks
from gpu_workers.trackers.github import GitHubIssues
from gpu_workers.trackers.linear import TEAM, Linear
from gpu_workers.trackers.protocol import Tracker
from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import Invalid
from guildhall.kernel.redaction import keep_secret, tried_secret
from guildhall.kernel.tenancy import current_tenant, release_connection

LINEAR = "https://api.linear.app/graphql"
TOKEN = "issue tracker's token"  # noqa: S105


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody wants connected. `place` is `owner/name` at GitHub, a team's key at Linear.

    Without a `token` a project whose repository is on GitHub uses the one of that repository, and without a `place` its issues.
    """

    project: str
    repository: str
    kind: str
    place: str = ""
    token: str = ""
    api_url: str = ""


def connect(*, actor: Actor, wish: Wish) -> ProjectTracker:
    """Let a project's PM agents work with its issues. Raises `Invalid`, `Conflict`, `Denied`, `Unavailable`, `RateLimited`.

    The token is tried first; nothing is kept before it is known to work.
    """
    check_may_name(actor, "tracker.connect", ProjectTracker, wish.project)
    if wish.kind == TrackerKind.GITHUB and not wish.token:
        wish = _of_repository(actor, wish)
    url = (wish.api_url or (GITHUB if wish.kind == TrackerKind.GITHUB else LINEAR)).rstrip("/")
    _refuse_unusable(wish, url)
    release_connection()
    try:
        with tried_secret(wish.token):
            _tracker(wish.kind, url, wish.place, wish.token).check()
    except Invalid as refused:
        raise Invalid(
            "The issue tracker was not connected.", fields=refused.fields or {"token": [refused.detail]}
        ) from refused
    keep_secret(wish.token, tenant=current_tenant())
    return connect_tracker(
        actor=actor,
        project=wish.project,
        kind=wish.kind,
        api_url=url,
        place=wish.place,
        token=seal(wish.token, sealed_for(wish.project)),
    )


def tracker_of(row: ProjectTracker, opening: Opening) -> Tracker:
    """The tracker, ready to be asked. Its token is opened, which is recorded as `opening` says."""
    token = opened(row.token, sealed_for(row.project), subject=row.ref, what=TOKEN, opening=opening)
    return _tracker(row.kind, row.api_url, row.place, token)


def sealed_for(project: str) -> str:
    """What a project's token is sealed for."""
    return f"issue tracker of {project}"


def _tracker(kind: str, url: str, place: str, token: str) -> Tracker:
    loopback, private = bool(settings.FORGE_LOOPBACK), networks(settings.TOOL_NETWORKS)
    if kind == TrackerKind.LINEAR:
        return Linear(url, token, place, loopback=loopback, private=private)
    return GitHubIssues(Api(url, token, loopback=loopback, private=private), place)


def _of_repository(actor: Actor, wish: Wish) -> Wish:
    """With what the project's repository is connected with, which is then kept for this as well."""
    connection = connection_of(wish.repository)
    if connection is None:
        problem = "Give a token: the project's repository is not on GitHub."
        raise Invalid("The issue tracker was not connected.", fields={"token": [problem]})
    opening = Opening(actor, f"connecting the issue tracker of {wish.project}")
    token = opened(connection.token, token_of(wish.repository), subject=connection.ref, what=KEPT, opening=opening)
    if wish.place not in ("", connection.full_name) or wish.api_url.rstrip("/") not in ("", connection.api_url):
        problem = "The repository's token is for its own issues; give another one for others."
        raise Invalid("The issue tracker was not connected.", fields={"token": [problem]})
    return Wish(wish.project, wish.repository, wish.kind, connection.full_name, token, connection.api_url)


def _refuse_unusable(wish: Wish, url: str) -> None:
    problems: dict[str, list[str]] = {}
    if wish.kind not in TrackerKind.values:
        problems["kind"] = [f"Choose one of {', '.join(TrackerKind.values)}."]
    form, said = (
        (TEAM, "Give the team's key, like ENG.")
        if wish.kind == TrackerKind.LINEAR
        else (FULL_NAME, "Give it as owner/name.")
    )
    if not form.fullmatch(wish.place) or wish.place.endswith(("/.", "/..")):
        problems["place"] = [said]
    if not 8 <= len(wish.token) <= 400 or not wish.token.isascii() or not wish.token.isprintable():
        problems["token"] = ["Give a token of 8 to 400 plain characters."]
    if len(url) > 200 or "?" in url:
        problems["api_url"] = ["Give an address of at most 200 characters, without a query."]
    if problems:
        raise Invalid("The issue tracker was not connected.", fields=problems)
