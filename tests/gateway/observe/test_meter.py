"""What a gateway counts, in one process."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from bothways import PeerAlert
from bothways.gateway.observe import meter
from gateway_talk import Setting, port, service, until
from operator_talk import samples

pytestmark = pytest.mark.network

DOCS = Path(__file__).parents[3] / "docs" / "running-a-gateway.md"
RULE = '[[route.allow]]\ndns = "client.example"\n[[route.deny]]\ndns = "denied.example"'


def test_events_are_counted_and_open_connections_are_counted_by_identity(setting: Setting) -> None:
    """A client that stays, one that is resumed, those that are refused by either kind of rule, and one that leaves."""

    async def talk() -> None:
        denied = setting.mutual.identity("client", dns=["denied.example"])
        async with service() as behind:
            setting.write(behind.route(RULE), metrics={"unix": "m.sock"})
            path = setting.folder / "m.sock"
            async with setting.gateway() as gateway:
                assert gateway.addresses()[-1] == f"unix:{path} (metrics)"
                client = setting.mutual.client("good")
                for _ in range(2):
                    reader, writer = await setting.connected(gateway, client.config)
                    writer.write(b"x" * 1000)
                    assert len(await reader.readexactly(1000)) == 1000
                for who, alert in ((denied, "access_denied"), ("revoked", "certificate_revoked")):
                    with pytest.raises(PeerAlert, match=alert):
                        await (await setting.open(gateway, who))[0].read()
                _, writer = await asyncio.open_connection("127.0.0.1", port(gateway))
                writer.close()
                await until(lambda: len(gateway.clients) == 2)
                seen = await asyncio.to_thread(samples, path)
        assert seen["connections",] == 2
        assert seen["identity_connections", "spiffe://testing.example/client"] == 2
        assert seen["other_identity_connections",] == 0
        assert seen["handshakes_total", "", "completed"] == 2
        assert seen["handshakes_total", "ACCESS_REFUSED", "refused"] == 1
        assert seen["handshakes_total", "REVOKED", "refused"] == 1
        assert seen["handshakes_total", "CLIENT_LEFT", "not completed"] == 1
        assert seen["resumed_handshakes_total",] == 1
        assert seen["decisions_total", "route 1", "dns client.example", "allowed"] == 2
        assert seen["decisions_total", "route 1", "dns denied.example", "refused"] == 1
        assert seen["bytes_total", "in", "route 1"] == seen["bytes_total", "out", "route 1"] == 2000
        assert seen["connections_ended_total", "REVOKED"] == 1
        assert seen["phase_seconds_count", "handshake"] == seen["phase_seconds_count", "backend"] == 2
        assert seen["phase_seconds_bucket", "+Inf", "hello"] == 4
        assert (seen["workers",], seen["workers_serving",], seen["generation",]) == (1, 1, 1)

    asyncio.run(talk())


def test_alerts_without_a_name_are_counted_together() -> None:
    """A client chooses the number of its alert; so it cannot make names without end."""
    assert meter.counted_code("ALERT_UNKNOWN_CA") == "ALERT_UNKNOWN_CA"
    assert meter.counted_code("ALERT_77") == "ALERT_OTHER"
    assert meter.counted_code("EXPIRED") == "EXPIRED"
