"""Draw docs/gallery/gateway-status.png anew from a real run: `python -m gallery.status [FOLDER]`, in Chromium.

A gateway serves clients and refuses others; the picture is what Chromium makes of its status page. `--all` writes
two of the width of a phone, light and dark, too, to be looked at.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from bothways import TLSError
from bothways.gateway.observe.status_page import status_of, status_page
from bothways.testing import MutualTLS
from gateway_talk import Setting, service, until
from interop.browser import QUIET
from interop.peers import find

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "gallery"
STATUS = '[status]\nhost = "localhost"\nport = 0\nallow = "any verified client"\n'
SIZES = {"gateway-status": (900, 1010, False), "phone": (430, 1750, False), "dark": (430, 1750, True)}


async def page_of(setting: Setting) -> str:
    """Return the page of a gateway that has something to show."""
    mutual = setting.mutual
    names = (
        "spiffe://example.org/api/orders",
        "spiffe://example.org/api/billing",
        "spiffe://example.org/batch",
    )
    who = [mutual.identity("client", uri=[name], dns=[]) for name in names]
    denied = mutual.identity("client", uri=["spiffe://example.org/old"], dns=[])
    async with service() as behind:
        rules = '[[route.allow]]\nuri = "spiffe://example.org/api/*"\n[[route.allow]]\nuri = "spiffe://example.org/batch"'
        setting.write(behind.route(rules, keys='name = "database"'))
        setting.path.write_text(setting.path.read_text().replace("[log]", STATUS + "[log]"))
        async with setting.gateway() as gateway:
            for each in (*who, who[0]):
                reader, writer = await setting.open(gateway, each)
                writer.write(b"x" * 70_000)
                await reader.readexactly(70_000)
            for each in (denied, denied, "expired", "revoked", "revoked", "revoked", None):
                try:
                    await (await setting.open(gateway, each))[0].read()
                except (TLSError, OSError):
                    continue
            await until(lambda: len(setting.reported()) >= 7)
            await asyncio.sleep(0.2)
            await gateway.refresh()
            held = gateway.routes.held
            return status_page(status_of(gateway.board, held, datetime.now(UTC))).content.decode()


def draw(page: Path, path: Path, width: int, height: int, dark: bool) -> None:
    """Have Chromium draw a page."""
    options = ["--force-dark-mode", "--blink-settings=preferredColorScheme=0"] if dark else []
    profile = tempfile.TemporaryDirectory()
    with profile:
        subprocess.run(
            [
                find("chromium"), *QUIET, *options, f"--user-data-dir={profile.name}", "--hide-scrollbars",
                f"--window-size={width},{height}", f"--screenshot={path}", page.as_uri(),
            ],
            check=True, capture_output=True, timeout=120,
        )  # fmt: skip


def main() -> int:
    """Write the pictures, and say which."""
    words = [each for each in sys.argv[1:] if each != "--all"]
    folder = Path(words[0]) if words else FOLDER
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        (home / "pki").mkdir()
        with MutualTLS(home / "pki") as mutual:
            text = asyncio.run(page_of(Setting(mutual, home)))
        text = text.replace(f"{home}/", "/etc/bothways/")
        page = home / "page.html"
        page.write_text(text.replace("<details>", "<details open>", 1), encoding="utf-8")
        for each, (width, height, dark) in SIZES.items():
            if each == "gateway-status" or "--all" in sys.argv:
                draw(page, folder / f"{each}.png", width, height, dark)
                print(f"drawn: {folder / each}.png")
    return 0


if __name__ == "__main__":
    sys.exit(main())
