"""A Containerfile as data: what it begins with, what it would run and fetch, judged before anything runs. Pure.

What it understands in another way than the builder does is caught by the builder's sandbox, which has no network and a rule of
its own against registries; what it does not understand is refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from gpu_workers.containers.bases import Base
from gpu_workers.containers.lines import Instruction, RecipeRefused, flags, instructions, sources, substituted
from gpu_workers.plans.parts import SECRET

LOCAL = "localhost"
KNOWN = frozenset(
    [
        "ADD",
        "ARG",
        "CMD",
        "COPY",
        "ENTRYPOINT",
        "ENV",
        "EXPOSE",
        "FROM",
        "HEALTHCHECK",
        "LABEL",
        "MAINTAINER",
        "ONBUILD",
        "RUN",
        "SHELL",
        "STOPSIGNAL",
        "USER",
        "VOLUME",
        "WORKDIR",
    ]
)
REMOTE = re.compile(r"(?i)\b(?:https?|ftp|git|ssh)://|\bgit@[\w.-]+:|\.git(?:#|\s|$)")
MOUNTS = ("bind", "cache")
PLATFORMS = frozenset({"$BUILDPLATFORM", "$TARGETPLATFORM", "${BUILDPLATFORM}", "${TARGETPLATFORM}"})
HEREDOC = re.compile(r"(?<![<\w])<<-?[\"']?[A-Za-z_]")
Find: TypeAlias = Callable[[str], Base | None]


@dataclass(slots=True)
class Recipe:
    """What a Containerfile asks for. `text` is what is built: the same, with the builder's own names of its images."""

    text: str = ""
    bases: dict[str, Base] = field(default_factory=dict)
    commands: list[str] = field(default_factory=list)
    stages: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def read_recipe(text: str, find: Find, accepted: list[str], machine: str) -> Recipe:
    """The recipe, judged. Raises RecipeRefused, which says the line, the reason and what would be accepted.

    `find` looks an image up, `accepted` are the names of all, `machine` is the builder's (`amd64`).
    """
    return _Reader(find, accepted, machine).read(text)


class _Reader:
    def __init__(self, find: Find, accepted: list[str], machine: str) -> None:
        self._find, self._accepted, self._machine = find, accepted, machine
        self._recipe = Recipe()
        self._values: dict[str, str] = {}

    def read(self, text: str) -> Recipe:
        found = instructions(text)
        self._recipe.warnings += found.notes
        lines = [self._judged(one, nested=False) for one in found.instructions]
        if not self._recipe.stages:
            raise RecipeRefused(1, "It has no FROM.")
        self._recipe.text = "\n".join([*lines, ""])
        return self._recipe

    def _judged(self, one: Instruction, *, nested: bool) -> str:
        if one.word not in KNOWN:
            raise RecipeRefused(one.line, f"{one.word[:40]!r} is no instruction that this builder knows.")
        if one.word not in ("ARG", "FROM") and not self._recipe.stages:
            raise RecipeRefused(one.line, "It has to begin with FROM; only ARG may come before.")
        if one.word in ("RUN", "COPY", "ADD") and HEREDOC.search(one.rest):
            raise RecipeRefused(one.line, "This builder knows no here-documents (<<); write a script and COPY it.")
        judge = {
            "FROM": self._from, "COPY": self._copy, "ADD": self._add, "RUN": self._run, "ARG": self._value, "ENV": self._value,
        }.get(one.word)  # fmt: skip
        if one.word == "ONBUILD":
            return self._on_build(one, nested)
        if nested and one.word in ("FROM", "MAINTAINER"):
            raise RecipeRefused(one.line, f"ONBUILD cannot have {one.word}.")
        return judge(one) if judge else f"{one.word} {one.rest}"

    def _on_build(self, one: Instruction, nested: bool) -> str:
        word, _, rest = one.rest.partition(" ")
        if nested:
            raise RecipeRefused(one.line, "ONBUILD cannot have ONBUILD.")
        return f"ONBUILD {self._judged(Instruction(one.line, word.upper(), rest.strip()), nested=True)}"

    def _from(self, one: Instruction) -> str:
        given, rest = flags(one)
        words = rest.split()
        for name, value in given:
            if name != "platform" or (value not in PLATFORMS and value not in (f"linux/{self._machine}", "linux")):
                raise RecipeRefused(
                    one.line, f"--{name}={value[:60]} cannot be given: images are for linux/{self._machine} here."
                )
        if len(words) not in (1, 3) or (len(words) == 3 and words[1].upper() != "AS"):
            raise RecipeRefused(one.line, "Write `FROM image` or `FROM image AS name`.")
        wanted = substituted(words[0], self._values, one)
        name = wanted if wanted == "scratch" or wanted.lower() in self._recipe.stages else self._base(wanted, one)
        self._recipe.stages.append(words[2].lower() if len(words) == 3 else "")
        return " ".join(["FROM", name, *(["AS", words[2]] if len(words) == 3 else [])])

    def _base(self, wanted: str, one: Instruction) -> str:
        base = self._find(wanted)
        if base is None:
            known = ", ".join(["scratch", *self._accepted[:40]])
            raise RecipeRefused(
                one.line,
                f"There is no image {wanted[:120]!r} here, and there is no network to fetch it. Accepted: {known}.",
            )
        if "@" not in wanted:
            self._warn(f"{wanted[:120]} is not pinned: write {base.reference}@{base.digest}")
        self._recipe.bases[f"{LOCAL}/{base.reference}"] = base
        return f"{LOCAL}/{base.reference}"

    def _copy(self, one: Instruction) -> str:
        given, rest = flags(one)
        _inside(rest, one)
        kept = [f"--{name}={self._origin(value, one) if name == 'from' else value}" for name, value in given]
        return " ".join([one.word, *kept, rest])

    def _origin(self, wanted: str, one: Instruction) -> str:
        if self._is_earlier(wanted.lower()):
            return wanted
        return self._base(substituted(wanted, self._values, one), one)

    def _is_earlier(self, name: str) -> bool:
        """Whether a stage before this one has that name or number."""
        earlier = self._recipe.stages[:-1]
        return name in earlier or name in map(str, range(len(earlier)))

    def _add(self, one: Instruction) -> str:
        _, rest = flags(one)
        _inside(rest, one)
        plain = substituted(rest, self._values, one, strict=False)
        if REMOTE.search(plain):
            raise RecipeRefused(
                one.line,
                "ADD of an address is refused: there is no network. Keep the file in the repository and COPY it.",
            )
        return f"ADD {one.rest}"

    def _run(self, one: Instruction) -> str:
        given, rest = flags(one)
        for name, value in given:
            if name == "network" and value in ("none", "default"):
                continue
            if name != "mount":
                raise RecipeRefused(one.line, f"RUN --{name}={value[:60]} is refused.")
            self._mount(value, one)
        self._recipe.commands.append(rest)
        return f"RUN {one.rest}"

    def _mount(self, value: str, one: Instruction) -> None:
        parts = dict(part.strip().partition("=")[::2] for part in value.lower().split(","))
        kind, origin = parts.get("type", "bind"), parts.get("from", "")
        if kind not in MOUNTS:
            raise RecipeRefused(
                one.line, f"RUN --mount of the type {kind[:40]!r} is refused: builds have no secrets, no agent and no "
                f"memory to fill. Accepted: {', '.join(MOUNTS)}.",
            )  # fmt: skip
        if origin and not self._is_earlier(origin):
            raise RecipeRefused(one.line, "RUN --mount can take files of an earlier stage alone; COPY --from an image.")

    def _value(self, one: Instruction) -> str:
        pairs = re.findall(r"([A-Za-z_]\w*)(?:=(\"[^\"]*\"|'[^']*'|\S*))?", one.rest)
        if one.word == "ENV" and "=" not in one.rest.split(" ", 1)[0]:
            name, _, value = one.rest.partition(" ")
            pairs = [(name, value.strip())]
        for name, value in pairs:
            self._values[name] = value.strip("\"'")
            if SECRET.search(name) and self._values[name] and "$" not in value:
                self._warn(f"{one.word} {name[:60]} puts a secret into the image, for everybody who has it")
        return f"{one.word} {one.rest}"

    def _warn(self, words: str) -> None:
        if words not in self._recipe.warnings:
            self._recipe.warnings.append(words)


def _inside(rest: str, one: Instruction) -> None:
    for source in sources(rest):
        if source == ".." or source.startswith("../") or "/../" in source or source.endswith("/.."):
            raise RecipeRefused(one.line, f"{source[:120]!r} leaves the context.")
