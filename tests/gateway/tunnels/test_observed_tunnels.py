"""What is seen of connections through tunnels: in the audit file, as spans, and on the status page."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest

from bothways.gateway.observe.audit_file import verified
from bothways.gateway.observe.status_page import status_of, status_page
from bothways.gateway.server import Gateway
from gateway_talk import Setting, until
from tunnel_talk import connected, counted, echoed, is_cut, port, table, tls_server, write

pytestmark = pytest.mark.network

AUDIT = '[audit]\nfile = "audit.log"\n'


def status_table(setting: Setting) -> str:
    mine, mutual = setting.mutual.identity("server"), setting.mutual
    return (
        f'[status]\nport = 0\ncertificate = "{mine.cert}"\nkey = "{mine.key}"\nclient_ca = "{mutual.ca}"\n'
        'allow = "any verified client"\n'
    )


def entries(setting: Setting) -> list[dict[str, Any]]:
    seen: list[dict[str, Any]] = []
    verified(str(setting.folder / "audit.log"), visit=seen.append)
    return seen


@contextlib.asynccontextmanager
async def told_to_leave(setting: Setting) -> AsyncIterator[int]:
    """A server that closes each connection at once. Yields its port."""

    async def leave(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with await asyncio.start_server(leave, "127.0.0.1", 0) as server:
        yield int(server.sockets[0].getsockname()[1])


def test_each_server_that_is_let_in_refused_or_left_has_an_entry_in_the_audit_file(setting: Setting) -> None:
    async def talk() -> None:
        leaving = setting.mutual.identity("server", dns=["localhost"])
        async with tls_server(setting, leaving) as one, tls_server(setting, "unknown_ca") as two:
            write(setting, table(setting, port(one)), table(setting, port(two), name="cache"), AUDIT)
            async with setting.gateway() as gateway:
                program = await connected(setting)
                assert await echoed(program, b"a") == b"a"
                assert await is_cut(await connected(setting, "cache"))
                await setting.until_reported()
                setting.mutual.revoke(leaving)
                assert await is_cut(program)
                await setting.until_reported(2)
                assert await counted(gateway, "decisions", "db", "allowed") == 1
                assert await counted(gateway, "decisions", "db", "withdrawn") == 1
                assert await counted(gateway, "handshakes") == 0
            address = f"localhost:{port(one)}"
        found = {each["action"]: each for each in entries(setting)}
        assert set(found) == {"start", "allowed", "refused", "reload", "withdrawn"}
        allowed, refused, withdrawn = found["allowed"], found["refused"], found["withdrawn"]
        assert (allowed["subject"], allowed["details"]["who"]["subject"]) == ("localhost", "CN=good server")
        assert (allowed["details"]["route"], allowed["details"]["server"]) == ("db", address)
        assert (refused["details"]["route"], refused["details"]["code"]) == ("cache", "NO_PATH")
        assert (withdrawn["details"]["code"], withdrawn["details"]["server"]) == ("REVOKED", address)

    asyncio.run(talk())


def test_a_server_gets_nothing_of_a_program_where_that_cannot_be_recorded(setting: Setting) -> None:
    async def talk() -> None:
        async with tls_server(setting) as server:
            write(setting, table(setting, port(server)), AUDIT)
            async with setting.gateway():
                with (setting.folder / "audit.log").open() as file:
                    fcntl.flock(file, fcntl.LOCK_EX)
                    program = await connected(setting)
                    program[1].write(b"secret")
                    assert await is_cut(program)
                    [line] = await setting.until_reported()
                    assert (line["code"], line["bytes_in"], line["bytes_out"]) == ("NOT_RECORDED", 0, 0)
                    fcntl.flock(file, fcntl.LOCK_UN)
                program = await connected(setting)
                assert await echoed(program, b"a") == b"a"
                program[1].close()

    asyncio.run(talk())


async def page(gateway: Gateway) -> tuple[Any, str]:
    """The status of all processes, and the page of it."""
    await gateway.refresh()
    status = status_of(gateway.board, gateway.routes.held, datetime.now(UTC))
    return status, status_page(status).content.decode()


def test_the_status_page_shows_where_tunnels_lead_and_who_is_there(setting: Setting) -> None:
    """Also one that nobody uses; and when the certificates at both ends expire."""

    async def talk() -> None:
        async with tls_server(setting) as server:
            unused = table(setting, port(server), name="cache")
            write(setting, table(setting, port(server)), unused, status_table(setting))
            async with setting.gateway() as gateway:
                program = await connected(setting)
                assert await echoed(program, b"abc") == b"abc"
                status, html = await page(gateway)
                assert [(each["name"], each["open"]) for each in status.tunnels] == [("db", 1), ("cache", 0)]
                [row] = status.programs
                assert (row["who"], row["route"], row["server"]) == (
                    "localhost",
                    "db",
                    f"localhost:{port(server)}",
                )
                assert (row["bytes_in"], row["bytes_out"], row["tls"]) == (3, 3, "1.3")
                assert (
                    f"unix:{setting.folder}/db.sock → localhost:{port(server)}, whose name is localhost"
                    in html
                )
                assert "its certificate <span" in html and "expires in" in html
                assert any(each.use == "own" and "client" in each.file for each in status.expiring)
                program[1].close()
                await until(lambda: not len(gateway.tunnelled))
                status, html = await page(gateway)
                assert status.programs == [] and status.refusals == []

    asyncio.run(talk())


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_why_a_server_is_refused_or_refuses_us_is_shown_with_a_ladder(setting: Setting, version: str) -> None:
    """As the client that we are. In TLS 1.3 the server refuses us when we have verified it already."""

    async def talk() -> None:
        stranger = setting.mutual.identity("client", "unknown_ca")
        limits = {"versions": (version,)}
        async with (
            tls_server(setting, "expired", **limits) as one, tls_server(setting, **limits) as two,
            told_to_leave(setting) as three,
        ):  # fmt: skip
            write(
                setting,
                table(setting, port(one)),
                table(setting, port(two), name="cache", who=stranger),
                table(setting, three, name="gone"),
                status_table(setting),
            )
            async with setting.gateway() as gateway:
                for name in ("db", "cache", "gone"):
                    program = await connected(setting, name)
                    program[1].write(b"request")
                    assert await is_cut(program)
                await setting.until_reported(3)
                status, html = await page(gateway)
                async with asyncio.timeout(60):
                    while not all(each["cause"] for each in status.refusals[1:]):  # a thread looks for them
                        await asyncio.sleep(0.01)
                        status, html = await page(gateway)
        found = {each["code"]: each for each in status.refusals}
        assert list(found) == ["BACKEND_UNREACHABLE", "ALERT_UNKNOWN_CA", "CERTIFICATE_EXPIRED"]
        assert {each["verified"] for each in found.values()} == {"server"}
        assert [each["cause"] for each in found.values()][1:] == ["CA_NOT_ACCEPTED", "EXPIRED"]
        for code in ("ALERT_UNKNOWN_CA", "CERTIFICATE_EXPIRED"):
            assert "ClientHello" in found[code]["ladder"] and "Certificate" in found[code]["ladder"]
        assert "server of the tunnel db" in html and "of the tunnel gone" in html

    asyncio.run(talk())
