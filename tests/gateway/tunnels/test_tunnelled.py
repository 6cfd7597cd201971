"""Tunnels of a gateway's file in the test's own event loop: reached, followed, limited, counted and told."""

from __future__ import annotations

import asyncio
import socket

import pytest

from bothways.gateway.observe.snapshot import documents
from gateway_talk import Setting, delayed, service, until
from tunnel_talk import connected, counted, echoed, is_cut, port, table, tls_server, write

pytestmark = pytest.mark.network


def test_a_file_of_tunnels_alone_leads_programs_to_their_servers(setting: Setting) -> None:
    """By sockets of this user; lines and metrics have the names of the tunnels, and who the server is."""

    async def talk() -> None:
        async with tls_server(setting) as one, tls_server(setting) as two:
            write(setting, table(setting, port(one)), table(setting, port(two), name="cache"))
            async with setting.gateway() as gateway:
                assert (setting.folder / "db.sock").stat().st_mode & 0o777 == 0o600
                assert [each.endswith(" (tunnel)") for each in gateway.addresses()] == [True, True]
                for name in ("db", "cache"):
                    reader, writer = await connected(setting, name)
                    writer.write(b"x" * 300_000)
                    writer.write_eof()
                    assert await reader.read() == b"x" * 300_000 + b"good client"
                    writer.close()
                first, second = await setting.until_reported(2)
                assert await counted(gateway, "bytes", "db", "in") == 300_000
                assert await counted(gateway, "bytes", "cache", "out") == 300_011
                assert await counted(gateway, "connections_ended", "CLOSED") == 2
                assert await counted(gateway, "phase_seconds_bucket", "backend") == 2
        assert (first["route"], second["route"]) == ("db", "cache")
        assert (first["verdict"], first["code"], first["server_name"]) == ("allowed", "CLOSED", "localhost")
        assert first["who"]["subject"] == "CN=good server"
        assert (first["bytes_in"], first["bytes_out"], first["tls"]) == (300_000, 300_011, "1.3")
        assert not (setting.folder / "db.sock").exists()

    asyncio.run(talk())


@pytest.mark.parametrize(("who", "code"), [("revoked", "REVOKED"), ("unknown_ca", "NO_PATH"), (None, "")])
def test_a_program_whose_server_cannot_be_trusted_or_reached_is_cut(
    setting: Setting, who: str | None, code: str
) -> None:
    async def talk() -> None:
        async with tls_server(setting, who or "good") as server:
            write(setting, table(setting, port(server)))
            if who is None:
                server.close()
            async with setting.gateway():
                reader, writer = await connected(setting)
                writer.write(b"secret")
                assert await is_cut((reader, writer))
                [line] = await setting.until_reported()
        assert line["code"] == (code or "BACKEND_UNREACHABLE")
        assert (line["verdict"], line["route"]) == ("refused" if code else "none", "db")

    asyncio.run(talk())


def test_a_server_that_is_revoked_meanwhile_ends_its_connections_and_no_other(setting: Setting) -> None:
    async def talk() -> None:
        mutual = setting.mutual
        leaving = mutual.identity("server", dns=["localhost"])
        async with tls_server(setting, leaving) as one, tls_server(setting, mutual.identity("server")) as two:
            write(setting, table(setting, port(one)), table(setting, port(two), name="cache"))
            async with setting.gateway():
                first, second = await connected(setting), await connected(setting, "cache")
                assert await echoed(first, b"a") == await echoed(second, b"a") == b"a"
                mutual.revoke(leaving)
                assert await is_cut(first)
                [line] = await setting.until_reported()
                assert (line["verdict"], line["code"]) == ("withdrawn", "REVOKED")
                assert await echoed(second, b"b") == b"b"
                second[1].close()

    asyncio.run(talk())


def test_a_server_that_is_revoked_while_it_is_connected_to_gets_nothing(setting: Setting) -> None:
    """It delays its side of the handshake until the CRL is in use."""

    async def talk() -> None:
        leaving = setting.mutual.identity("server", dns=["localhost"])
        async with tls_server(setting, leaving) as server, delayed(port(server)) as front:
            write(setting, table(setting, front.port))
            async with setting.gateway() as gateway:
                program = await connected(setting)
                program[1].write(b"secret")
                await front.called.wait()
                before = gateway.routes
                setting.mutual.revoke(leaving)
                await until(lambda: gateway.routes is not before)
                front.go_on.set()
                assert await is_cut(program)
                [line] = await setting.until_reported()
        assert "revoked" in line["ended"] and (line["bytes_in"], line["bytes_out"]) == (0, 0)

    asyncio.run(talk())


def test_a_file_is_followed_tunnels_come_and_go_and_those_that_stay_go_on(setting: Setting) -> None:
    """It is read when it changes, whole or not at all."""

    async def talk() -> None:
        async with tls_server(setting) as one, tls_server(setting) as two:
            kept = table(setting, port(one))
            write(
                setting, kept, table(setting, port(one), name="gone"), table(setting, port(one), name="moved")
            )
            async with setting.gateway():
                stays = await connected(setting)
                gone, moved = await connected(setting, "gone"), await connected(setting, "moved")
                for each in (stays, gone, moved):
                    assert await echoed(each, b"a") == b"a"
                write(setting, kept, '[[tunnel]]\nunix = "x"\n')
                await until(lambda: any("not reloaded" in each for each in setting.events()))
                assert await echoed(gone, b"b") == b"b"
                write(
                    setting,
                    kept,
                    table(setting, port(two), name="moved"),
                    table(setting, port(two), name="new"),
                )
                assert await is_cut(gone) and await is_cut(moved)
                assert await echoed(stays, b"c") == b"c"
                assert not (setting.folder / "gone.sock").exists()
                again, new = await connected(setting, "moved"), await connected(setting, "new")
                assert await echoed(again, b"d") == await echoed(new, b"d") == b"d"
                codes = {each["route"]: each["code"] for each in await setting.until_reported(2)}
                assert codes == {"gone": "ROUTE_GONE", "moved": "ROUTE_CHANGED"}
                for each in (stays, again, new):
                    each[1].close()

    asyncio.run(talk())


def test_a_tunnel_has_so_many_connections_and_others_have_their_own(setting: Setting) -> None:
    async def talk() -> None:
        async with tls_server(setting) as server:
            few = table(setting, port(server), "connections = 1")
            write(setting, few, table(setting, port(server), name="other"))
            async with setting.gateway() as gateway:
                first = await connected(setting)
                assert await echoed(first, b"a") == b"a"
                assert await is_cut(await connected(setting))
                other = await connected(setting, "other")
                assert await echoed(other, b"a") == b"a"
                [line] = await setting.until_reported()
                assert line["code"] == "CONNECTIONS_LIMIT"
                assert len(gateway.tunnelled) == 2
                first[1].close()
                await until(lambda: len(gateway.tunnelled) == 1)
                again = await connected(setting)
                assert await echoed(again, b"a") == b"a"
                await gateway.refresh()
                assert documents(gateway.board)
                for each in (other, again):
                    each[1].close()

    asyncio.run(talk())


def test_tunnels_and_routes_for_clients_are_served_by_one_file(setting: Setting) -> None:
    """A client of the gateway's own route comes to it through a tunnel of the same file."""

    async def talk() -> None:
        async with service() as behind:
            clients = setting.write(behind.route()).read_text()
            async with setting.gateway() as gateway:
                [where] = gateway.addresses()
                new = setting.path.with_suffix(".new")
                new.write_text(clients + table(setting, int(where.rpartition(":")[2])))
                new.replace(setting.path)
                assert await setting.reload()
                streams = await connected(setting)
                assert await echoed(streams, b"x" * 100_000) == b"x" * 100_000
                streams[1].close()
                lines = await setting.until_reported(2)
        assert {each["who"]["subject"] for each in lines} == {"CN=good server", "CN=good client"}

    asyncio.run(talk())


def test_a_gateway_that_drains_waits_for_its_tunnels_and_then_ends_them(setting: Setting) -> None:
    async def talk() -> None:
        async with tls_server(setting) as server:
            write(setting, table(setting, port(server)), "[times]\ndrain = 0.3\n")
            async with setting.gateway() as gateway:
                streams = await connected(setting)
                assert await echoed(streams, b"a") == b"a"
                draining = asyncio.create_task(gateway.drain())
                assert await echoed(streams, b"b") == b"b"
                await draining
                assert await is_cut(streams)
                [line] = await setting.until_reported()
        assert line["code"] == "GATEWAY_ENDED"

    asyncio.run(talk())


def test_a_gateway_that_is_replaced_goes_on_until_the_last_bytes_are_taken(setting: Setting) -> None:
    """Both sides have closed, and the program has not read yet what the server sent last."""

    async def talk() -> None:
        async with tls_server(setting) as server:
            write(setting, table(setting, port(server)))
            async with setting.gateway() as gateway:
                sock = socket.socket(socket.AF_UNIX)
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                sock.setblocking(False)
                loop, data = asyncio.get_running_loop(), b"x" * 50_000
                await loop.sock_connect(sock, str(setting.folder / "db.sock"))
                await until(lambda: len(gateway.tunnelled))
                [program] = gateway.tunnelled
                transport = program.relay.client.transport
                transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
                await loop.sock_sendall(sock, data)
                sock.shutdown(socket.SHUT_WR)
                retiring = loop.create_task(gateway.retire())
                [line] = await setting.until_reported()
                assert line["code"] == "CLOSED" and transport.get_write_buffer_size()
                assert not retiring.done()
                got = b""
                while piece := await loop.sock_recv(sock, 4096):
                    got += piece
                assert got == data + b"good client"
                await retiring
                sock.close()

    asyncio.run(talk())


def test_a_server_that_is_left_gets_its_alert_before_the_gateway_is_gone(setting: Setting) -> None:
    async def talk() -> None:
        leaving = setting.mutual.identity("server", dns=["localhost"])
        async with tls_server(setting, leaving) as server:
            write(setting, table(setting, port(server)))
            async with setting.gateway() as gateway:
                streams = await connected(setting)
                assert await echoed(streams, b"a") == b"a"
                [program] = gateway.tunnelled
                transport = program.relay.service.transport
                retiring = asyncio.create_task(gateway.retire())
                setting.mutual.revoke(leaving)
                assert await is_cut(streams)
                await retiring
                assert transport.tls.is_lost

    asyncio.run(talk())
