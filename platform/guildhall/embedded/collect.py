"""Collecting the static files: `python -m guildhall.embedded.collect`.

Names carry a digest of what is in them, and the portal's own texts lie beside their brotli and gzip forms. What was
collected before stays, for a stack of the same checkout that is running and for pages that are open.
"""

import fcntl
import os

import django
from django.core.management import call_command
from whitenoise.compress import Compressor

from guildhall.embedded.static import HASHED, PACKED, STAMP, STATIC_ROOT, collected, fingerprint


def main() -> None:
    STATIC_ROOT.mkdir(parents=True, exist_ok=True)
    with (STATIC_ROOT / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if collected():
            return
        found = fingerprint()
        os.environ["GUILDHALL_STATIC"] = str(STATIC_ROOT)
        django.setup()
        call_command("collectstatic", interactive=False, verbosity=0)
        _pack()
        STAMP.write_text(found)


def _pack() -> None:
    """What has a digest in its name is packed once and for all."""
    compressor = Compressor(quiet=True)
    for folder, endings in PACKED.items():
        for path in (STATIC_ROOT / folder).iterdir():
            if (
                HASHED.search(path.name)
                and path.suffix[1:] in endings
                and not path.with_name(f"{path.name}.gz").exists()
            ):
                compressor.compress(str(path))


if __name__ == "__main__":
    main()
