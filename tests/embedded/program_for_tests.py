"""A program that says what it finds and has a child: `python -m tests.embedded.program_for_tests FILE`."""

import json
import os
import subprocess
import sys
from pathlib import Path

CHILD = "import signal; signal.pause()"

if __name__ == "__main__":
    found = {"parent": os.getppid(), "group": os.getpgrp(), "pid": os.getpid(), "environment": dict(os.environ)}
    fresh = Path(f"{sys.argv[1]}.new")
    fresh.write_text(json.dumps(found))
    fresh.replace(sys.argv[1])
    subprocess.run([sys.executable, "-c", CHILD], check=False)
