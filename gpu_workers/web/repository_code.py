"""The code of a repository for the people who work on it: a git bundle of its default branch, as a page and by API."""

from django.http import HttpResponse, StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request

from gpu_workers.folders import repository_folder
from gpu_workers.models import Repository
from gpu_workers.repos import GitError, head_of
from gpu_workers.repos.git import stream
from gpu_workers.selectors import repositories_visible_to
from guildhall.api.views import View
from guildhall.kernel.actor import Actor
from guildhall.kernel.errors import NotFound
from guildhall.kernel.tenancy import release_connection
from guildhall.portal.views import PageRequest, page

MEDIA_TYPE = "application/octet-stream"


class RepositoryCodeView(View):
    @extend_schema(responses={(200, MEDIA_TYPE): OpenApiTypes.BINARY})
    def get(self, request: Request, name: str) -> StreamingHttpResponse:
        """The default branch with its history as a git bundle: `git clone -b BRANCH NAME.bundle` makes a working copy of it."""
        return bundle_of(self.actor, name)


@page
def code(request: PageRequest, name: str) -> HttpResponse:
    """The same as a download."""
    return bundle_of(request.actor, name)  # type: ignore[return-value]


def bundle_of(actor: Actor, name: str) -> StreamingHttpResponse:
    """The repository's default branch, streamed. Raises `NotFound` for one that `actor` may not see or that holds nothing."""
    row: Repository | None = repositories_visible_to(actor).filter(name=name).first()
    if row is None:
        raise NotFound(f"There is no repository {name!r} here, or it is not yours to see.")
    folder = repository_folder(row.name)
    release_connection()
    try:
        head_of(folder, row.default_branch)
    except GitError as empty:
        raise NotFound(f"{row.name} holds nothing yet.") from empty
    pieces = stream(folder, "bundle", "create", "--quiet", "-", f"refs/heads/{row.default_branch}")
    answer = StreamingHttpResponse(pieces, content_type=MEDIA_TYPE)
    answer["Content-Disposition"] = f'attachment; filename="{row.name}.bundle"'
    answer["X-Content-Type-Options"] = "nosniff"
    return answer
