"""`var/demo.json`: where the demo is and how to sign in, for people and scripts. Mode 600."""

import json
import os
from pathlib import Path
from typing import Any

from django.conf import settings

from guildhall.demo.seeding import Demo, Person, public_url, tenant_url

STORY, HARD = "SHOP", "TILL"
"""Project keys of the story that the packaged model can do, and of the one that it cannot."""


def described(demo: Demo, owner: Person) -> dict[str, Any]:
    """What `demo.json` says of a demo tenant."""
    url = tenant_url(demo.host)
    people = {role: {"email": p.email, "password": p.password, "name": p.actor.name} for role, p in demo.people.items()}
    return {
        "tenant": demo.host.split(".")[0],
        "schema": demo.schema,
        "host": demo.host,
        "public_url": public_url(),
        "tenant_url": url,
        "owner": {"email": owner.email, "password": owner.password},
        "people": people,
        "api_key": demo.api_key,
        "stories": demo.stories,
        "story_url": f"{url}/stories/{demo.stories[STORY]}/",
        "approval_url": f"{url}/approvals/",
    }


def demo_file(tenant: str | None = None) -> Path:
    """The file of the first demo tenant, or of another one."""
    return settings.VAR_DIR / ("demo.json" if tenant is None else f"demo-{tenant}.json")


def write(path: Path, value: dict[str, Any]) -> None:
    """Replace the file in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(value, file, indent=2)
    fresh.replace(path)


def read(path: Path) -> dict[str, Any] | None:
    """What the file says, None when there is none."""
    try:
        value: dict[str, Any] = json.loads(path.read_text())
    except FileNotFoundError:
        return None
    return value
