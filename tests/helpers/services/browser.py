"""A page of ours in a real browser, which tells on its console whatever a policy blocks."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import NamedTuple

from interop.peers import find


class Shown(NamedTuple):
    """What the browser made of a page, and whether it had anything to say about it."""

    dom: str
    complains: bool


def shown(text: str, folder: Path) -> Shown:
    page = folder / "page.html"
    page.write_text(text, encoding="utf-8")
    done = subprocess.run(
        [
            find("chromium"), "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync",
            f"--user-data-dir={folder / 'profile'}", "--enable-logging=stderr", "--dump-dom", page.as_uri(),
        ],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    return Shown(done.stdout, "CONSOLE" in done.stderr)
