"""What an operator can ask for."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from gateway_talk import Setting, service, until
from operator_talk import asked

pytestmark = pytest.mark.network

DOCS = Path(__file__).parents[3] / "docs" / "running-a-gateway.md"
RULE = '[[route.allow]]\ndns = "client.example"\n[[route.deny]]\ndns = "denied.example"'


def test_health_and_metrics_are_read_with_get_and_head_only(setting: Setting) -> None:
    async def talk() -> None:
        setting.write('backend = "127.0.0.1:1"\nallow = "any verified client"', metrics={"unix": "m.sock"})
        path = setting.folder / "m.sock"
        async with setting.gateway():
            for target, method, status in (
                ("/healthz", "GET", 200), ("/readyz", "HEAD", 200), ("/", "GET", 404), ("/metrics", "POST", 405),
                ("/healthz?x=1", "GET", 200),
            ):  # fmt: skip
                answer = await asyncio.to_thread(asked, path, target, method)
                assert answer[0] == status, target
            assert (await asyncio.to_thread(asked, path, "/healthz"))[2] == b"ok\n"

    asyncio.run(talk())


def test_a_gateway_that_drains_says_so_and_still_answers(setting: Setting) -> None:
    async def talk() -> None:
        async with service() as behind:
            setting.write(behind.route(), metrics={"unix": "m.sock"})
            path = setting.folder / "m.sock"
            async with setting.gateway() as gateway:
                _, writer = await setting.open(gateway)
                assert (await asyncio.to_thread(asked, path, "/readyz"))[::2] == (200, b"ready\n")
                draining = asyncio.create_task(gateway.drain())
                await until(lambda: len(gateway.addresses()) == 1)
                status, _, text = await asyncio.to_thread(asked, path, "/readyz")
                assert (status, text) == (503, b"not ready: worker 1 is draining\n")
                writer.close()
                await draining
            assert not path.exists()

    asyncio.run(talk())
