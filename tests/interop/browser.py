"""Debian's Chromium, headless: one page in a home of its own.

In the home's NSS database lie the root that it trusts and the client's certificate, in its profile the permission
to show it to one site, which elsewhere a click or a policy gives.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

from interop.peers import find

QUIET = (
    "--headless",
    "--no-sandbox",  # its own sandbox needs rights that a container may not give
    "--no-first-run",
    "--no-proxy-server",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-extensions",
    "--disable-sync",
    "--disable-background-networking",
    "--disable-component-update",
)
PATIENCE = 60


def load(
    home: Path,
    port: int,
    *,
    root: str | None,
    bundle: Path | None = None,
    password: str = "",
    more: Sequence[str] = (),
) -> str:
    """Load https://localhost:PORT/; gives the document, or the error that it tells instead.

    root: the file of a root to trust. bundle: a PKCS#12 file with the client's certificate and key. more: options.
    """
    chromium = find("chromium")
    furnish(home, root, bundle, password)
    allow(home / "profile", f"https://localhost:{port},*")
    command = [chromium, *QUIET, *more, f"--user-data-dir={home / 'profile'}", "--dump-dom"]
    environment = {"HOME": str(home), "PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8"}
    return ended([*command, f"https://localhost:{port}/"], environment)


def furnish(home: Path, root: str | None, bundle: Path | None, password: str) -> None:
    """Make the database in which Chromium looks for users' authorities and certificates."""
    database = home / ".pki" / "nssdb"
    database.mkdir(parents=True)
    certutil = [find("certutil"), "-d", f"sql:{database}"]
    subprocess.run([*certutil, "-N", "--empty-password"], check=True, capture_output=True)
    if root is not None:
        subprocess.run(
            [*certutil, "-A", "-n", "root", "-t", "C,,", "-i", root], check=True, capture_output=True
        )
    if bundle is not None:
        command = [find("pk12util"), "-d", f"sql:{database}", "-i", str(bundle), "-W", password, "-K", ""]
        subprocess.run(command, check=True, capture_output=True)


def allow(profile: Path, site: str) -> None:
    """Let `site` have a certificate without asking the user, as AutoSelectCertificateForUrls would."""
    rule = {site: {"last_modified": "0", "setting": {"filters": [{}]}}}
    settings = {"profile": {"content_settings": {"exceptions": {"auto_select_certificate": rule}}}}
    (profile / "Default").mkdir(parents=True)
    (profile / "Default" / "Preferences").write_text(json.dumps(settings))


def ended(command: list[str], environment: dict[str, str]) -> str:
    """Run to the end, or end all the processes that it started."""
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
    ) as browser:
        try:
            document, _ = browser.communicate(timeout=PATIENCE)
        except BaseException:
            os.killpg(browser.pid, signal.SIGKILL)
            raise
    assert browser.returncode == 0
    return document.decode()
