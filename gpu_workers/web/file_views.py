"""A run's files, read-only: pages and API."""

from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from gpu_workers.incidents.evidence import split_lines
from gpu_workers.runs.files import Listing, look
from gpu_workers.selectors import run_for
from guildhall.api.inputs import checked_query
from guildhall.api.views import View, answer
from guildhall.portal.views import PageRequest, page


@page
def files(request: PageRequest, number: int, path: str = "") -> HttpResponse:
    """A folder or a file of the run, as it left them last."""
    run = run_for(request.actor, number)
    place, found = look(run, path)
    parts = [part for part in found.path.split("/") if part]
    context: dict[str, Any] = {
        "run": run,
        "place": place,
        "at": found.path,
        "above": [(part, "/".join(parts[: place + 1])) for place, part in enumerate(parts)],
    }
    if isinstance(found, Listing):
        context |= {"folder": found}
    else:
        lines = None if found.text is None else list(enumerate(split_lines(found.text), 1))
        context |= {"file": found, "lines": lines}
    return render(request, "gpu_workers/files.html", context)


class FileQuery(serializers.Serializer[Any]):
    path = serializers.CharField(max_length=1000, default="", allow_blank=True, help_text="Empty for the root.")


class FileEntryAnswer(serializers.Serializer[Any]):
    name = serializers.CharField()
    path = serializers.CharField()
    kind = serializers.CharField(help_text="folder, file, link or submodule")
    size = serializers.IntegerField(allow_null=True)


class FileLookAnswer(serializers.Serializer[Any]):
    commit = serializers.CharField(help_text="Empty for files that are not committed yet.")
    step = serializers.CharField(help_text="The run's step after which they were so; empty for a commit's.")
    path = serializers.CharField()
    kind = serializers.CharField(help_text="folder, file, link or submodule")
    entries = FileEntryAnswer(many=True, help_text="Of a folder.")
    left_out = serializers.IntegerField(help_text="Entries beyond those that are listed.")
    text = serializers.CharField(allow_null=True, help_text="Of a file, without secrets; null for what is no text.")


class RunFilesView(View):
    @extend_schema(parameters=[FileQuery], responses=FileLookAnswer)
    def get(self, request: Request, number: int) -> Response:
        """A folder or a file of the run as it left them last, committed or not; read-only."""
        run = run_for(self.actor, number)
        place, found = look(run, checked_query(FileQuery, request)["path"])
        told = {
            "commit": "" if place.step else place.sha,
            "step": place.step,
            "path": found.path,
            "kind": "folder" if isinstance(found, Listing) else found.kind,
            "entries": found.entries if isinstance(found, Listing) else [],
            "left_out": found.left_out if isinstance(found, Listing) else 0,
            "text": None if isinstance(found, Listing) else found.text,
        }
        return answer(FileLookAnswer(told))
