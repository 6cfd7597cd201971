"""Decisions and reloads of a gateway in its audit file, and that nobody passes who cannot be recorded."""

from __future__ import annotations

import asyncio
import fcntl
import json
from pathlib import Path

import pytest

from bothways import ConfigError, PeerAlert, Truncated
from bothways.gateway.config.gateway import read_config
from bothways.gateway.log.log import ConnectionEntry
from bothways.gateway.observe.audit_file import verified
from bothways.gateway.observe.auditor import Auditor
from bothways.servers.report_limits import AT_ONCE, ReportLimits
from gateway_talk import ANYBODY, Setting, service

pytestmark = pytest.mark.network


def entries(setting: Setting) -> list[dict]:
    seen: list[dict] = []
    verified(str(setting.folder / "audit.log"), visit=seen.append)
    return seen


def test_each_decision_and_each_reload_has_an_entry(setting: Setting) -> None:
    async def talk() -> None:
        other = setting.mutual.identity("client", dns=["other.example"])
        async with service() as behind:
            setting.write(behind.route(), audit={"file": "audit.log"})
            async with setting.gateway() as gateway:
                reader, _ = await setting.open(gateway, other)
                with pytest.raises(PeerAlert, match="certificate_revoked"):
                    await (await setting.open(gateway, "revoked"))[0].read()
                await setting.until_reported()
                setting.path.write_text("broken")
                assert not await setting.reload()
                denied = behind.route(ANYBODY, '[[route.deny]]\nname = "gone"\ndns = "other.example"')
                setting.write(denied, audit={"file": "audit.log"})
                assert await setting.reload()
                with pytest.raises(PeerAlert, match="access_denied"):
                    await reader.read()
                await setting.until_reported(2)
        seen = entries(setting)
        assert [each["action"] for each in seen] == [
            "start", "allowed", "refused", "reload refused", "reload", "withdrawn",
        ]  # fmt: skip
        allowed, refused, withdrawn = seen[1], seen[2], seen[5]
        assert (allowed["subject"], allowed["details"]["rule"]) == (
            "other.example", "any verified client",
        )  # fmt: skip
        assert allowed["details"]["who"]["dns"] == ["other.example"] and allowed["actor"] == "worker 1"
        assert (refused["subject"], refused["details"]["code"]) == ("", "REVOKED")
        assert (withdrawn["details"]["code"], withdrawn["details"]["rule"]) == ("ACCESS_REFUSED", "gone")
        assert seen[0]["details"]["configuration_sha256"] != seen[4]["details"]["configuration_sha256"]

    asyncio.run(talk())


def test_a_client_that_cannot_be_recorded_reaches_nothing(setting: Setting) -> None:
    """It fails closed, and says so once."""

    async def talk() -> None:
        async with service() as behind:
            setting.write(behind.route(), audit={"file": "audit.log"})
            async with setting.gateway() as gateway:
                with open(setting.folder / "audit.log", "rb") as other:
                    fcntl.flock(other, fcntl.LOCK_EX)
                    for _ in range(2):
                        try:
                            assert await (await setting.open(gateway))[0].read() == b""
                        except (ConnectionError, Truncated):
                            pass
                    lines = await setting.until_reported(2)
                reader, writer = await setting.open(gateway)
                writer.write(b"again")
                assert await reader.readexactly(5) == b"again"
        assert {each["code"] for each in lines} == {"NOT_RECORDED"}
        assert sum("nothing can be recorded" in each for each in setting.events()) == 1
        assert behind.received == 5

    asyncio.run(talk())


def test_strangers_do_not_fill_the_file_and_what_is_left_out_is_counted(tmp_path: Path) -> None:
    auditor = Auditor("worker 1", lambda _: None, ReportLimits(lambda: 1000.0))
    path = tmp_path / "audit.log"
    auditor.use(auditor.opened(str(path)))
    for host in ["192.0.2.7"] * (AT_ONCE + 5) + ["192.0.2.8"]:
        auditor.decision(ConnectionEntry("in", host, host, 0.0, verdict="refused"))
    auditor.use(None)
    last = json.loads(path.read_text().splitlines()[-1])
    assert (last["number"], last["details"]["not_recorded"]) == (AT_ONCE + 1, 5)


def test_a_file_that_cannot_be_used_refuses_the_configuration(setting: Setting) -> None:
    """Whole, when it starts and when it reads its configuration again."""

    async def talk() -> None:
        (setting.folder / "bad.log").write_text("no entry\n")
        route = f'backend = "127.0.0.1:1"\n{ANYBODY}'
        setting.write(route, audit={"file": "bad.log"})
        with pytest.raises(ConfigError, match="does not end with a whole entry"):
            async with setting.gateway():
                pass
        setting.write(route)
        async with setting.gateway():
            setting.write(route, audit={"file": "bad.log"})
            assert not await setting.reload()
            assert "does not end with a whole entry" in setting.events()[-1]

    asyncio.run(talk())
    setting.path.write_text(setting.path.read_text().replace('file = "bad.log"', "flie = 1"))
    with pytest.raises(ConfigError, match="`file` is missing|did you mean `file`"):
        read_config(setting.path)
