"""A gateway whose log cannot be written, such as on a full disk: nothing else fails for that, and it goes on later."""

from __future__ import annotations

import asyncio
import errno
import json

import pytest

from bothways.errors import TLSError
from gateway_talk import Setting, port, service, until

pytestmark = pytest.mark.network


class Disk(list[str]):
    """Takes lines while there is room."""

    is_full = False

    def append(self, line: str) -> None:
        if self.is_full:
            raise OSError(errno.ENOSPC, "No space left on device")
        super().append(line)


def test_connections_end_as_ever_and_the_lines_that_are_missing_are_counted(setting: Setting) -> None:
    """A place was never given back for which the line of its connection had failed."""
    disk = setting.lines = Disk()

    async def talk() -> None:
        async with service() as behind:
            setting.write(behind.route(), limits={"per_address": 3})
            async with setting.gateway() as gateway:
                disk.is_full = True
                for who in ("good", "unknown_ca", "good", "good", "unknown_ca", "good"):
                    try:
                        reader, writer = await setting.open(gateway, who)
                        writer.write(b"hello")
                        await reader.read(5)
                        writer.close()
                    except (TLSError, OSError):
                        assert who == "unknown_ca"
                    await until(lambda: not gateway.clients)
                disk.is_full = False
                _, writer = await setting.open(gateway)
                writer.close()
                [line] = await setting.until_reported()
        assert (line["verdict"], line["not_logged"]) == ("allowed", 6)

    asyncio.run(talk())


def test_a_client_without_tls_is_closed_though_nothing_can_be_told_of_it(setting: Setting) -> None:
    disk = setting.lines = Disk()

    async def talk() -> None:
        async with service() as behind:
            text = setting.write(behind.route()).read_text()
            setting.path.write_text(text.replace("port = 0", 'port = 0\nstarttls = "smtp"'))
            async with setting.gateway() as gateway:
                disk.is_full = True
                reader, writer = await asyncio.open_connection("127.0.0.1", port(gateway))
                writer.write(b"QUIT\r\n")
                async with asyncio.timeout(60):
                    assert (await reader.read()).endswith(b"221 2.0.0 Bye\r\n")
                writer.close()
                await setting.reload()
                disk.is_full = False
                await setting.reload()
                assert "reloaded" in json.loads(disk[-1])["event"]

    asyncio.run(talk())
