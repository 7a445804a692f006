"""The images that builds may begin with: OCI layouts in one folder, which the platform's owner has put there."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

REF = "org.opencontainers.image.ref.name"
DOCKER = ("docker.io/library/", "index.docker.io/library/", "docker.io/")
DEPTH = 4
MAX_INDEX = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Base:
    """One image of a layout: `name` is the layout's place below the folder, `digest` that of its manifest."""

    name: str
    tag: str
    digest: str

    @property
    def reference(self) -> str:
        return f"{self.name}:{self.tag}"


class BaseImages:
    """What lies in the folder now; without one, nothing."""

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder

    def all(self) -> list[Base]:
        """Every image that has a tag, in order."""
        found = [base for place in self._layouts() for base in self._images(place)]
        return sorted(found, key=lambda base: base.reference)

    def find(self, reference: str) -> Base | None:
        """The image that `name[:tag][@digest]` names; None where there is none, or it has another digest."""
        named, _, digest = reference.partition("@")
        for prefix in DOCKER:
            named = named.removeprefix(prefix)
        name, _, tag = named.partition(":")
        return next(
            (
                base
                for base in self.all()
                if base.name == name
                and (base.tag == (tag or "latest") or (digest and not tag))
                and digest in ("", base.digest)
            ),
            None,
        )

    def _layouts(self) -> Iterator[Path]:
        if self.folder is None:
            return
        for folder, names, files in os.walk(self.folder):
            place = Path(folder)
            if "oci-layout" in files and "index.json" in files:
                names.clear()
                yield place
            elif len(place.relative_to(self.folder).parts) >= DEPTH:
                names.clear()

    def _images(self, place: Path) -> Iterator[Base]:
        assert self.folder is not None
        try:
            with (place / "index.json").open("rb") as stream:
                listed = json.loads(stream.read(MAX_INDEX))["manifests"]
            for one in listed:
                if tag := one.get("annotations", {}).get(REF):
                    yield Base(place.relative_to(self.folder).as_posix(), str(tag), str(one["digest"]))
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            # A layout that is being written, or is none: what cannot be read cannot be built on.
            return
