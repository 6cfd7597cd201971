"""Who may ask a gateway as its operator, over TCP and with how many connections."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from bothways import ConfigError
from bothways.gateway.config.gateway import read_config
from bothways.gateway.observe.operator import MOST_CONNECTIONS, is_this_host
from gateway_talk import Setting
from operator_talk import asked

pytestmark = pytest.mark.network
ROUTE = 'backend = "127.0.0.1:1"\nallow = "any verified client"'
NOW = datetime.now(UTC)


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:1", 200),
        ("localhost", 200),
        ("[::1]:9", 200),
        ("evil.example", 421),
        ("127.0.0.1.evil.example:1", 421),
        ("[evil.example]", 421),
    ],
)
def test_a_web_page_does_not_read_it_by_a_name_that_leads_here(
    setting: Setting, host: str, status: int
) -> None:
    """DNS rebinding: the browser sends the name of the page."""
    assert is_this_host(host.encode()) == (status == 200)

    async def talk() -> None:
        setting.write(ROUTE, metrics={"host": "localhost", "port": 0})
        async with setting.gateway() as gateway:
            number = int(gateway.addresses()[-1].removesuffix(" (metrics)").rpartition(":")[2])
            reader, writer = await asyncio.open_connection("localhost", number)
            writer.write(f"GET /metrics HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
            assert (await reader.readline()).startswith(b"HTTP/1.1 %d " % status)
            writer.close()

    asyncio.run(talk())


def test_so_many_connections_are_answered_and_no_more(setting: Setting) -> None:
    """Whoever connects and says nothing takes a place for seconds only, and never memory without end."""

    async def talk() -> None:
        setting.write(ROUTE, metrics={"unix": "m.sock"})
        path = setting.folder / "m.sock"
        async with setting.gateway():
            held = [await asyncio.open_unix_connection(path) for _ in range(MOST_CONNECTIONS)]
            await asyncio.sleep(0)
            reader, writer = await asyncio.open_unix_connection(path)
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            try:
                assert await reader.read() == b""
            except ConnectionError:
                pass
            writer.close()
            for _, each in held:
                each.close()

            async def answers() -> bool:
                try:
                    return (await asyncio.to_thread(asked, path, "/healthz"))[0] == 200
                except OSError:
                    return False

            async with asyncio.timeout(20):
                while not await answers():
                    await asyncio.sleep(0.05)

    asyncio.run(talk())


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        (
            'host = "0.0.0.0"\nport = 1',
            "0.0.0.0 is not this machine, and whoever connects could read who our",
        ),
        ('host = "metrics.example"\nport = 1', "metrics.example is not this machine"),
        ("", "expected `port`, with `host`"),
        ('port = 1\nhots = "x"', "did you mean `host`"),
        ('unix = "m.sock"\nport = 1', "`port`|is not known"),
        ("port = 5555", "two listeners have the address 127.0.0.1:5555"),
    ],
)
def test_an_impossible_configuration_is_refused_with_its_line(
    setting: Setting, table: str, problem: str
) -> None:
    setting.write(ROUTE)
    text = setting.path.read_text().replace("port = 0", "port = 5555")
    setting.path.write_text(f"{text}[metrics]\n{table}\n")
    with pytest.raises(ConfigError, match=problem):
        read_config(setting.path)
    setting.path.write_text(f'{text}[metrics]\nhost = "0.0.0.0"\nport = 1\ninsecure_remote = true\n')
    assert str(read_config(setting.path).all_listeners[-1].address) == "0.0.0.0:1"
