"""Database, Redis and model of a stack: started here, or the user's own when the environment names them."""

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGINT
from urllib.parse import quote, unquote, urlsplit, urlunsplit

import psycopg

from guildhall.embedded import model_server, roles
from guildhall.embedded.postgres import STOP_SECONDS, EmbeddedPostgres
from guildhall.embedded.process import EmbeddedError, free_port
from guildhall.embedded.redis import EmbeddedRedis
from guildhall.embedded.secrets import Secrets
from guildhall.embedded.service import Service, answers_on_port


@dataclass(slots=True)
class Backing:
    """The services to start, and the variables that lead to what they (or the user's own servers) offer."""

    services: list[Service] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)

    def started(self, *names: str) -> tuple[str, ...]:
        """Those of `names` that are services started here, for others to depend on."""
        return tuple(service.name for service in self.services if service.name in names)


def backing(root: Path, logs: Path, given: Mapping[str, str]) -> Backing:
    """Decide from the variables in `given` what is started. Raises `EmbeddedError` when they are incomplete."""
    found = Backing()
    secrets = Secrets(root / "secrets.json")
    found.environment["SECRET_KEY"] = given.get("SECRET_KEY") or secrets["secret_key"]
    if given.get("DATABASE_URL"):
        found.environment.update(_own_database(given, secrets))
    else:
        _start_postgres(found, root, logs)
    if given.get("REDIS_URL"):
        found.environment["REDIS_URL"] = given["REDIS_URL"]
    else:
        _start_redis(found, root, logs)
    if not given.get("LLM_BASE_URL"):
        _start_model(found, logs, secrets["model_server"], given)
    return found


def _start_postgres(found: Backing, root: Path, logs: Path) -> None:
    server = EmbeddedPostgres(root, log=logs / "postgres.log")
    found.environment.update({variable: server.url(login) for variable, login in roles.URLS.items()})
    found.services.append(
        Service(
            "postgres",
            server.command(),
            log=server.log,
            prepare=server.prepare,
            ready=_after(server.healthy, server.bootstrap),
            user=server.user,
            stop_signal=SIGINT,
            stop_seconds=STOP_SECONDS,
        )
    )


def _start_redis(found: Backing, root: Path, logs: Path) -> None:
    server = EmbeddedRedis(root, log=logs / "redis.log")
    found.environment["REDIS_URL"] = server.url
    found.services.append(
        Service(
            "redis",
            server.command(),
            log=server.log,
            prepare=server.prepare,
            ready=server.healthy,
            user=server.user,
            cwd=server.data,
        )
    )


def _start_model(found: Backing, logs: Path, key: str, given: Mapping[str, str]) -> None:
    port = free_port()
    # Of the packaged model it is known what it cannot do; a file of one's own is asked.
    usual = "auto" if os.environ.get(model_server.FILE) else "small"
    llm = {
        "LLM_BASE_URL": f"http://127.0.0.1:{port}/v1",
        "LLM_API_KEY": key,
        "LLM_MODEL": model_server.model_name(model_server.model_file()),
        "LLM_LOCAL": "true",
        "LLM_ABILITIES": given.get("LLM_ABILITIES") or usual,
        "LLM_CONTEXT_TOKENS": given.get("LLM_CONTEXT_TOKENS") or str(model_server.CONTEXT_TOKENS),
    }
    found.environment.update(llm)
    found.services.append(
        Service(
            "model",
            [sys.executable, "-m", model_server.__name__],
            log=logs / "model.log",
            env={**_without_logins(os.environ), **llm, "GUILDHALL_MODEL_PORT": str(port)},
            ready=answers_on_port(port),
        )
    )


def _without_logins(env: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in env.items() if name not in roles.URLS}


def _after(check: Callable[[], bool], then: Callable[[], None]) -> Callable[[], bool]:
    """A check that does `then` once, the first time that it succeeds."""
    done = False

    def ready() -> bool:
        nonlocal done
        if not check():
            return False
        if not done:
            then()
            done = True
        return True

    return ready


def _own_database(given: Mapping[str, str], secrets: Secrets) -> dict[str, str]:
    """Make sure of our logins on the user's server, and their URLs."""
    url, admin = given["DATABASE_URL"], given.get("DATABASE_ADMIN_URL")
    if not admin:
        raise EmbeddedError(
            "DATABASE_URL without DATABASE_ADMIN_URL: set it too, to the login that owns the database "
            "(it migrates and creates roles and schemas)."
        )
    if urlsplit(url).username != roles.APP:
        raise EmbeddedError(f"DATABASE_URL must name the login {roles.APP}, which is created if missing.")
    passwords = {login: secrets[login] for login in (roles.RELAY, roles.SEALER)}
    if password := urlsplit(url).password:
        passwords[roles.APP] = unquote(password)
    chosen = {name: given.get(name, "") for name in ("RELAY_DATABASE_URL", "SEALER_DATABASE_URL")}
    own = {name: value for name, value in chosen.items() if value}
    for variable in own:
        del passwords[roles.URLS[variable]]
    try:
        with psycopg.connect(admin, autocommit=True, connect_timeout=10) as connection:
            if connection.execute("SELECT 1 FROM pg_extension WHERE extname = 'vector'").fetchone() is None:
                connection.execute(roles.VECTOR)
            roles.ensure_roles(connection, passwords)
    except psycopg.Error as error:
        raise EmbeddedError(f"The server of DATABASE_ADMIN_URL cannot be set up: {error}") from error
    urls = {
        variable: _as_login(url, login, passwords[login])
        for variable, login in roles.URLS.items()
        if login in (roles.RELAY, roles.SEALER) and variable not in own
    }
    return {"DATABASE_URL": url, "DATABASE_ADMIN_URL": admin, **urls, **own}


def _as_login(url: str, login: str, password: str) -> str:
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{login}:{quote(password, safe='')}@{host}"))
