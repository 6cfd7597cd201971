"""Files that Kubernetes mounts: all of them change at once, by a link that is replaced."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest

from bothways.testing import Identity
from gateway_talk import Setting, service, until

pytestmark = pytest.mark.network


class Mounted:
    """A secret as the kubelet writes it: `NAME` leads to `..data/NAME`, and `..data` to a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._count = 0
        folder.mkdir()

    def put(self, **files: Path) -> None:
        """Replace the content: a new folder, a link beside `..data`, which takes its place."""
        self._count += 1
        new = self.folder / f"..2026_11_30_{self._count}"
        new.mkdir()
        for name, source in files.items():
            shutil.copyfile(source, new / name.replace("_", "."))
        before = self.folder / "..data"
        old = before.resolve() if before.exists() else None
        link = self.folder / "..data_tmp"
        link.symlink_to(new.name)
        link.rename(before)
        for name in files:
            path = self.folder / name.replace("_", ".")
            if not path.is_symlink():
                path.symlink_to(Path("..data") / path.name)
        if old is not None:
            shutil.rmtree(old)


def test_a_secret_that_is_renewed_is_taken_whole_and_open_connections_go_on(setting: Setting) -> None:
    """Certificate and key, beside the CA, as cert-manager renews them: three times in a row."""
    mutual = setting.mutual
    secret = Mounted(setting.folder / "tls")

    def put(identity: Identity) -> None:
        secret.put(tls_crt=identity.cert, tls_key=identity.key, ca_crt=mutual.ca)

    async def renewed() -> None:
        put(mutual.identity("server"))
        async with service() as behind:
            path = setting.write(behind.route(), crl=False)
            text = path.read_text()
            own = mutual.identity("server")
            for name, mounted in (
                (own.cert.name, "tls.crt"),
                (own.key.name, "tls.key"),
                ("ca.pem", "ca.crt"),
            ):
                text = text.replace(f'"pki/{name}"', f'"tls/{mounted}"')
            path.write_text(text)
            async with setting.gateway() as gateway:
                early, writer = await setting.open(gateway)
                for number in range(3):
                    name = f"renewed-{number}.example"
                    put(mutual.identity("server", dns=["localhost", name], ip=["127.0.0.1"]))
                    seen = len(setting.events())
                    await until(lambda seen=seen: len(setting.events()) > seen)  # type: ignore[misc]
                    _, late = await setting.open(gateway)
                    assert name in late.peer.names.dns
                    writer.write(b"still here")
                    assert await early.readexactly(10) == b"still here"
        assert all(each.startswith("read again: ") for each in setting.events()), setting.events()
        assert any("tls.key" in each for each in setting.events())

    asyncio.run(renewed())
