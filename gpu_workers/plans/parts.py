"""What an installation is made of, told the same way for Compose and for Kubernetes, and what changes in it. Pure."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from gpu_workers.plans.risks import Risk, sorted_risks

SECRET = re.compile(r"(?i)(passw|secret|token|api_?key|private_?key|credential)")
SHOWN = 120
PRIVATE = ("/var/run/docker.sock", "/run/docker.sock", "/etc", "/root", "/proc", "/sys", "/dev", "/var/lib", "/boot")


@dataclass(frozen=True, slots=True)
class Part:
    """One service or object: its facts by name, in words that may be shown, and what is dangerous about it.

    Values of the environment are no facts: they may be secrets. Their `fingerprints` say only whether they changed.
    """

    name: str
    facts: Mapping[str, str] = field(default_factory=dict)
    risks: tuple[Risk, ...] = ()
    fingerprints: Mapping[str, int] = field(default_factory=dict)


def changes(before: Mapping[str, Part], after: Mapping[str, Part]) -> list[str]:
    """What is added, removed and changed, part by part, in words."""
    lines = [f"+ {name}: {_all(part)}" for name, part in sorted(after.items()) if name not in before]
    lines += [f"- {name}" for name in sorted(before) if name not in after]
    for name in sorted(set(before) & set(after)):
        lines += _changed(name, before[name], after[name])
    return lines


def removed(before: Mapping[str, Part], after: Mapping[str, Part], what: str) -> list[Risk]:
    """Parts that would be gone."""
    return [Risk("medium", what, name) for name in sorted(before) if name not in after]


def dangers(parts: Iterable[Part]) -> list[Risk]:
    return sorted_risks(risk for part in parts for risk in part.risks)


def image_risks(image: str, where: str) -> list[Risk]:
    """An image without a fixed tag is another one tomorrow."""
    tag = image.rpartition("/")[2].partition(":")[2]
    loose = image and "@" not in image and tag in ("", "latest")
    return [Risk("low", f"the image {image[:SHOWN]} has no fixed tag", where)] if loose else []


def host_path_risks(path: str, where: str) -> list[Risk]:
    """A path of the host inside of a container."""
    plain = "/" + posixpath.normpath(path).lstrip("/")
    if plain in ("/", *PRIVATE) or plain.startswith(tuple(f"{one}/" for one in PRIVATE)):
        return [Risk("high", f"reaches {path[:SHOWN]} of the host", where)]
    return []


def secret_risks(name: str, value: object, where: str) -> list[Risk]:
    """A secret that stands in the file itself; a reference to one is fine."""
    text = "" if value is None else str(value)
    return [Risk("high", f"{name[:SHOWN]} stands in the file in the clear", where)] if (
        SECRET.search(name) and text and "$" not in text
    ) else []  # fmt: skip


def short(value: object) -> str:
    text = str(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


def _all(part: Part) -> str:
    return "; ".join(f"{name} {value}" for name, value in sorted(part.facts.items()) if value) or "without facts"


def _changed(name: str, before: Part, after: Part) -> list[str]:
    lines = []
    for fact in sorted({*before.facts, *after.facts}):
        was, now = before.facts.get(fact, ""), after.facts.get(fact, "")
        if was != now:
            lines.append(f"~ {name}: {fact} {was or 'none'} -> {now or 'none'}")
    for variable in sorted({*before.fingerprints, *after.fingerprints}):
        was_there, is_there = variable in before.fingerprints, variable in after.fingerprints
        if was_there and is_there and before.fingerprints[variable] == after.fingerprints[variable]:
            continue
        word = "changes" if was_there and is_there else "is new" if is_there else "goes"
        lines.append(f"~ {name}: {short(variable)} {word}")
    return lines
