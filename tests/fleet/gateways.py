"""Several gateways that share nothing but a server of Redis, each with a folder of its own, as on several machines."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from bothways.testing import MutualTLS
from cli_scripting import Background
from gateway_talk import ANYBODY

SECRET = bytes(range(32))


@dataclass
class Machine:
    """A gateway and its folder."""

    folder: Path
    gateway: Background

    @property
    def port(self) -> int:
        return int(self.gateway.port or 0)

    def publish(self, crl: Path) -> None:
        """Have the CRL of the CA arrive here, whole."""
        new = self.folder / "clients.crl.new"
        shutil.copyfile(crl, new)
        new.replace(self.folder / "clients.crl")


@contextlib.contextmanager
def gateways(
    mutual: MutualTLS,
    folder: Path,
    backend: int,
    redis: str,
    count: int,
    *tables: str,
    words: Sequence[str] = (),
) -> Iterator[list[Machine]]:
    """Run so many gateways while the block lasts, with the same identity, as behind one name."""
    folders = [_folder(mutual, folder / f"machine-{number}", backend, tables) for number in range(count)]
    asked = ["gateway", "-c", "gateway.toml", "--ticket-keys", redis, "--ticket-secret", "secret", *words]
    with contextlib.ExitStack() as stack:
        with ThreadPoolExecutor(count) as pool:
            started = list(pool.map(lambda each: Background(asked, each), folders))
        for each in started:
            stack.callback(_end, each)
        yield [Machine(*each) for each in zip(folders, started, strict=True)]


def _folder(mutual: MutualTLS, folder: Path, backend: int, tables: Sequence[str]) -> Path:
    folder.mkdir()
    mine = mutual.identity("server")
    files = {
        "gateway.pem": mine.cert,
        "gateway.key": mine.key,
        "ca.pem": mutual.ca,
        "clients.crl": mutual.crl,
    }
    for name, source in files.items():
        shutil.copyfile(source, folder / name)
    (folder / "secret").write_bytes(SECRET)
    os.chmod(folder / "secret", 0o600)
    (folder / "gateway.toml").write_text(
        "\n".join(
            [
                '[identity]\ncertificate = "gateway.pem"\nkey = "gateway.key"\nclient_ca = "ca.pem"',
                'crl = ["clients.crl"]\n[times]\ndrain = 1',
                *tables,
                '[log]\nformat = "json"\n[[listener]]\nport = 0',
                f'[[route]]\nbackend = "127.0.0.1:{backend}"\n{ANYBODY}\n',
            ]
        )
    )
    return folder


def _end(gateway: Background) -> None:
    with contextlib.suppress(ValueError):
        gateway.end(signal.SIGKILL)
