"""What a tunnel tells its operator, with a server of ours behind it."""

from __future__ import annotations

import asyncio
import urllib.error
import urllib.request

import pytest

from bothways import ServerConfig
from bothways.addresses import TCPAddress, UnixAddress
from bothways.aio import start_server
from bothways.gateway.files.held import Held
from bothways.gateway.tunnels.metrics import TunnelMetrics
from bothways.gateway.tunnels.tunnel import Tunnel, TunnelSettings
from gateway_talk import Setting

pytestmark = pytest.mark.network


def asked(where: str, path: str) -> str:
    try:
        with urllib.request.urlopen(f"http://{where}{path}", timeout=20) as answer:
            return answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return f"{error.code}: {error.read().decode()}"


def numbers(text: str) -> dict[str, float]:
    rows = (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))
    return {name.removeprefix("bothways_gateway_"): float(value) for name, _, value in rows}


def test_connections_bytes_and_expiries_are_those_of_the_tunnel(setting: Setting) -> None:
    """While a connection is open, after its end, for one that fails, and while the tunnel ends."""
    mutual = setting.mutual
    mine, server = mutual.identity("client"), mutual.identity("server")

    async def echo(reader, writer) -> None:
        while data := await reader.read(65536):
            writer.write(data + data)
            await writer.drain()

    async def ask(where: str, path: str) -> str:
        return await asyncio.get_running_loop().run_in_executor(None, asked, where, path)

    async def talk() -> None:
        config = ServerConfig(credentials=server.credentials, client_anchors=mutual.anchors)
        held = Held({("me.pem",): mine.credentials}, {("ca.pem",): mutual.anchors})
        metrics = TunnelMetrics(lambda: held)
        path = str(setting.folder / "tunnel.sock")
        async with await start_server(echo, "127.0.0.1", 0, config) as behind:
            port = behind.sockets[0].getsockname()[1]
            settings = TunnelSettings(mutual.client().config, TCPAddress("127.0.0.1", port), "localhost")
            tunnel = Tunnel(settings, lambda *_: None, metrics)
            await tunnel.start(UnixAddress(path))
            where = await metrics.start(TCPAddress("127.0.0.1", 0))
            reader, writer = await asyncio.open_unix_connection(path)
            writer.write(b"hello")
            assert await reader.readexactly(10) == b"hellohello"
            found = numbers(await ask(where, "/metrics"))
            assert found["connections"] == 1
            assert found['bytes_total{direction="in",route="tunnel"}'] == 5
            assert found['bytes_total{direction="out",route="tunnel"}'] == 10
            assert found['phase_seconds_count{phase="backend"}'] == 1
            ends = {name.partition('"')[2].partition('"')[0] for name in found if "certificate_end" in name}
            assert ends == {"me.pem", "ca.pem"}
            assert await ask(where, "/readyz") == "ready\n"
            assert (await ask(where, "/nothing")).startswith("404")
            metrics.drains()
            assert (await ask(where, "/readyz")).startswith("503: not ready: draining")
            writer.close()
            async with asyncio.timeout(20):
                while (found := numbers(await ask(where, "/metrics")))["connections"]:
                    await asyncio.sleep(0.01)
        await tunnel.close()
        assert found['bytes_total{direction="out",route="tunnel"}'] == 10
        assert sum(value for name, value in found.items() if "connections_ended_total" in name) == 1
        await metrics.close()

    asyncio.run(talk())
