"""What changes on disk while a gateway serves, and whom it ends."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

import pki
from bothways import ClientConfig, Credentials, PeerAlert
from bothways.aio import connect
from bothways.gateway.reload.current import LOOKS_FAIL, LOOKS_GO_ON, Current
from bothways.gateway.routes.routes import Routes
from bothways.servers import lasting_problem
from bothways.testing.identities import Identities
from gateway_talk import Setting, port, service, until

pytestmark = pytest.mark.network


def test_an_ocsp_response_that_is_replaced_ends_whom_it_revokes(setting: Setting) -> None:
    """In a file of `ocsp`; a client beside it stays."""
    now = datetime.now(UTC).replace(microsecond=0)
    life = {"not_before": now - timedelta(days=1), "not_after": now + timedelta(days=1)}
    root = pki.root("Root", **life)
    leaves = [pki.leaf(root, f"{name}.example", **life) for name in ("leaving", "staying")]
    paths = [setting.folder / f"{number}.ocsp" for number in range(2)]

    def write(number: int, status: str, at: datetime) -> None:
        response = pki.ocsp_response(
            leaves[number], root, status, this_update=at, next_update=now + timedelta(hours=1)
        )
        new = setting.folder / "new"
        new.write_bytes(response)
        os.replace(new, paths[number])

    async def opened(gateway, number: int):
        leaf = leaves[number]
        config = ClientConfig(
            anchors=setting.mutual.anchors, credentials=Credentials.from_pem(leaf.pem, leaf.key_pem)
        )
        talk = await connect("127.0.0.1", port(gateway), config, "localhost")
        setting.writers.append(talk[1])
        return talk

    async def talk() -> None:
        for number in range(2):
            write(number, "good", now - timedelta(minutes=2))
        async with service() as behind:
            setting.write(behind.route(keys='client_ca = "root.pem"\nocsp = ["0.ocsp", "1.ocsp"]'), crl=False)
            (setting.folder / "root.pem").write_bytes(root.pem)
            async with setting.gateway() as gateway:
                (leaving, _), (staying, writer) = await opened(gateway, 0), await opened(gateway, 1)
                await asyncio.sleep(0)
                write(0, "revoked", now - timedelta(minutes=1))
                with pytest.raises(PeerAlert, match="certificate_revoked"):
                    await leaving.read()
                writer.write(b"still here")
                assert await staying.readexactly(10) == b"still here"
                [reported] = await setting.until_reported()
                told = "0.ocsp: read again: 1 OCSP response"  # by a thread, after whom it ends
                await until(lambda: any(told in each for each in setting.events()))
        assert reported["verdict"] == "withdrawn"

    asyncio.run(talk())


def test_a_client_is_revoked_while_all_threads_of_the_event_loop_are_busy(setting: Setting) -> None:
    """They may all wait for names of services that nobody resolves."""
    go = threading.Event()

    async def talk() -> None:
        loop = asyncio.get_running_loop()
        async with service() as behind:
            setting.write(behind.route())
            async with setting.gateway() as gateway:
                reader, writer = await setting.open(gateway)
                writer.write(b"one")
                assert await reader.readexactly(3) == b"one"
                loop.set_default_executor(ThreadPoolExecutor(1))
                busy = loop.run_in_executor(None, go.wait, 60.0)
                try:
                    setting.mutual.revoke(setting.mutual.identity("client"))
                    with pytest.raises(PeerAlert, match="certificate_revoked"):
                        async with asyncio.timeout(30):
                            await reader.read()
                finally:
                    go.set()
                    await busy

    asyncio.run(talk())


def test_anchors_that_are_replaced_on_disk_end_whose_path_leads_there_no_more(setting: Setting) -> None:
    async def talk() -> None:
        other = setting.folder / "other"
        other.mkdir()
        Identities(other)
        async with service() as behind:
            setting.write(behind.route())
            async with setting.gateway() as gateway:
                reader, _ = await setting.open(gateway)
                os.replace(other / "ca.pem", setting.mutual.ca)
                with pytest.raises(PeerAlert, match="unknown_ca"):
                    await reader.read()
                assert setting.following is not None
                setting.following.stop()

    asyncio.run(talk())


def test_a_burst_of_reloads_reads_once_more_after_the_one_that_runs(setting: Setting) -> None:
    """Each reads all files; the last one is not lost."""

    async def talk() -> None:
        async with service() as behind:
            setting.write(behind.route())
            async with setting.gateway():
                first = asyncio.create_task(setting.reload())
                await asyncio.sleep(0)
                setting.write(behind.route(), limits={"connections": 77})
                others = [asyncio.create_task(setting.reload()) for _ in range(50)]
                assert await first
                assert sum(await asyncio.gather(*others)) == 1
                assert sum(each.startswith("reloaded: ") for each in setting.events()) == 2
                assert setting.following is not None
                waiting = asyncio.create_task(setting.reload())
                cancelled = asyncio.create_task(setting.reload())
                await asyncio.sleep(0)
                cancelled.cancel()
                assert await waiting
                assert await setting.reload()

    asyncio.run(talk())


def test_what_there_is_to_warn_of_holds_up_no_client(
    setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is found in a thread, since a file may name hundreds of certificates."""
    threads: list[bool] = []
    original = Routes.warnings

    def warnings(routes: Routes) -> Iterator[str]:
        threads.append(threading.current_thread() is threading.main_thread())
        return original(routes)

    async def talk() -> None:
        async with service() as behind:
            setting.write(behind.route())
            async with setting.gateway():
                monkeypatch.setattr(Routes, "warnings", warnings)
                setting.write(behind.route(), limits={"connections": 77})
                assert await setting.reload()

    asyncio.run(talk())
    assert threads == [False]


def test_a_look_that_fails_again_and_again_is_told_once(
    setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A defect of ours: it was ten lines a second."""
    looks = 0

    def fail(_: Current) -> bool:
        nonlocal looks
        looks += 1
        raise RuntimeError("a defect")

    async def talk() -> None:
        async with service() as behind:
            setting.write(behind.route())
            async with setting.gateway():
                with monkeypatch.context() as patch:
                    patch.setattr(Current, "is_other_configuration", fail)
                    await until(lambda: looks >= 5)
                    assert setting.events() == [f"{LOOKS_FAIL}: RuntimeError('a defect')"]
                monkeypatch.setattr(lasting_problem, "OVER_SECONDS", 0.0)
                await until(lambda: setting.events()[1:] == [LOOKS_GO_ON])

    monkeypatch.setattr("bothways.gateway.reload.following.LOOK_SECONDS", 0.01)
    asyncio.run(talk())
