"""A gateway whose identity and trust come from an agent of SPIFFE: rotation, trust domains, an agent that is gone."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import pki
from bothways import ClientConfig, ConfigError, Credentials, PeerAlert, Truncated, TrustStore
from bothways.aio import connect
from bothways.gateway.relay.relay import Relay
from bothways.gateway.routes.backends import reach
from bothways.gateway.server import Gateway
from bothways.net import connect as connect_socket
from cli_scripting import Background
from gateway_talk import ANYBODY, Setting, behind, port, service, until
from spiffe.agent import Agent, agent, authority, response, svid, workload

pytestmark = [pytest.mark.network, pytest.mark.interop]

ID = "spiffe://example.org/gateway"
CA, NEXT, OTHER = authority(), authority(number=2), authority("other.example")
OURS = workload(CA, ID)
ADA = workload(CA, "spiffe://example.org/team/ada")


def first(**options: Any) -> bytes:
    return response(svid(OURS, ID, CA), **options)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Agent]:
    with agent(tmp_path / "agent.sock", first()) as made:
        yield made


def write(setting: Setting, served: Agent, route: str, keys: str = "") -> None:
    setting.path.write_text(
        f'[identity]\nspiffe = "{served.address}"\n{keys}\n[log]\nformat = "json"\n'
        f"[[listener]]\nport = 0\n[[route]]\n{route}\n"
    )


def client(who: pki.Issued, *cas: pki.Issued) -> ClientConfig:
    return ClientConfig(
        anchors=TrustStore([each.der for each in cas or (CA,)]),
        credentials=Credentials.from_pem(who.chain_pem, who.key_pem),
    )


async def reached(setting: Setting, gateway: Gateway, who: pki.Issued, *cas: pki.Issued) -> Any:
    reader, writer = await connect("127.0.0.1", port(gateway), client(who, *cas), ID)
    setting.writers.append(writer)
    writer.write(b"x")
    assert await reader.read(1) == b"x"
    return reader, writer


async def refused(gateway: Gateway, who: pki.Issued, alert: str) -> None:
    with pytest.raises(PeerAlert, match=alert):
        reader, _ = await connect("127.0.0.1", port(gateway), client(who), ID)
        await reader.read()


def route(address: str, allow: str = ANYBODY) -> str:
    return f'backend = "{address}"\n{allow}'


def test_identity_and_trust_come_from_the_agent_and_change_with_it(setting: Setting, served: Agent) -> None:
    """A rotation is taken whole: our SVID and the bundle. A CA that leaves the bundle ends who has only that."""

    async def talk() -> None:
        async with service() as behind:
            rule = '[[route.allow]]\nuri = "spiffe://example.org/team/*"'
            write(setting, served, route(behind.address, rule))
            async with setting.gateway() as gateway:
                reader, _ = await reached(setting, gateway, ADA)
                served.send(response(svid(workload(NEXT, ID), ID, CA, NEXT)))
                await until(lambda: len(gateway.routes.all[0].server.client_anchors) == 2)
                await reached(setting, gateway, workload(NEXT, "spiffe://example.org/team/bob"), NEXT)
                served.send(response(svid(workload(NEXT, ID), ID, NEXT)))
                with pytest.raises(PeerAlert, match="unknown_ca"):
                    await reader.read()
                [withdrawn] = await setting.until_reported()
        assert (withdrawn["verdict"], withdrawn["who"]["uri"]) == (
            "withdrawn",
            ["spiffe://example.org/team/ada"],
        )

    asyncio.run(talk())


def test_a_rotation_of_our_svid_alone_verifies_nobody_again(setting: Setting, served: Agent) -> None:
    async def talk() -> None:
        async with service() as behind:
            write(setting, served, route(behind.address))
            async with setting.gateway() as gateway:
                await reached(setting, gateway, ADA)
                before = gateway.routes.all[0]
                mine = workload(CA, ID, own_key=pki.key("P-256", 9))
                served.send(response(svid(mine, ID, CA)))
                await until(lambda: gateway.routes.all[0] is not before)
                after = gateway.routes.all[0]
                assert after.server.settings.identity.own[0].certificate == mine.certificate
                assert after.judges_like(before)

    asyncio.run(talk())


def test_spiffe_ids_are_verified_by_the_bundle_of_their_own_trust_domain_alone(
    setting: Setting, tmp_path: Path
) -> None:
    """X509-SVID 5.2: not by that of a federated domain, though that is trusted too, nor without a SPIFFE ID."""
    federated = first(federated={"spiffe://other.example": (OTHER,)})

    async def talk(served: Agent) -> None:
        async with service() as behind:
            write(setting, served, route(behind.address), 'trust_domains = "other.example"')
            async with setting.gateway() as gateway:
                await reached(setting, gateway, ADA)
                await reached(setting, gateway, workload(OTHER, "spiffe://other.example/x"))
                for stranger in (
                    workload(OTHER, "spiffe://example.org/team/eve"),
                    workload(CA, "spiffe://other.example/team/eve"),
                    pki.leaf(CA, "eve.example", alternatives=["DNS:eve.example"], **_span()),
                    pki.leaf(
                        CA, "eve", alternatives=["URI:spiffe://example.org/a", "URI:spiffe://example.org/b"], **_span()
                    ),
                    pki.intermediate(CA, "eve", alternatives=["URI:spiffe://example.org/eve"],
                                     key_usage=("digital_signature", "key_cert_sign"), **_span()),
                ):  # fmt: skip
                    await refused(gateway, stranger, "access_denied")
                assert len(behind.writers) == 2

    with agent(tmp_path / "federated.sock", federated) as served:
        asyncio.run(talk(served))


def _span() -> dict[str, datetime]:
    now = datetime.now(UTC)
    return {"not_before": now - timedelta(hours=1), "not_after": now + timedelta(hours=1)}


def test_whoever_is_no_longer_federated_is_ended_and_all_others_stay(
    setting: Setting, tmp_path: Path
) -> None:
    """The agent leaves the bundle out; it is told, and the domain is trusted again when its bundle is back."""
    federated = first(federated={"spiffe://other.example": (OTHER,)})

    async def talk(served: Agent) -> None:
        async with service() as behind:
            write(setting, served, route(behind.address), 'trust_domains = "other.example"')
            async with setting.gateway() as gateway:
                _, own = await reached(setting, gateway, ADA)
                partner = workload(OTHER, "spiffe://other.example/x")
                reader, _ = await reached(setting, gateway, partner)
                served.send(first())
                with pytest.raises(PeerAlert, match="unknown_ca"):
                    await reader.read()
                await refused(gateway, partner, "unknown_ca")
                own.write(b"x")
                await own.drain()
                served.send(federated)
                await until(lambda: len(gateway.routes.all[0].server.client_anchors) == 2)
                await reached(setting, gateway, partner)
                assert not own.is_closing()
        told = [each for each in setting.events() if "has no bundle of the trust domain" in each]
        assert len(told) == 1 and "other.example any more" in told[0]

    with agent(tmp_path / "agent.sock", federated) as served:
        asyncio.run(talk(served))


def test_federated_domains_are_not_trusted_unless_they_are_named(setting: Setting, tmp_path: Path) -> None:
    async def talk(served: Agent) -> None:
        async with service() as behind:
            write(setting, served, route(behind.address))
            async with setting.gateway() as gateway:
                await refused(gateway, workload(OTHER, "spiffe://other.example/x"), "unknown_ca")

    with agent(tmp_path / "federated.sock", first(federated={"spiffe://other.example": (OTHER,)})) as served:
        asyncio.run(talk(served))


def test_the_earlier_svid_serves_until_it_ends_and_then_nobody(setting: Setting, tmp_path: Path) -> None:
    """An agent that is gone is reported; an SVID that has expired is not shown to clients."""
    ends = datetime.now(UTC) + timedelta(seconds=2.5)
    short = workload(CA, ID, not_after=ends)

    async def talk() -> None:
        async with service() as behind:
            with agent(tmp_path / "short.sock", response(svid(short, ID, CA))) as served:
                write(setting, served, route(behind.address))
                gateway_of = setting.gateway()
                gateway = await gateway_of.__aenter__()
            try:
                await until(lambda: any("stay in use" in each for each in setting.events()))
                await reached(setting, gateway, ADA)
                await asyncio.sleep((ends - datetime.now(UTC)).total_seconds() + 0.05)
                await refused(gateway, ADA, "unrecognized_name")
                [line] = await setting.until_reported()
                assert line["code"] == "SVID_EXPIRED"
            finally:
                await gateway_of.__aexit__(None, None, None)

    asyncio.run(talk())


def test_every_worker_takes_a_rotation_and_the_supervisor_alone_asks_the_agent(
    setting: Setting, served: Agent
) -> None:
    with behind() as port_behind:
        write(setting, served, route(f"127.0.0.1:{port_behind}"))
        server = Background(["gateway", "-c", "gateway.toml", "--workers", "2"], setting.folder)
        try:
            served.send(response(svid(workload(NEXT, ID), ID, NEXT)))
            end = datetime.now(UTC) + timedelta(seconds=15)
            while "all workers use what was read" not in server.printed:
                assert datetime.now(UTC) < end, server.printed
            bob = client(workload(NEXT, "spiffe://example.org/bob"), NEXT)
            for _ in range(4):
                with connect_socket("127.0.0.1", int(server.port or 0), bob, ID) as channel:
                    channel.sendall(b"hello\n")
                    assert channel.recv(6) == b"hello\n"
        finally:
            server.end()
    assert served.calls == 1
    assert "Traceback" not in server.printed


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        (
            'spiffe_id = "spiffe://example.org/other"',
            "has no SVID of spiffe://example.org/other; it has " + ID,
        ),
        ('trust_domains = "other.example"', "has no bundle of the trust domain other.example"),
        ('trust_domains = "Other"', "Other is no trust domain"),
        ('spiffe_id = "example.org"', "expected a SPIFFE ID"),
        ('certificate = "a.pem"', "`spiffe` and `certificate`: name one of them"),
    ],
)
def test_an_identity_that_the_agent_does_not_have_refuses_the_file(
    setting: Setting, served: Agent, keys: str, problem: str
) -> None:
    write(setting, served, route("127.0.0.1:1"), keys)
    with pytest.raises(ConfigError, match="gateway.toml") as found:
        setting.load()
    assert problem in str(found.value)


def test_an_agent_that_is_not_there_refuses_the_file(setting: Setting, tmp_path: Path) -> None:
    text = f'[identity]\nspiffe = "unix:{tmp_path}/nothing"\n[[listener]]\nport = 0\n[[route]]\n{route("127.0.0.1:1")}'
    setting.path.write_text(text)
    with pytest.raises(ConfigError, match="the agent cannot be reached: No such file or directory"):
        setting.load()
    setting.path.write_text(text.replace("spiffe = ", "spiffe_id = "))
    with pytest.raises(ConfigError, match="`spiffe_id` without `spiffe`"):
        setting.load()


# -- towards a service -----------------------------------------------------------------------------------

DB = "spiffe://example.org/db"


@contextlib.asynccontextmanager
async def service_of(who: pki.Issued, folder: Path, seen: list[Any]) -> AsyncIterator[str]:
    """A service of OpenSSL that requires a certificate of our CA; `seen` gets the URIs of each client."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    chain = folder / "service.pem"
    chain.write_bytes(who.chain_pem + who.key_pem)
    context.load_cert_chain(chain)
    context.load_verify_locations(cadata=CA.pem.decode())
    context.verify_mode = ssl.CERT_REQUIRED

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(writer.get_extra_info("peercert")["subjectAltName"])
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(100):
                writer.write(data)
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0, ssl=context)
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


def towards(served: Agent, address: str, name: str = DB) -> str:
    tls = f'[route.backend_tls]\nspiffe = "{served.address}"\nserver_name = "{name}"'
    return f"{route(address)}\n{tls}"


async def answered(setting: Setting, gateway: Gateway) -> Any:
    reader, writer = await setting.open(gateway)
    writer.write(b"x")
    return reader, await read(reader)


async def read(reader: Any) -> bytes:
    """What comes, or nothing where it is cut."""
    try:
        return bytes(await reader.read(1))
    except Truncated:
        return b""


def test_a_service_sees_our_svid_and_has_to_have_its_spiffe_id(setting: Setting, served: Agent) -> None:
    """When its CA leaves the bundle its open connections end, and others do not begin."""
    seen: list[Any] = []

    async def talk() -> None:
        async with service_of(workload(CA, DB), setting.folder, seen) as address:
            setting.write(towards(served, address))
            async with setting.gateway() as gateway:
                reader, first_byte = await answered(setting, gateway)
                assert (first_byte, seen) == (b"x", [(("URI", ID),)])
                served.send(response(svid(workload(CA, ID, own_key=pki.key("P-256", 9)), ID, CA, NEXT)))
                await until(lambda: len(trusted(gateway)) == 2)
                assert (await answered(setting, gateway))[1] == b"x"
                assert not reader.at_eof()
                served.send(response(svid(OURS, ID, NEXT)))
                assert await read(reader) == b""
                assert trusted(gateway) == (NEXT.certificate,)
                assert (await answered(setting, gateway))[1] == b""
                reported = await setting.until_reported(3)
        assert reported[-1]["code"] == "BACKEND_UNREACHABLE"

    asyncio.run(talk())


def trusted(gateway: Gateway) -> Any:
    towards = gateway.routes.all[0].client
    assert towards is not None
    return towards.anchors.certificates


@pytest.mark.parametrize(
    "stranger",
    [
        workload(CA, "spiffe://example.org/dbs"),
        workload(OTHER, DB),
        pki.leaf(CA, "db", alternatives=[f"URI:{DB}", "URI:spiffe://example.org/x"], **_span()),
        pki.leaf(CA, "db", alternatives=["DNS:db.example"], **_span()),
        pki.intermediate(
            CA, "db", alternatives=[f"URI:{DB}"], key_usage=("digital_signature", "key_cert_sign"), **_span()
        ),
    ],
    ids=["another id", "another domain", "two uris", "no uri", "a ca"],
)
def test_a_service_without_this_spiffe_id_gets_nothing(
    setting: Setting, tmp_path: Path, stranger: pki.Issued
) -> None:
    """Nor is one believed whose CA vouches for another trust domain, though that is federated."""
    seen: list[Any] = []

    async def talk(served: Agent) -> None:
        async with service_of(stranger, setting.folder, seen) as address:
            setting.write(towards(served, address))
            async with setting.gateway() as gateway:
                assert (await answered(setting, gateway))[1] == b""
                [line] = await setting.until_reported()
        assert (line["code"], line["verdict"]) == ("BACKEND_UNREACHABLE", "allowed")
        assert "the server sent a certificate" in line["ended"]

    with agent(tmp_path / "federated.sock", first(federated={"spiffe://other.example": (OTHER,)})) as served:
        asyncio.run(talk(served))


def test_a_federated_service_is_verified_by_the_bundle_of_its_domain(
    setting: Setting, tmp_path: Path
) -> None:
    theirs = "spiffe://other.example/db"
    seen: list[Any] = []

    async def talk(served: Agent) -> None:
        async with service_of(workload(OTHER, theirs), setting.folder, seen) as address:
            setting.write(towards(served, address, theirs))
            async with setting.gateway() as gateway:
                assert (await answered(setting, gateway))[1] == b"x"
                assert trusted(gateway) == (OTHER.certificate,)

    with agent(tmp_path / "federated.sock", first(federated={"spiffe://other.example": (OTHER,)})) as served:
        asyncio.run(talk(served))
    assert seen == [(("URI", ID),)]


def test_an_svid_that_has_expired_is_not_shown_to_a_service(setting: Setting, served: Agent) -> None:
    async def talk() -> None:
        write(setting, served, towards(served, "127.0.0.1:1"))
        made = setting.load().all[0]
        assert made.service_ends == OURS.certificate.not_valid_after_utc
        ended = replace(made, service_ends=datetime.now(UTC) - timedelta(seconds=1))
        relay = Relay(lambda _: None, lambda _: None, idle=1, half_closed=1)
        problem = await reach(relay.service, ended, 1, b"")
        assert problem is not None
        assert "our SVID expired on" in problem.text

    asyncio.run(talk())
