"""Two gateways of one limit: a client has so many connections to both together."""

from __future__ import annotations

import asyncio
import os
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import redis

import identities
from architecture.sources import ROOT
from bothways import Credentials, PeerAlert
from bothways.gateway.server import Gateway
from bothways.gateway.store import limits as shared_limits
from bothways.gateway.store.limits import SharedLimits
from bothways.ticket_keys.shared import SharedTicketKeys
from bothways.trust.verdict import Names
from fetch.authorities import authority
from gateway import news_talk
from gateway.news_talk import ALICE, SECRET, files, gateways, listing
from gateway_talk import Service, Setting, service, until
from ticket_keys.redis_server import RedisServer, running_redis
from tunnel_talk import echoed, is_cut, tls_server
from tunnel_talk import port as port_of

pytestmark = [pytest.mark.network, pytest.mark.interop]


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_limits, "ANSWER_SECONDS", 30.0)


def write(setting: Setting, behind: Service, server: RedisServer, **limits: Any) -> None:
    _secret(setting)
    shared = {"shared": server.url, "shared_secret": "secret"} if limits.pop("is_shared", True) else {}
    setting.write(behind.route(), limits=shared | limits)


async def echoes(setting: Setting, gateway: Gateway, text: bytes = b"hello") -> tuple[Any, bool]:
    """Connect, send at once, and return the connection with whether its service has answered."""
    reader, writer = await setting.open(gateway)
    writer.write(text)
    return writer, await reader.read(100) == text


def with_redis(folder: Path, talk: Any) -> None:
    async def talking(server: RedisServer) -> None:
        async with service() as behind:
            await talk(server, behind)

    with running_redis(folder) as server:
        asyncio.run(talking(server))


def test_a_client_has_so_many_connections_to_both_together(setting: Setting) -> None:
    """Nothing of one more reaches the service, and it has a place when another has left."""

    async def talk(server: RedisServer, behind: Service) -> None:
        write(setting, behind, server, per_identity=3)
        async with setting.gateway() as one, setting.gateway() as other:
            asked = [echoes(setting, gateway) for gateway in (one, other, one, other, one)]
            connections = await asyncio.gather(*asked)
            assert sum(served for _, served in connections) == 3
            assert len(behind.writers) == 3
            refused = [each for each in await setting.until_reported(2) if each["code"] == "IDENTITY_LIMIT"]
            assert len(refused) == 2
            assert "have 3 connections to all gateways" in refused[0]["ended"]
            for writer, _ in connections:
                writer.transport.abort()
            await until(lambda: len(setting.reported()) == 5)

            async def is_served() -> bool:
                return (await echoes(setting, other))[1]

            async with asyncio.timeout(20):
                while not await is_served():
                    pass

    with_redis(setting.folder, talk)


def test_without_redis_each_gateway_counts_for_itself(setting: Setting) -> None:
    async def talk(server: RedisServer, behind: Service) -> None:
        write(setting, behind, server, per_identity=1)
        server.kill()
        async with setting.gateway() as one, setting.gateway() as other:
            assert (await echoes(setting, one))[1]
            assert (await echoes(setting, other))[1]
            assert not (await echoes(setting, one))[1]
            assert len([each for each in setting.events() if "for this process alone" in each]) == 2

    with_redis(setting.folder, talk)


def test_a_reload_begins_and_ends_to_share(setting: Setting) -> None:
    """Connections that are there count."""

    async def talk(server: RedisServer, behind: Service) -> None:
        write(setting, behind, server, per_identity=1, is_shared=False)
        async with setting.gateway() as one, setting.gateway() as other:
            assert (await echoes(setting, one))[1]
            write(setting, behind, server, per_identity=1)
            assert await setting.reload()
            assert (await echoes(setting, one))[1] is False  # its own limit
            assert other.routes.config.limits.shared == server.url
            await one.take(other.routes)
            await until(lambda: _is_counted(server))
            assert (await echoes(setting, other))[1] is False
            write(setting, behind, server, per_identity=1, is_shared=False)
            assert await setting.reload()
            assert (await echoes(setting, other))[1]

    with_redis(setting.folder, talk)


def test_evidence_that_one_gateway_fetched_ends_a_client_of_the_other(setting: Setting) -> None:
    """Long before the other would ask the responder again; others of the same CA stay."""

    async def talk(server: RedisServer, behind: Service) -> None:
        (setting.folder / "root.pem").write_bytes(identities.root().pem)
        keys = 'client_ca = "root.pem"\nfetch = true\nfetch_allow = ["127.0.0.1"]'
        _secret(setting)
        limits = {"shared": server.url, "shared_secret": "secret"}
        with authority() as known:
            setting.write(behind.route(keys=keys), crl=False, limits=limits)
            ada, bea, _ = (
                identities.client_config(each, anchors=setting.mutual.anchors) for each in known.clients
            )
            async with setting.gateway() as one, setting.gateway() as other:
                reader, writer = await setting.connected(other, ada)
                staying = await setting.connected(other, bea)
                for stream in ((reader, writer), staying):
                    stream[1].write(b"one")
                    assert await stream[0].readexactly(3) == b"one"
                known.revoked.append(known.clients[0])
                asked = len(known.asked)
                with pytest.raises(PeerAlert, match="certificate_revoked"):
                    await (await setting.connected(one, ada))[0].read()
                with pytest.raises(PeerAlert, match="certificate_revoked"):
                    async with asyncio.timeout(20):
                        await reader.read()
                staying[1].write(b"two")
                assert await staying[0].readexactly(3) == b"two"
                assert known.asked[asked:].count("CN=Ada") == 1
            assert any("revokes the serial number" in each and "taken" in each for each in setting.events())

    with_redis(setting.folder, talk)


def test_evidence_that_one_gateway_fetched_ends_a_tunnel_of_the_other(setting: Setting) -> None:
    """It is about the server to which both have a tunnel; its CA is known from its own path alone."""

    async def talk(server: RedisServer, _: Service) -> None:
        (setting.folder / "root.pem").write_bytes(identities.root().pem)
        _secret(setting)
        mine = setting.mutual.identity("client")
        with authority() as known:
            own = Credentials.from_pem(known.server.chain_pem, known.server.key_pem)
            async with tls_server(setting, credentials=own) as behind:
                setting.path.write_text(
                    f'[limits]\nshared = "{server.url}"\nshared_secret = "secret"\n[log]\nformat = "json"\n'
                    f'[[tunnel]]\nport = 0\ninsecure_tcp = true\nserver = "localhost:{port_of(behind)}"\n'
                    f'ca = "root.pem"\ncertificate = "{mine.cert}"\nkey = "{mine.key}"\n'
                    'fetch = true\nfetch_allow = ["127.0.0.1"]\n'
                )
                async with setting.gateway() as one, setting.gateway() as other:
                    streams = await asyncio.open_connection("127.0.0.1", tunnel_port(other))
                    assert await echoed(streams, b"one") == b"one"
                    known.revoked.append(known.server)
                    assert await is_cut(await asyncio.open_connection("127.0.0.1", tunnel_port(one)))
                    async with asyncio.timeout(20):
                        assert await is_cut(streams)
                    first, second = await setting.until_reported(2)
        assert (first["code"], first["verdict"]) == ("REVOKED", "refused")
        assert (second["code"], second["verdict"]) == ("REVOKED", "withdrawn")

    with_redis(setting.folder, talk)


def tunnel_port(gateway: Gateway) -> int:
    return int(gateway.addresses()[0].removesuffix(" (tunnel)").rpartition(":")[2])


def test_the_rights_that_the_guide_gives_suffice(setting: Setting) -> None:
    """docs/running-a-gateway.md, for counts, news and ticket keys; without them the log says which is missing."""
    guide = (ROOT / "docs" / "running-a-gateway.md").read_text()
    [line] = re.findall(r"^ACL SETUSER gateway on >PASSWORD .*$", guide, re.M)

    async def talk(server: RedisServer) -> None:
        path = server.url.removeprefix("unix://")
        url, told = f"unix://gateway:PASSWORD@{path}", []
        with redis.Redis(unix_socket_path=path) as client:
            client.execute_command(*line.split())
            one, other = news_talk.Gateway(url, files(listing(ALICE))), news_talk.Gateway(url, files())
            limits = SharedLimits(url, SECRET, told.append)
            async with gateways(one, other):
                await until(lambda: other.news)
                names = Names("CN=a")
                assert await limits.admits("first", names, 1)
                assert not await limits.admits("second", names, 1)
                keys = SharedTicketKeys.in_redis(url, secret=SECRET)
                await asyncio.to_thread(keys.refresh)
                assert keys.ring(datetime.now(UTC), os.urandom) is not None
                keys.close()
                assert not any("not followed" in each for each in (*one.told, *other.told, *told))
                client.execute_command("ACL", "SETUSER", "gateway", "-getrange")
                await until(lambda: any("NOPERM" in each for each in one.told))
            await limits.close()

    with running_redis(setting.folder) as server:
        asyncio.run(talk(server))


def test_without_news_what_one_has_in_a_file_is_for_itself(setting: Setting) -> None:
    async def talk(server: RedisServer, behind: Service) -> None:
        write(setting, behind, server, shared_news=False)
        async with setting.gateway() as one:
            assert (await echoes(setting, one))[1]
            assert one.routes.all[0].server.settings.trust.revocation.news is None
            assert not _keys(server, "bothways:news:*")
            write(setting, behind, server)
            setting.mutual.revoke(setting.mutual.identity("client", dns=["gone.example"]))
            assert await setting.reload()
            await until(lambda: _keys(server, "bothways:news:*"))

    with_redis(setting.folder, talk)


def _is_counted(server: RedisServer) -> bool:
    return _keys(server, "bothways:counts:*")


def _keys(server: RedisServer, pattern: str) -> bool:
    with redis.Redis(unix_socket_path=server.url.removeprefix("unix://")) as client:
        return bool(client.keys(pattern))


def _secret(setting: Setting) -> None:
    secret = setting.folder / "secret"
    secret.write_bytes(b"5" * 64)
    os.chmod(secret, 0o600)
