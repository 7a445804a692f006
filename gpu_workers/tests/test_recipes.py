"""What a Containerfile asks for, told before anything runs, and what of it is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gpu_workers.containers import BaseImages, Recipe, RecipeRefused, read_recipe

pytestmark = pytest.mark.unit
DIGEST = f"sha256:{'a' * 64}"


@pytest.fixture
def bases(tmp_path: Path) -> BaseImages:
    """`busybox:1` and `team/python:3.12`, a layout without a tag, and things that are none."""
    for name, tag in (("busybox", "1"), ("team/python", "3.12"), ("bare", "")):
        place = tmp_path / name
        place.mkdir(parents=True)
        named = {"annotations": {"org.opencontainers.image.ref.name": tag}} if tag else {}
        (place / "index.json").write_text(json.dumps({"manifests": [{"digest": DIGEST, **named}]}))
        (place / "oci-layout").write_text("{}")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "oci-layout").write_text("{}")
    (tmp_path / "broken" / "index.json").write_text('{"manifests": [1')
    return BaseImages(tmp_path)


def read(text: str, bases: BaseImages) -> Recipe:
    return read_recipe(text, bases.find, [base.reference for base in bases.all()], "amd64")


def test_a_recipe_is_rewritten_to_the_images_that_are_here(bases: BaseImages) -> None:
    found = read(
        """# escape=\\
ARG V=3.12
from --platform=$BUILDPLATFORM docker.io/library/busybox:1 as Making
RUN echo  one \\
    # left out

    && echo two
FROM team/python:${V}@DIGEST
COPY --from=making --chmod=755 ["/a  b", "/c"]
COPY --from=0 /a /b
COPY --from=busybox:1@DIGEST /bin/sh /sh
ENV PASSWORD=abc HOME=/x
""".replace("DIGEST", DIGEST),
        bases,
    )
    assert found.text.splitlines() == [
        "ARG V=3.12",
        "FROM localhost/busybox:1 AS Making",
        "RUN echo  one     && echo two",
        "FROM localhost/team/python:3.12",
        'COPY --from=making --chmod=755 ["/a  b", "/c"]',
        "COPY --from=0 /a /b",
        "COPY --from=localhost/busybox:1 /bin/sh /sh",
        "ENV PASSWORD=abc HOME=/x",
    ]
    assert found.commands == ["echo  one     && echo two"]
    assert sorted(found.bases) == ["localhost/busybox:1", "localhost/team/python:3.12"]
    assert found.warnings == [
        f"docker.io/library/busybox:1 is not pinned: write busybox:1@{DIGEST}",
        "ENV PASSWORD puts a secret into the image, for everybody who has it",
    ]
    assert [base.reference for base in bases.all()] == ["busybox:1", "team/python:3.12"]
    assert BaseImages(None).all() == []


@pytest.mark.parametrize(
    ("recipe", "said"),
    [
        ("FROM python:3.12\n", "Accepted: scratch, busybox:1, team/python:3.12."),
        ("FROM docker.io/library/busybox\n", "Accepted: scratch, busybox:1, team/python:3.12."),
        (f"FROM busybox:1@sha256:{'0' * 64}\n", "Accepted: scratch, busybox:1, team/python:3.12."),
        ("FROM oci:/workspace/mine\n", "no network to fetch it"),
        ("FROM ${NOTHING}\n", "give ARG NOTHING a default"),
        ("FROM scratch\nCOPY --from=evil.example/x:1 / /\n", "line 2: There is no image"),
        (f"FROM scratch\nCOPY --from={'9' * 5000} / /\n", "line 2: There is no image"),
        ("FROM scratch\nCOPY --from=\N{SUPERSCRIPT TWO} / /\n", "line 2: There is no image"),
        (f"FROM scratch\nRUN --mount=from={'9' * 5000},target=/x true\n", "an earlier stage alone"),
        ("FROM scratch\nADD http://127.0.0.1/x /x\n", "ADD of an address is refused"),
        ("ARG U=https://example.org\nFROM scratch\nADD ${U}/x /x\n", "ADD of an address is refused"),
        ('FROM scratch\nADD ["git@example.org:x/y.git", "/x"]\n', "ADD of an address is refused"),
        ("FROM scratch\nONBUILD ADD http://example.org/x /\n", "ADD of an address is refused"),
        ("FROM scratch\nCOPY ../../etc/shadow /x\n", "leaves the context"),
        ('FROM scratch\nCOPY ["a/../../x", "/x"]\n', "leaves the context"),
        ("FROM busybox:1\nRUN --mount=type=secret,id=x cat /run/secrets/x\n", "builds have no secrets"),
        ("FROM busybox:1\nRUN --mount=type=ssh ssh-add -l\n", "builds have no secrets"),
        ("FROM busybox:1\nRUN --mount=type=tmpfs,target=/x true\n", "builds have no secrets"),
        ("FROM busybox:1\nRUN --mount=type=bind,from=evil.example/x,target=/x true\n", "an earlier stage alone"),
        ("FROM busybox:1\nRUN --security=insecure true\n", "RUN --security=insecure is refused"),
        ("FROM busybox:1\nRUN <<END\nid\nEND\n", "no here-documents"),
        ("# syntax=evil.example/frontend\nFROM scratch\n", "is an image that would run"),
        ("# escape=`\nFROM scratch\n", "with a backslash alone"),
        ("FROM --platform=linux/s390x busybox:1\n", "cannot be given"),
        ("RUN id\nFROM scratch\n", "has to begin with FROM"),
        ("FROM busybox:1\nRUN --mount=target=/x\x1f,from=evil true\n", "line 2: It holds the control character U+001F"),
        ("FROM busybox:1\n\nRUN rm -rf /\\\\", "line 3: It ends with a backslash"),
        ("FROM scratch\nINCLUDE other\n", "no instruction"),
        ("# nothing\n", "It has no FROM"),
        ("FROM scratch\n" + "LABEL a=b\n" * 400, "more than 300 instructions"),
    ],
)
def test_what_is_not_here_or_reaches_out_is_refused_before_anything_runs(
    bases: BaseImages, recipe: str, said: str
) -> None:
    with pytest.raises(RecipeRefused) as caught:
        read(recipe, bases)
    assert said in str(caught.value)


@pytest.mark.parametrize("mark", ["\v", "\f", "\r", "\x85", "\u2028"])
def test_lines_end_at_line_feeds_alone_as_the_builder_ends_them(bases: BaseImages, mark: str) -> None:
    found = read(f"FROM scratch\n# left out{mark}RUN hidden\nCMD one{mark}RUN two\n", bases)
    assert (found.text, found.commands) == (f"FROM scratch\nCMD one{mark}RUN two\n", [])
