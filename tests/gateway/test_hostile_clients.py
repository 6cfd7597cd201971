"""Clients that mean harm: a ticket of one route at another, floods of the log and of descriptors."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import resource
import signal
import socket
import ssl
import time
from pathlib import Path

import pytest

import identities
from bothways import TLSError
from bothways.gateway.log.log import Log
from bothways.gateway.reload.current import Current
from bothways.gateway.server import Gateway
from bothways.servers.report_limits import AT_ONCE
from cli_scripting import Background
from gateway_talk import Setting, behind, port, service, until

pytestmark = pytest.mark.network


def test_a_ticket_of_one_route_is_worth_nothing_at_another(setting: Setting) -> None:
    """OpenSSL offers it there: the handshake is a full one, and the rules of that route decide."""
    mutual = setting.mutual
    mine = mutual.identity("client")
    context = ssl.create_default_context(cafile=str(mutual.ca))
    context.check_hostname = False
    context.load_cert_chain(mine.cert, mine.key)

    def talk(number: int, name: str, session: ssl.SSLSession | None) -> tuple[bool, bytes, ssl.SSLSession]:
        with (
            socket.create_connection(("127.0.0.1", number), 20) as sock,
            context.wrap_socket(sock, server_hostname=name, session=session) as tls,
        ):
            tls.sendall(b"x")
            said = tls.recv(1)
            return bool(tls.session_reused), said, tls.session

    async def attack() -> None:
        async with service() as one, service() as two:
            setting.write(
                one.route(name="one.example"),
                two.route("[[route.allow]]\ndns = 'somebody.example'", name="two.example"),
            )
            async with setting.gateway() as gateway:
                number = port(gateway)
                reused, said, session = await asyncio.to_thread(talk, number, "one.example", None)
                assert (reused, said) == (False, b"x")
                reused, said, session = await asyncio.to_thread(talk, number, "one.example", session)
                assert (reused, said) == (True, b"x")
                with pytest.raises((ssl.SSLError, ConnectionError)):
                    await asyncio.to_thread(talk, number, "two.example", session)
                reported = (await setting.until_reported(3))[2]
        assert (reported["route"], reported["verdict"], reported["resumed"]) == ("route 2", "refused", False)
        assert two.writers == []

    asyncio.run(attack())


def test_clients_that_fail_on_purpose_fill_no_log_and_write_nothing_of_their_own_in_it(
    setting: Setting,
) -> None:
    """So many lines of one address, each a line; the next one says how many were left out."""

    async def attack() -> None:
        async with service() as one:
            setting.write(one.route("[[route.allow]]\ndns = 'client.example'"))
            log = Log(setting.lines.append, "text")
            current = Current(str(setting.path), log, None)
            gateway = Gateway(current.routes, log)
            log.form = "text"
            await gateway.start()
            hello = identities.client_config().connection("localhost").data_to_send()
            evil = hello.replace(b"localhost", b'\x1b[2J\n\r"=\x07')
            for number in range(60):
                reader, writer = await asyncio.open_connection("127.0.0.1", port(gateway))
                writer.write(
                    (evil, b"GET / HTTP/1.0\r\n\x1b[31m\r\n\r\n", b"\x16\x03\x01\0\5\1\n\n\n\n")[number % 3]
                )
                with contextlib.suppress(ConnectionError):
                    await reader.read()
                writer.close()
            await until(lambda: not gateway.clients)
            reader, writer = await setting.open(gateway)
            writer.write_eof()
            await reader.read()
            writer.close()
            await until(lambda: not gateway.clients)
            await gateway.close()
        lines = [line for line in setting.lines if "verdict=" in line]
        assert len(lines) == AT_ONCE + 1
        assert "not_logged=40" in lines[-1]
        for line in setting.lines:
            assert line.isprintable(), repr(line)

    asyncio.run(attack())


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="the limit of another process is Linux's to set")
def test_a_flood_that_takes_every_descriptor_ends_no_gateway_and_keeps_no_processor_busy(
    setting: Setting,
) -> None:
    """It pauses; when descriptors are there again it serves."""
    with behind() as number:
        setting.write(f'backend = "127.0.0.1:{number}"\nallow = "any verified client"')
        server = Background(["gateway", "-c", "gateway.toml"], setting.folder)
        try:
            pid = server.process.pid
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (len(os.listdir(f"/proc/{pid}/fd")) + 12,) * 2)
            flood = [socket.create_connection(("127.0.0.1", int(server.port)), 20) for _ in range(60)]
            used = processor_time(pid)
            time.sleep(1.0)
            assert processor_time(pid) - used < 0.5
            for each in flood:
                each.close()
            given_up = time.monotonic() + 30
            while True:
                try:
                    with setting.mutual.client().connect("127.0.0.1", int(server.port)) as channel:
                        channel.sendall(b"still there\n")
                        assert channel.recv(100) == b"still there\n"
                        break
                except (OSError, TLSError):
                    assert time.monotonic() < given_up
                    time.sleep(0.05)
        finally:
            assert server.end(signal.SIGTERM) == 0
        assert "Traceback" not in server.printed
        reported = [json.loads(line) for line in server.printed.splitlines() if '"event"' in line]
        assert sum("cannot be accepted for now" in each["event"] for each in reported) <= 1


def processor_time(pid: int) -> float:
    fields = re.split(r"\) ", Path(f"/proc/{pid}/stat").read_text())[-1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
