"""A gateway while it serves: who is let in, what revocation and a changed file do, and how it ends."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import threading
import time
from typing import Any

import pytest

from aio_talk import TurnClock
from bothways import ConfigError, PeerAlert, Truncated
from bothways.aio import connect
from bothways.aio.turns import turns_of
from bothways.gateway import server as gateway_server
from bothways.gateway.listeners.listening import open_listener
from bothways.gateway.log.log import Log
from bothways.gateway.reload import current
from bothways.gateway.server import Gateway
from bothways.testing.identities import Identities
from gateway_talk import ANYBODY, Setting, port, service, until

pytestmark = pytest.mark.network

RULE = '[[route.allow]]\ndns = "client.example"'


def test_a_verified_client_reaches_the_service_and_both_ways_end_by_themselves(setting: Setting) -> None:
    """The service answers after the client's end; the line of the log has who, by which rule and how much."""

    async def talk() -> None:
        async with service() as behind:
            setting.write(behind.route(RULE))
            async with setting.gateway() as gateway:
                reader, writer = await setting.open(gateway)
                writer.write(b"x" * 300_000)
                writer.write_eof()
                assert len(await reader.read()) == 300_000
                writer.close()
                [reported] = await setting.until_reported()
        assert (reported["verdict"], reported["rule"], reported["route"]) == (
            "allowed",
            "dns client.example",
            "route 1",
        )
        assert (reported["bytes_in"], reported["bytes_out"], reported["server_name"]) == (
            300_000,
            300_000,
            "localhost",
        )
        assert (reported["code"], reported["suite"]) == ("CLOSED", "TLS_AES_128_GCM_SHA256")
        assert reported["who"]["dns"] == ["client.example"]
        assert (reported["ended"], reported["tls"]) == ("both sides closed", "1.3")
        assert behind.ends == ["end"]

    asyncio.run(talk())


PRESENTED = ("REVOKED", "CERTIFICATE_EXPIRED")  # it is the client's own certificate that is refused


@pytest.mark.parametrize(
    ("kind", "name", "alert", "reported", "code", "cause"),
    [
        ("revoked", "localhost", "certificate_revoked", "revoked", "REVOKED", "REVOKED"),
        ("expired", "localhost", "certificate_expired", "expired", "CERTIFICATE_EXPIRED", "EXPIRED"),
        ("unknown_ca", "localhost", "unknown_ca", "trust anchors", "NO_PATH", "CA_NOT_ACCEPTED"),
        ("wrong_name", "localhost", "access_denied", "no allow rule holds for CN=wrong_name client",
         "ACCESS_REFUSED", "NOT_LET_IN"),
        ("good", "other.example", "unrecognized_name", "the server name other.example",
         "UNKNOWN_SERVER_NAME", "NAME_NOT_SERVED"),
        (None, "localhost", "certificate_required", "no certificate", "NO_CERTIFICATE", "NO_CERTIFICATE"),
    ],
)  # fmt: skip
def test_a_client_that_may_not_pass_is_told_by_an_alert_and_reaches_nothing(
    setting: Setting, kind: str | None, name: str, alert: str, reported: str, code: str, cause: str
) -> None:
    """RFC 9846 6.2; the service is not even connected to. Who was verified is told, also if no rule lets him in."""

    async def talk() -> None:
        async with service() as behind:
            setting.write(behind.route(RULE))
            async with setting.gateway() as gateway:
                with pytest.raises(PeerAlert, match=alert):
                    reader, _ = await setting.open(gateway, kind, name)
                    await reader.read()
                [line] = await setting.until_reported()
        assert line["verdict"] == "refused"
        assert reported in line["ended"]
        assert (line["code"], line["cause"]) == (code, cause)
        assert (line["who"] is not None) == (code == "ACCESS_REFUSED")
        assert line["presented"] == (f"CN={kind} client" if code in PRESENTED else None)
        assert behind.writers == []

    asyncio.run(talk())


def test_revoked_clients_are_ended_within_a_second_and_nobody_else(setting: Setting, full: bool) -> None:
    """Bytes are checked by content, of those who stay also after the list has changed."""
    count = 1000 if full else 200

    async def exchange(talk: tuple, number: int) -> None:
        reader, writer = talk
        data = b"%08d" % number * 50
        writer.write(data)
        assert await reader.readexactly(len(data)) == data

    async def talk() -> None:
        mutual = setting.mutual
        leaving = mutual.identity("client", dns=["client.example"])
        turns = asyncio.Semaphore(32)

        async def opened(number: int) -> tuple:
            async with turns:
                return await setting.open(gateway, leaving if number % 2 else "good", revocation=None)

        async with service() as behind:
            setting.write(behind.route(RULE), times={"hello": 60, "handshake": 60, "connect": 60})
            async with setting.gateway() as gateway:
                talks = await asyncio.gather(*map(opened, range(count)))
                await asyncio.gather(*map(exchange, talks, range(count)))
                mutual.revoke(leaving)
                began = time.monotonic()
                ended = await asyncio.gather(
                    *(reader.read() for reader, _ in talks[1::2]), return_exceptions=True
                )
                seconds = time.monotonic() - began
                await asyncio.gather(*map(exchange, talks[::2], range(count)))
                await setting.until_reported(count // 2)
        assert all(isinstance(each, PeerAlert) and each.name == "certificate_revoked" for each in ended)
        assert seconds < 15  # a second, on a machine that does nothing else
        codes = [(each["verdict"], each["code"]) for each in setting.reported()]
        assert codes.count(("withdrawn", "REVOKED")) == count // 2

    asyncio.run(talk())


def test_whoever_is_listed_is_ended_before_all_others_are_looked_at(
    setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its serial number, however many are connected; here nobody else is looked at for a minute."""
    monkeypatch.setattr("bothways.gateway.routes.routes.LOOK_SECONDS", 60.0)

    async def talk() -> None:
        leaving = setting.mutual.identity("client", dns=["leaving.example"])
        async with service() as behind:
            setting.write(behind.route())
            async with setting.gateway() as gateway:
                reader, _ = await setting.open(gateway, leaving, revocation=None)
                other, writer = await setting.open(gateway)
                setting.mutual.revoke(leaving)
                with pytest.raises(PeerAlert, match="certificate_revoked"):
                    await reader.read()
                writer.write(b"still here")
                assert await other.readexactly(10) == b"still here"

    asyncio.run(talk())


def test_a_changed_file_is_taken_whole_and_open_connections_are_verified_by_it(setting: Setting) -> None:
    """A deny rule ends a client at once; its neighbour goes on; a broken file changes nothing."""

    async def talk() -> None:
        mutual = setting.mutual
        other = mutual.identity("client", dns=["other.example"])
        async with service() as behind:
            setting.write(behind.route())
            async with setting.gateway() as gateway:
                first, second = await setting.open(gateway), await setting.open(gateway, other)
                setting.path.write_text("[[listener]]\nport = 0\n[[route]]\nbackend = 5\n")
                assert not await setting.reload()
                assert "line 4: route[1].backend: expected a text" in setting.events()[-1]
                setting.write(behind.route(ANYBODY, '[[route.deny]]\ndns = "other.example"'))
                assert await setting.reload()
                with pytest.raises(PeerAlert, match="access_denied"):
                    await second[0].read()
                [line] = await setting.until_reported()
                assert (line["verdict"], line["rule"]) == ("withdrawn", "dns other.example")
                assert (line["code"], line["cause"]) == ("ACCESS_REFUSED", "NOT_LET_IN")
                first[1].write(b"still here")
                assert await first[0].readexactly(10) == b"still here"
                with pytest.raises(PeerAlert, match="access_denied"):
                    await (await setting.open(gateway, other))[0].read()

    asyncio.run(talk())


def test_no_byte_passes_by_rules_that_are_no_longer_in_use(setting: Setting) -> None:
    """What the client sends right after the change does not reach the service."""

    async def talk() -> None:
        async with service() as behind:
            setting.write(behind.route())
            async with setting.gateway() as gateway:
                reader, writer = await setting.open(gateway)
                writer.write(b"before")
                await reader.readexactly(6)
                setting.write(behind.route('[[route.allow]]\ndns = "nobody.example"'))
                before, reloading = gateway.routes, asyncio.create_task(setting.reload())
                while gateway.routes is before:
                    await asyncio.sleep(0)
                writer.write(b"after")
                with pytest.raises(PeerAlert, match="access_denied"):
                    await reader.read()
                assert await reloading
            assert behind.received == 6

    asyncio.run(talk())


def test_a_client_in_its_handshake_is_judged_by_the_file_that_was_read_meanwhile(setting: Setting) -> None:
    """It chose its route by the earlier file; nothing that it sent along with its certificate reaches the service."""

    async def talk() -> None:
        async with service() as behind:
            setting.write(behind.route())
            async with setting.gateway() as gateway:
                reader, writer = await asyncio.open_connection("127.0.0.1", port(gateway))
                engine = setting.mutual.client("good", sessions=None).config.connection("localhost")
                writer.write(engine.data_to_send())
                while not engine.established:
                    engine.receive(await reader.read(65536))
                engine.send(b"sent along")
                setting.write(behind.route('[[route.allow]]\ndns = "nobody.example"'))
                assert await setting.reload()
                writer.write(engine.data_to_send())
                while data := await reader.read(65536):
                    engine.receive(data)
                [reported] = await setting.until_reported()
                writer.close()
        assert (reported["verdict"], reported["code"]) == ("withdrawn", "ACCESS_REFUSED")
        assert engine.failure is not None and "access_denied" in str(engine.failure)
        assert "no allow rule holds" in reported["ended"]
        assert behind.writers == []

    asyncio.run(talk())


def test_a_route_that_is_gone_takes_its_clients_with_it(setting: Setting) -> None:
    async def talk() -> None:
        async with service() as behind:
            setting.write(behind.route(), behind.route(name="other.example"))
            async with setting.gateway() as gateway:
                reader, _ = await setting.open(gateway)
                setting.write(behind.route(name="other.example"))
                assert await setting.reload()
                assert await reader.read() == b""
                [reported] = await setting.until_reported()
        assert reported["ended"] == "there is no route for it any more"
        assert (reported["verdict"], reported["code"]) == ("withdrawn", "ROUTE_GONE")

    asyncio.run(talk())


def test_what_waits_for_a_turn_does_not_pass_to_a_client_whose_route_is_gone(setting: Setting) -> None:
    """The service has sent it when the routes had changed, and the turn had no time left to look at them."""
    clock = TurnClock()

    def work() -> None:
        clock.now += 1

    async def talk() -> None:
        async with service() as behind:
            setting.write(behind.route(), behind.route(name="other.example"))
            async with setting.gateway() as gateway:
                reader, writer = await setting.open(gateway)
                writer.write(b"before")
                await reader.readexactly(6)
                [client] = gateway.clients
                routes = gateway.routes
                setting.write(behind.route(name="other.example"))
                reloading = asyncio.create_task(setting.reload())
                while gateway.routes is routes:
                    await asyncio.sleep(0)
                turns_of(asyncio.get_running_loop()).run(work)
                client.send(b"too late")
                assert client.unsent == len(b"too late")
                assert await reader.read() == b""
                assert await reloading
                [reported] = await setting.until_reported()
        assert (reported["verdict"], reported["code"]) == ("withdrawn", "ROUTE_GONE")

    with clock.running():
        asyncio.run(talk())


def test_a_route_that_leads_to_another_service_takes_its_clients_with_it(setting: Setting) -> None:
    """They are allowed where it leads now, and connected to where it led before."""

    async def talk() -> None:
        async with service() as before, service() as after:
            setting.write(before.route())
            async with setting.gateway() as gateway:
                reader, writer = await setting.open(gateway)
                writer.write(b"before")
                await reader.readexactly(6)
                setting.write(after.route())
                assert await setting.reload()
                assert await asyncio.wait_for(reader.read(), 10) == b""
                [reported] = await setting.until_reported()
        assert reported["ended"] == "its route leads to another service now"
        assert (reported["verdict"], reported["code"]) == ("withdrawn", "ROUTE_CHANGED")

    asyncio.run(talk())


def test_anchors_that_are_replaced_count_for_open_connections(setting: Setting) -> None:
    """Another file of CAs in the configuration: whose path leads there no more is ended."""

    async def talk() -> None:
        async with service() as behind:
            setting.write(behind.route())
            async with setting.gateway() as gateway:
                reader, _ = await setting.open(gateway)
                other = setting.folder / "other"
                other.mkdir()
                text = setting.path.read_text()
                Identities(other)
                setting.path.write_text(
                    text.replace("pki/ca.pem", "other/ca.pem").replace("pki/crl", "other/crl")
                )
                assert await setting.reload()
                with pytest.raises(PeerAlert, match="unknown_ca"):
                    await reader.read()

    asyncio.run(talk())


def test_limits_keep_out_whoever_is_too_many(setting: Setting) -> None:
    """Of an address before anything is computed; of an identity when it is known."""

    async def talk() -> None:
        async with service() as behind:
            setting.write(behind.route(), limits={"per_address": 3, "per_identity": 2})
            async with setting.gateway() as gateway:
                other = setting.mutual.identity("client", dns=["other.example"])
                talks = [await setting.open(gateway) for _ in range(2)]
                third = await setting.open(gateway)
                assert await third[0].read() == b""
                third[1].close()
                await until(lambda: len(gateway.clients) == 2)
                talks.append(await setting.open(gateway, other))
                with pytest.raises((ConnectionError, Truncated)):
                    await setting.open(gateway)
                await until(lambda: len(setting.reported()) == 2)
        ends = [each["ended"] for each in setting.reported()]
        assert [each["code"] for each in setting.reported()][:2] == ["IDENTITY_LIMIT", "ADDRESS_LIMIT"]
        assert "clients with these names have 2 connections" in ends[0]
        assert "its address has 3 connections" in ends[1]

    asyncio.run(talk())


def test_a_full_gateway_takes_nobody_until_somebody_goes(setting: Setting) -> None:
    async def talk() -> None:
        async with service() as behind:
            setting.write(behind.route(), limits={"connections": 1})
            async with setting.gateway() as gateway:
                first = await setting.open(gateway)
                await until(lambda: len(gateway.clients) == 1)
                with pytest.raises((ConnectionError, Truncated)):
                    await setting.open(gateway)
                first[1].close()
                await until(lambda: not gateway.clients)
                reader, writer = await setting.open(gateway)
                writer.write(b"in")
                assert await reader.readexactly(2) == b"in"

    asyncio.run(talk())


def test_gateway_waits_for_open_connections_before_it_ends(setting: Setting) -> None:
    """Nobody new is accepted meanwhile; whoever is there longer than that is ended with close_notify."""

    async def talk() -> None:
        async with service() as behind:
            setting.write(behind.route(), times={"drain": 1.0})
            async with setting.gateway() as gateway:
                reader, writer = await setting.open(gateway)
                lazy, _ = await setting.open(gateway)
                where = port(gateway)
                draining = asyncio.create_task(gateway.drain())
                await asyncio.sleep(0.05)
                with pytest.raises(ConnectionRefusedError):
                    await asyncio.open_connection("127.0.0.1", where)
                writer.write(b"to the end")
                assert await reader.readexactly(10) == b"to the end"
                writer.close()
                assert await lazy.read() == b""
                await draining
        assert {each["ended"] for each in setting.reported()} == {"both sides closed", "the gateway ends"}

    asyncio.run(talk())


def test_listeners_come_and_go_with_the_file(setting: Setting) -> None:
    """An address that is taken refuses the whole file; one that stays keeps its socket."""

    async def talk() -> None:
        async with service() as behind:
            setting.write(behind.route())
            async with setting.gateway() as gateway:
                before = port(gateway)
                text = setting.path.read_text()
                with socket.create_server(("127.0.0.1", 0)) as taken:
                    more = f"[[listener]]\nport = {taken.getsockname()[1]}\n[[route]]"
                    setting.path.write_text(text.replace("[[route]]", more))
                    assert not await setting.reload()
                    assert (port(gateway), len(gateway.addresses())) == (before, 1)
                    assert (
                        "not reloaded, the earlier configuration stays in use: cannot listen"
                        in setting.events()[-1]
                    )
                unix = '[[listener]]\nunix = "in.sock"\nmode = "0660"\n[[route]]'
                setting.path.write_text(text.replace("[[route]]", unix))
                assert await setting.reload()
                path = setting.folder / "in.sock"
                assert (path.stat().st_mode & 0o777, port(gateway)) == (0o660, before)
                await _through(setting, path)
                setting.path.write_text(text.replace("[[route]]", unix.replace("0660", "0600")))
                assert await setting.reload()
                assert path.stat().st_mode & 0o777 == 0o600
            assert not path.exists()

    asyncio.run(talk())


def test_a_host_to_listen_on_that_is_not_resolved_holds_no_client_up(
    setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, over, ask = threading.Event(), threading.Event(), socket.getaddrinfo

    def hangs(host: str, *words: Any, **more: Any) -> Any:
        if host != "slow.example":
            return ask(host, *words, **more)
        asked.set()
        over.wait(20)
        raise socket.gaierror(socket.EAI_AGAIN, "temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", hangs)

    async def talk() -> None:
        async with service() as behind:
            setting.write(behind.route())
            async with setting.gateway() as gateway:
                more = '[[listener]]\nhost = "slow.example"\nport = 1\n[[route]]'
                setting.path.write_text(setting.path.read_text().replace("[[route]]", more))
                reading = asyncio.create_task(setting.reload())
                await until(asked.is_set)
                _, writer = await setting.open(gateway)
                writer.close()
                assert not reading.done()
                over.set()
                assert not await reading

    asyncio.run(talk())
    assert "cannot listen on slow.example:1" in str(setting.events())


def test_whatever_is_wrong_with_a_changed_file_the_gateway_goes_on_with_the_earlier_one(
    setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even what nobody thought of."""

    async def talk() -> None:
        async with service() as behind:
            setting.write(behind.route())
            async with setting.gateway() as gateway:

                def text(path: object) -> str:
                    raise ValueError("embedded null byte")

                monkeypatch.setattr(current, "config_text", text)
                assert not await setting.reload()
                assert "not reloaded" in setting.events()[-1] and "null byte" in setting.events()[-1]
                _, writer = await setting.open(gateway)
                writer.close()

    asyncio.run(talk())


def test_a_worker_leaves_the_file_of_a_socket_that_its_supervisor_opened(setting: Setting) -> None:
    """Others listen there too."""

    async def talk() -> None:
        async with service() as behind:
            text = setting.write(behind.route()).read_text()
            setting.path.write_text(text.replace("port = 0", 'unix = "in.sock"'))
            routes = setting.load()
            [listener] = routes.config.listeners
            with open_listener(listener) as sock:
                gateway = Gateway(routes, Log(setting.lines.append, "json"), lambda _: sock.dup())
                await gateway.start()
                await gateway.drain()
                assert (setting.folder / "in.sock").exists()

    asyncio.run(talk())


async def _through(setting: Setting, path: os.PathLike[str]) -> None:
    reader, writer = await connect(None, None, setting.mutual.client("good").config, "localhost", path=path)
    writer.write(b"by a file")
    assert await reader.readexactly(9) == b"by a file"
    writer.close()
    await writer.wait_closed()


def test_clients_come_in_by_a_socket_that_a_service_manager_has_opened(
    setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stays open when the gateway ends, so that clients can wait for the next one."""

    async def talk() -> None:
        async with service() as behind:
            setting.write(behind.route())
            text = setting.path.read_text()
            setting.path.write_text(text.replace("port = 0", 'systemd = "https"'))
            for _ in range(2):
                async with setting.gateway() as gateway:
                    assert gateway.addresses() == [f"127.0.0.1:{listener.getsockname()[1]}"]
                    reader, writer = await setting.open(gateway)
                    writer.write(b"hello")
                    assert await reader.readexactly(5) == b"hello"

    with socket.create_server(("127.0.0.1", 0)) as listener:
        monkeypatch.setattr("bothways.gateway.listeners.systemd.FIRST_DESCRIPTOR", listener.fileno())
        for name, value in (("PID", str(os.getpid())), ("FDS", "1"), ("FDNAMES", "https")):
            monkeypatch.setenv(f"LISTEN_{name}", value)
        asyncio.run(talk())


def test_a_broken_file_starts_nothing(setting: Setting) -> None:
    setting.write('backend = "127.0.0.1:1"')
    with pytest.raises(ConfigError, match="`allow` is missing: nobody could pass"):
        setting.load()


def test_a_certificate_that_is_nobodys_ca_is_pinned_and_withdrawn_with_its_pin(setting: Setting) -> None:
    """Its file may become empty: then nobody is trusted by it. Others of the same issuer are not accepted."""
    mine, pins = setting.mutual.identity("client"), setting.folder / "pins.pem"
    pins.write_bytes(mine.cert.read_bytes())

    async def talk() -> None:
        async with service() as behind:
            text = setting.write(behind.route(), crl=False).read_text()
            setting.path.write_text(text.replace('client_ca = "pki/ca.pem"', 'client_cert = "pins.pem"'))
            async with setting.gateway() as gateway:
                reader, writer = await setting.open(gateway, mine)
                writer.write(b"x")
                assert await reader.read(1) == b"x"
                with pytest.raises(PeerAlert, match="unknown_ca"):
                    other, _ = await setting.open(gateway, "wrong_name")
                    await other.read()
                pins.write_bytes(b"")
                with pytest.raises(PeerAlert, match="unknown_ca"):
                    await reader.read()
                reported = await setting.until_reported(2)
        assert [each["verdict"] for each in reported] == ["refused", "withdrawn"]

    asyncio.run(talk())


def test_a_client_that_is_leaving_keeps_no_other_from_being_verified_again(setting: Setting) -> None:
    """Its connection has ended and its socket is still there, when a file is read again."""

    async def talk() -> None:
        leaving = setting.mutual.identity("client", dns=["leaving.example"])
        async with asyncio.timeout(30), service() as behind:
            setting.write(behind.route())
            async with setting.gateway() as gateway:
                for _ in range(3):
                    await setting.open(gateway)
                reader, _ = await setting.open(gateway, leaving)
                await until(lambda: len(behind.writers) == 4)
                for each in gateway.clients:
                    if "leaving.example" not in each.entry.peer.names.dns:
                        each.eof_received()
                setting.mutual.revoke(leaving)
                assert await setting.reload()
                with pytest.raises(PeerAlert, match="certificate_revoked"):
                    await reader.read()
        assert not [each for each in setting.events() if "cannot be verified" in each]

    asyncio.run(talk())


def test_a_client_that_cannot_be_verified_again_is_ended_and_the_others_are_verified(
    setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def talk() -> None:
        async with asyncio.timeout(30), service() as behind:
            setting.write(behind.route())
            async with setting.gateway() as gateway:
                broken, _ = await setting.open(gateway)
                await until(lambda: len(behind.writers) == 1)
                denied, _ = await setting.open(gateway, setting.mutual.identity("client", dns=["a.example"]))
                await until(lambda: len(behind.writers) == 2)
                [first] = [each for each in gateway.clients if "client.example" in each.entry.peer.names.dns]

                def fail() -> None:
                    raise RuntimeError("a defect")

                monkeypatch.setattr(first, "catch_up", fail)
                setting.write(behind.route(ANYBODY, '[[route.deny]]\ndns = "a.example"'))
                assert await setting.reload()
                with pytest.raises(PeerAlert, match="access_denied"):
                    await denied.read()
                with contextlib.suppress(ConnectionError, Truncated):
                    assert await broken.read() == b""
        assert any("cannot be verified again" in each for each in setting.events())
        assert {each["code"] for each in setting.reported()} >= {"DEFECT", "ACCESS_REFUSED"}

    asyncio.run(talk())


@pytest.mark.parametrize(("at_once", "has_run"), [(1, True), (1000, False)])
def test_numbers_of_many_connections_are_counted_in_several_turns(
    setting: Setting, monkeypatch: pytest.MonkeyPatch, at_once: int, has_run: bool
) -> None:
    monkeypatch.setattr(gateway_server, "COUNTED_IN_A_TURN", at_once)

    async def talk() -> None:
        async with service() as behind:
            setting.write(behind.route())
            async with setting.gateway() as gateway:
                await setting.open(gateway)
                other_work: list[None] = []
                asyncio.get_running_loop().call_soon(other_work.append, None)
                await gateway.refresh()
                assert bool(other_work) is has_run

    asyncio.run(talk())


def test_a_change_whose_permissions_cannot_be_set_leaves_nothing_open(setting: Setting) -> None:
    """Somebody has removed the file of a socket. The change is tried again every few seconds."""

    async def talk() -> None:
        setting.write(f'backend = "127.0.0.1:1"\n{ANYBODY}')
        text = setting.path.read_text()
        unix = '[[listener]]\nunix = "in.sock"\nmode = "0600"\n[[route]]'
        setting.path.write_text(text.replace("[[route]]", unix))
        async with setting.gateway():
            (setting.folder / "in.sock").unlink()
            more = '[audit]\nfile = "audit"\n[[listener]]\nunix = "more.sock"\n'
            setting.path.write_text(text.replace("[[route]]", more + unix.replace("0600", "0660")))
            open_before = len(os.listdir("/dev/fd"))
            assert not await setting.reload()
            assert "No such file" in setting.events()[-1]
            assert len(os.listdir("/dev/fd")) == open_before

    asyncio.run(talk())
