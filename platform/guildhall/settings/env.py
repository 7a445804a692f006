"""The one reader of the environment. Every variable that Guildhall understands is a field here."""

import re
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import unquote, urlsplit

from pydantic import AfterValidator, Field
from pydantic_settings import BaseSettings, SettingsConfigDict

ROOT = Path(__file__).resolve().parents[3]


def _networks(listed: str) -> str:
    """The same list, once each part is known to be a network."""
    for part in filter(None, map(str.strip, listed.split(","))):
        ip_network(part)
    return listed


def _image(name: str) -> str:
    """The same name, where it can be one of an image."""
    if name and not re.fullmatch(r"[a-z0-9][\w.:/@-]*", name):
        raise ValueError("an image is named like localhost/tools:1")
    return name


class Environment(BaseSettings):
    """Typed settings from environment variables (names in upper case, listed in docs/reference/settings.md)."""

    model_config = SettingsConfigDict(env_file=None, env_ignore_empty=True, extra="ignore", frozen=True)

    secret_key: str = Field(default="", description="Signs sessions, tokens and job messages. `make up` generates one.")
    debug: bool = False
    port: int = Field(default=8000, ge=1, le=65535)
    public_host: str = Field(default="localhost", description="Host of the owner console; tenants are <name>.<host>.")
    guildhall_var: Path = Field(default=ROOT / "var", description="Where local data lives.")

    guildhall_work: Path | None = Field(
        default=None,
        description="Where repositories and workspaces lie; the sandbox's user must be able to get there.",
    )

    guildhall_static: Path | None = Field(
        default=None,
        description="Where the static files were collected, packed and with a hash in each name; unset: as in the source.",
    )

    guildhall_seals: Path | None = Field(
        default=None,
        description="Where the roots of the audit trail are published, best on another disk; unset: `seals` in `var`.",
    )

    guildhall_audit_months: int = Field(
        default=12,
        ge=12,
        le=1200,
        description="Whole months that the audit trail is kept before the oldest is dropped.",
    )
    guildhall_audit_level: int = Field(
        default=2, ge=1, le=3, description="1: acts, calls and sign-ins; 2: refused reads too; 3: sensitive reads too."
    )

    database_url: str = "postgresql://guildhall_app@127.0.0.1:5432/guildhall"
    database_admin_url: str = ""
    relay_database_url: str = ""
    sealer_database_url: str = ""
    guildhall_db_login: Literal["app", "owner"] = "app"
    guildhall_db_pool: int = Field(default=8, ge=1, le=64)
    guildhall_agent_threads: int = Field(default=4, ge=1, le=256)
    guildhall_agent_idle_seconds: int = Field(
        default=900, ge=0, le=86_400, description="Without work for so long the agents' worker sleeps; 0: never."
    )

    guildhall_lease_seconds: float = Field(
        default=30, ge=3, le=45, description="How long a run stays with a worker that is not heard of any more."
    )

    guildhall_workspace_days: int = Field(
        default=30, ge=1, le=3650, description="Days after a run's end until its workspace is removed from the disk."
    )

    guildhall_metrics_token: str = Field(
        default="", description="Whoever shows it may read /metrics on the platform's host; unset: nobody."
    )

    guildhall_forge_loopback: bool = Field(
        default=False,
        description="Forges on this machine itself may be connected, also without https: for tests alone.",
    )

    guildhall_tool_networks: Annotated[str, AfterValidator(_networks)] = Field(
        default="",
        description="Private networks that agents' tools may reach where a policy lists the host, such as 10.1.0.0/16.",
    )

    guildhall_base_images: Path | None = Field(
        default=None,
        description="A folder of OCI layouts that agents' image builds may begin with; unset: from scratch alone.",
    )

    guildhall_sandbox: Literal["bubblewrap", "podman"] = Field(
        default="bubblewrap", description="What isolates the commands of agents and of CI."
    )
    guildhall_sandbox_image: Annotated[str, AfterValidator(_image)] = Field(
        default="", description="An image whose system commands find, for podman; unset: this machine's, read-only."
    )
    guildhall_sandbox_images: Path = Field(
        default=Path("/var/lib/containers/storage"), description="The store that the image is in; it is only read."
    )
    guildhall_command_seconds: int = Field(default=300, ge=10, le=7200, description="Time of one command and of CI.")
    guildhall_command_cpu_seconds: int = Field(
        default=120, ge=10, le=28800, description="Processor time of one process of a command."
    )
    guildhall_command_memory_mib: int = Field(
        default=2048, ge=256, description="Memory of a command's processes together."
    )
    guildhall_command_disk_mib: int = Field(default=512, ge=64, description="What a command may add to its workspace.")

    redis_url: str = "redis://127.0.0.1:6379/0"

    guildhall_rate_signed_out: int = Field(default=60, ge=1, description="Requests a minute by address.")
    guildhall_rate_person: int = Field(default=600, ge=1, description="Requests a minute by person or key.")
    guildhall_rate_tenant: int = Field(default=6000, ge=1, description="Requests a minute by organisation.")

    llm_base_url: str = ""
    llm_model: str = ""
    llm_api_key: str = ""
    llm_local: bool = Field(default=False, description="The model runs on a machine of one's own: for its price.")
    llm_abilities: Literal["auto", "small", "full"] = Field(
        default="auto", description="What the model can do: found out by asking it, little, or tool calls and verdicts."
    )
    llm_context_tokens: int | None = Field(default=None, ge=512)

    email_url: str = "console://"


def database(url: str) -> dict[str, str]:
    """NAME, USER, PASSWORD, HOST and PORT of a postgresql:// URL; a socket folder may be given as ?host=/folder."""
    parts = urlsplit(url)
    query = dict(pair.split("=", 1) for pair in parts.query.split("&") if "=" in pair)
    return {
        "NAME": parts.path.lstrip("/"),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": unquote(query.get("host", parts.hostname or "")),
        "PORT": query.get("port", str(parts.port or "")),
    }


env = Environment()
