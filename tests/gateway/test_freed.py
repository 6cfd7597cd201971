"""What a gateway keeps of a client that has ended: nothing that waits for the garbage collector, keys least of all."""

from __future__ import annotations

import asyncio
import gc
import weakref

import pytest

from bothways.gateway.clients.client import ClientProtocol
from bothways.gateway.relay.relay import Relay
from bothways.servers.resets import end_by_reset
from bothways.tls.connection import Connection
from gateway_talk import Setting, service, until

pytestmark = pytest.mark.network
KINDS = (ClientProtocol, Relay, Connection)


def kept() -> list[weakref.ref[object]]:
    return [weakref.ref(each) for each in gc.get_objects() if type(each) in KINDS]


@pytest.mark.parametrize("ends", ["client", "service", "revoked"])
def test_a_client_that_has_ended_is_freed_at_once(setting: Setting, ends: str) -> None:
    async def talk() -> None:
        async with service() as behind:
            setting.write(behind.route())
            async with setting.gateway() as gateway:
                gc.collect()
                gc.disable()
                try:
                    reader, writer = await setting.open(gateway)
                    await until(lambda: gateway.clients.established and behind.writers)
                    refs = kept()
                    assert refs
                    if ends == "client":
                        writer.close()
                    elif ends == "service":
                        end_by_reset(behind.writers[-1].transport)
                        behind.writers[-1].transport.abort()
                    else:
                        setting.mutual.revoke(setting.mutual.identity("client"))
                        await setting.reload()
                    await until(lambda: not gateway.clients.established)
                    setting.writers.clear()
                    del reader, writer
                    await until(lambda: not any(type(each()) in KINDS for each in refs), 20)
                finally:
                    gc.enable()

    asyncio.run(talk())
