"""`bothways serve --page`, run as its users run it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from command_line import bothways, environment
from interop import identities
from interop.identities import Identity, server
from interop.programs import Program, running


@contextmanager
def serve_page(
    folder: Path,
    auth: str = "none",
    who: Identity | None = None,
    port: int = 0,
    options: tuple[str, ...] = (),
) -> Iterator[tuple[Program, int]]:
    """Run the command; gives the program and its port."""
    chain, key = (who or server()).files(folder)
    command = bothways("serve", f"127.0.0.1:{port}", "--page", "--cert", chain)
    command += ["--key", key, *options]
    if auth != "none":
        command += ["--client-ca", identities.root_file(folder), "--client-auth", auth]
    with running(*command, environment=environment()) as program:
        program.until("listening on 127.0.0.1:")
        heard = program.until("\n")
        yield program, int(heard.split("listening on 127.0.0.1:")[1].split()[0])
