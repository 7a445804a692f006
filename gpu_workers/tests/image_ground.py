"""A base image for builds, made of the system's busybox: an OCI layout as an owner would lay it out."""

from __future__ import annotations

import hashlib
import io
import json
import platform
import shutil
import subprocess
import tarfile
from pathlib import Path

MEDIA = "application/vnd.oci.image"
FILES = {
    "etc/passwd": "root:x:0:0::/:/bin/sh\napp:x:1000:1000::/home/app:/bin/sh\n",
    "etc/group": "root:x:0:\napp:x:1000:\n",
}

PROBE = """\
for file in /etc/shadow /all/shadow /all/out/secret GROUND/secret /proc/1/root/etc/shadow /proc/1/rootGROUND/secret; do
  cat $file
done
cat /proc/[0-9]*/environ | tr '\\0' '\\n' | grep -v -e ^TMPDIR -e ^PATH
env
echo x > GROUND/written; echo x > /all/out/written; echo x > /proc/1/root/usr/written && echo CAME OUT
echo x > /proc/1/root/context/written && echo CAME OUT
echo x > /proc/1/root/recipe/Containerfile && echo CAME OUT
nc -w 1 127.0.0.1 $1 < /dev/null && echo CAME OUT
nc -w 1 1.1.1.1 53 < /dev/null && echo CAME OUT
nc local:GROUND/pg.sock < /dev/null && echo CAME OUT
mount -t tmpfs none /tmp && echo CAME OUT
unshare -r true && echo CAME OUT
unshare -n true && echo CAME OUT
chroot /proc/1/root true && echo CAME OUT
echo 100 > /proc/sys/user/max_user_namespaces && echo CAME OUT
mknod /tmp/disk b 254 0 && dd if=/tmp/disk bs=512 count=1 of=/dev/null && echo CAME OUT
ls /proc/1/root/workspace > /dev/null
echo probed
"""
"""What a step would try, as root of its image; GROUND is a folder of the host, $1 a port of it."""


def lay_out_busybox(folder: Path) -> str:
    """Write `busybox:1` below `folder`; the digest of its manifest."""
    place = folder / "busybox"
    (place / "blobs" / "sha256").mkdir(parents=True)

    def blob(content: bytes, kind: str) -> dict[str, object]:
        digest = hashlib.sha256(content).hexdigest()
        (place / "blobs" / "sha256" / digest).write_bytes(content)
        return {"mediaType": f"{MEDIA}.{kind}", "digest": f"sha256:{digest}", "size": len(content)}

    layer = blob(_files(), "layer.v1.tar")
    config = {
        "architecture": {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()],
        "os": "linux",
        "config": {"Env": ["PATH=/bin"], "Cmd": ["sh"]},
        "rootfs": {"type": "layers", "diff_ids": [layer["digest"]]},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": f"{MEDIA}.manifest.v1+json",
        "config": blob(json.dumps(config).encode(), "config.v1+json"),
        "layers": [layer],
    }
    found = blob(json.dumps(manifest).encode(), "manifest.v1+json")
    named = {**found, "annotations": {"org.opencontainers.image.ref.name": "1"}}
    (place / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [named]}))
    (place / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    return str(found["digest"])


def _files() -> bytes:
    busybox = shutil.which("busybox")
    assert busybox is not None, "apt-get install busybox-static"
    names = subprocess.run([busybox, "--list"], check=True, capture_output=True, text=True).stdout.split()
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as tar:
        tar.add(Path(busybox).resolve(), "bin/busybox")
        for name in set(names) - {"busybox"}:
            link = tarfile.TarInfo(f"bin/{name}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(link)
        for name, text in FILES.items():
            file = tarfile.TarInfo(name)
            file.size = len(text)
            tar.addfile(file, io.BytesIO(text.encode()))
        for name, mode in (("tmp", 0o1777), ("home/app", 0o755)):
            folder = tarfile.TarInfo(name)
            folder.type, folder.mode = tarfile.DIRTYPE, mode
            tar.addfile(folder)
    return content.getvalue()
