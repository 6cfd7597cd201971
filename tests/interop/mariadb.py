"""MariaDB with tables of its own."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

from interop.peers import find, user_name


def install(data: Path, *options: str) -> None:
    """Make the system tables in a folder that is not there yet.

    A server that begins removes the temporary tables of others in its folder for these, so that each has its own.
    """
    user = user_name()
    with tempfile.TemporaryDirectory() as temporary:
        done = subprocess.run(
            [
                find("mariadb-install-db"), "--no-defaults", f"--datadir={data}", f"--user={user}",
                "--skip-test-db", *options,
            ],
            env=os.environ | {"TMPDIR": temporary}, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
