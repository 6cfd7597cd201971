"""What two parsers could read in two ways: by a service that records each byte, and by nginx behind the gateway."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.http.smuggling_cases import CASES, FOLLOWER, Case, to_service
from gateway_http import Recorder, recorded_route, recording, talk_raw
from gateway_talk import Setting, until
from interop.peers import find
from library_services import running
from processes import free_port

pytestmark = pytest.mark.network

FOLLOWED = to_service(b"GET /follower HTTP/1.1")


def statuses(answer: bytes) -> tuple[int, ...]:
    return tuple(map(int, re.findall(rb"HTTP/1\.1 (\d{3}) ", answer)))


def test_each_is_refused_or_passed_on_in_one_meaning_byte_for_byte(setting: Setting) -> None:
    """A request behind it is read as the next one only where the meaning of the first is beyond doubt."""
    wrong: list[str] = []

    async def one(case: Case, gateway, recorder: Recorder) -> None:
        recorder.came.clear()
        recorder.expected = [*case.passed, FOLLOWED]
        try:
            answer = await talk_raw(setting, gateway, case.wire + FOLLOWER, end=False, seconds=3)
        except TimeoutError:
            wrong.append(f"{case.name}: no end; the service got {recorder.came}")
            return
        got = recorder.requests
        wanted = b"".join((*case.passed, FOLLOWED)) if case.passed else b""
        if statuses(answer) != case.answers:
            wrong.append(f"{case.name}: {statuses(answer)}, not {case.answers}: {answer[:300]!r}")
        if case.cut is None and got != wanted:
            wrong.append(f"{case.name}: the service got {got!r}, not {wanted!r}")
        if case.cut is not None and not case.cut.startswith(got):
            wrong.append(f"{case.name}: the service got {got!r}, not a part of {case.cut!r}")

    async def talk() -> None:
        async with recording() as recorder:
            setting.write(recorded_route(recorder.port))
            async with setting.gateway() as gateway:
                for case in CASES:
                    await one(case, gateway, recorder)

    asyncio.run(talk())
    assert not wrong, "\n".join(wrong)


@contextlib.contextmanager
def nginx(folder: Path) -> Iterator[tuple[int, Path]]:
    """An nginx that reads each request whole before it counts; the file has a line for each."""
    front, behind, log = free_port(), free_port(), folder / "requests"
    config = folder / "nginx.conf"
    config.write_text(
        f"pid {folder}/nginx.pid; error_log {folder}/error.log; daemon off; events {{}}\n"
        "http { underscores_in_headers on; log_format one '$request_method $uri $request_body|';\n"
        f"client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;\n"
        f"uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s; access_log off;\n"
        f"server {{ listen 127.0.0.1:{front}; location / {{ access_log {log} one;\n"
        f"proxy_pass http://127.0.0.1:{behind}; }} }}\n"
        f"server {{ listen 127.0.0.1:{behind}; location / {{ return 200 ok; }} }} }}\n"
    )
    with running([find("nginx"), "-p", str(folder), "-c", str(config)], front, folder):
        yield front, log


def test_nginx_behind_the_gateway_reads_as_many_requests_as_were_passed_on(setting: Setting) -> None:
    """And none that was within another one."""

    async def talk(port: int, log: Path) -> None:
        setting.write(recorded_route(port))
        async with setting.gateway() as gateway:
            wanted = 0
            for case in CASES:
                if case.cut is not None:
                    continue  # nginx answers to a part with 400 by itself
                answer = await talk_raw(setting, gateway, case.wire + FOLLOWER, end=False)
                assert statuses(answer) == case.answers, case.name
                wanted += 2 * bool(case.passed)
                await until(lambda most=wanted: log.exists() and log.read_bytes().count(b"\n") >= most)
                assert log.read_text().count("\n") == wanted, case.name
            assert "smuggled" not in log.read_text()
            assert set(log.read_text().splitlines()) == {
                "GET /g -|",
                "GET /follower -|",
                "POST /p |",
                "POST /p ok|",
            }

    with nginx(setting.folder) as (port, log):
        asyncio.run(talk(port, log))
