"""The status page: for those whom its own rules let in, without anything that a peer could have made up."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bothways import ConfigError, PeerAlert
from bothways.gateway.config.gateway import read_config
from bothways.gateway.files.held import Held
from bothways.gateway.observe.board import GENERATION, SERVING, Board
from bothways.gateway.observe.evidence import Evidence, Expiring
from bothways.gateway.observe.snapshot import publish
from bothways.gateway.observe.status_page import CONNECTIONS, Status, merged, status_of, status_page
from gateway_talk import ANYBODY, Setting, service

pytestmark = pytest.mark.network
NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
NASTY = "<script>alert(1)</script>\"'&\u202e\x1b[31m</pre></details>"
STATUS = '[status]\nhost = "localhost"\nport = 0\n[[status.allow]]\ndns = "admin.example"\n'
ROW = {
    "code": "EXPIRED", "count": 2, "at": NOW.isoformat(), "client": "192.0.2.7:5", "who": "", "route": "db",
    "ended": "expired", "verified": "client", "cause": "EXPIRED", "ladder": "client  server",
}  # fmt: skip


def status(**fields: Any) -> Status:
    known: dict[str, Any] = dict.fromkeys(("workers", "serving", "generation", "open"), 1)
    known |= {
        name: []
        for name in ("problems", "connections", "refusals", "expiring", "evidence", "tunnels", "programs")
    }
    return Status(at=NOW, **(known | fields))


def live(**fields: Any) -> dict[str, Any]:
    texts = dict.fromkeys(("who", "client", "route", "rule", "tls", "suite"), "text")
    return {**texts, "seconds": 5.0, "bytes_in": 1, "bytes_out": 2048, "resumed": False, **fields}


def program(**fields: Any) -> dict[str, Any]:
    return {**live(), "server": "db.example:5432", "end": NOW.isoformat(), **fields}


def test_nothing_of_a_peer_becomes_markup() -> None:
    """Neither in the page nor in the JSON that it contains; control and bidirectional characters are escaped."""
    texts = dict.fromkeys(("who", "client", "route", "rule", "tls", "suite"), NASTY)
    row = {**ROW, **dict.fromkeys(("code", "client", "who", "route", "ended", "cause", "ladder"), NASTY)}
    page = status_page(
        status(
            problems=[NASTY],
            connections=[live(**texts)],
            tunnels=[{**dict.fromkeys(("name", "listener", "server", "server_name"), NASTY), "open": 1}],
            programs=[program(**texts, server=NASTY)],
            refusals=[row, {**row, "verified": "server"}],
            expiring=[Expiring(NASTY, "own", NASTY, NOW, NOW)],
            evidence=[Evidence(NASTY, "crl", NASTY, NOW, NOW)],
        )
    ).content.decode()
    assert page.count("<script") == 1 and page.count("</script>") == 1 and "<script>" not in page
    assert page.count("</pre>") == 2 and page.count("</details>") == 2
    body, island = page.split('<script type="application/json" id="status">')
    assert "\u202e" not in page and "\x1b" not in page
    assert json.loads(island.partition("</script>")[0])["connections"][0]["who"] == NASTY
    assert "&lt;script&gt;" in body


def test_the_page_says_what_is_ahead_and_what_is_over() -> None:
    page = status_page(
        status(
            expiring=[
                Expiring("a.pem", "own", "CN=gone", NOW, NOW - timedelta(days=3)),
                Expiring("b.pem", "own", "CN=soon", NOW - timedelta(days=77), NOW + timedelta(days=13)),
                Expiring("c.pem", "anchor", "CN=later", NOW, NOW + timedelta(days=400)),
            ],
            evidence=[
                Evidence("a.crl", "crl", "CN=CA", NOW - timedelta(hours=30), NOW + timedelta(hours=3)),
                Evidence("a.ocsp", "ocsp", "", NOW - timedelta(minutes=5), None),
            ],
            refusals=[ROW],
            connections=[live(seconds=7300.0, bytes_in=3 * 2**20)],
        )
    ).content.decode()
    for words in (
        '<span class="over">expired 3 days ago', '<span class="soon">expires in 13 days',
        '<span class="when">expires in 400 days', "made 1 day ago, a.crl", '<span class="when">expires in 3 hours',
        "made 5 minutes ago, a.ocsp", "2 times, last 0 seconds ago", "for 2 hours", "3.0 MiB in, 2.0 KiB out",
        "✓ Ready",
    ):  # fmt: skip
        assert words in page, words
    assert "✗ Not ready" in status_page(status(problems=["worker 1 does not serve"])).content.decode()


def test_all_workers_are_on_it_and_it_is_bounded() -> None:
    board = Board(3)
    board.supervisor.state.set(GENERATION, 4)
    for number in (1, 2, 3):
        board.worker(number).state.set(SERVING, 1)
        names = {"CN=a": 200}
        rows = [{**ROW, "code": f"CODE_{n}", "ladder": "x" * 20_000} for n in range(40)]
        publish(board.worker(number), names, [live(seconds=float(n)) for n in range(100)], rows)
    found = status_of(board, Held(), NOW)
    assert (found.open, found.workers, found.serving, found.generation) == (600, 3, 3, 4)
    assert len(found.connections) == CONNECTIONS and len(found.refusals) == 40
    assert {each["count"] for each in found.refusals} == {6}
    assert {each["ladder"] for each in found.refusals} == {""}  # no room for them
    assert len(status_page(found).content) < 1_000_000


def test_refusals_of_workers_have_the_last_one_and_any_ladder() -> None:
    later = {
        **ROW,
        "at": (NOW + timedelta(seconds=5)).isoformat(),
        "client": "192.0.2.9:1",
        "ladder": "",
        "cause": "",
    }
    [row] = merged([later, ROW])
    assert (row["count"], row["client"], row["ladder"], row["cause"]) == (
        4, "192.0.2.9:1", "client  server", "EXPIRED",
    )  # fmt: skip


async def get(
    reader: Any, writer: Any, target: str = "/", method: str = "GET", host: str = "localhost"
) -> bytes:
    writer.write(f"{method} {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
    return await reader.read()


def test_only_those_see_it_whom_its_own_rules_let_in(setting: Setting) -> None:
    """Clients of services do not, and its clients reach no service by it; a refusal is on it with its ladder."""

    async def talk() -> None:
        admin = setting.mutual.identity("client", dns=["admin.example"])
        async with service() as behind:
            setting.write(behind.route(ANYBODY).replace('server_names = ["localhost"]\n', ""))
            setting.path.write_text(setting.path.read_text() + STATUS)
            async with setting.gateway() as gateway:
                number = int(gateway.addresses()[-1].removesuffix(" (status)").rpartition(":")[2])
                user = await setting.open(gateway)
                user[1].write(b"x")
                assert await user[0].readexactly(1) == b"x"
                for kind, alert in (("revoked", "certificate_revoked"), (None, "certificate_required")):
                    with pytest.raises(PeerAlert, match=alert):
                        await (await setting.open(gateway, kind))[0].read()
                with pytest.raises(PeerAlert, match="access_denied"):
                    await (await setting.open(gateway, at=number))[0].read()
                await setting.until_reported(3)

                answer = await get(*await setting.open(gateway, admin, at=number))
                head, _, page = answer.partition(b"\r\n\r\n")
                fields = head.decode().lower()
                assert fields.startswith("http/1.1 200 ok")
                assert re.search(
                    "content-security-policy: default-src 'none'; style-src 'sha256-.*frame-ancestors 'none'",
                    fields,
                )
                for field in ("cache-control: no-store", "x-frame-options: deny", "nosniff"):
                    assert field in fields
                text = page.decode()
                for words in (
                    "<b>REVOKED</b></span>", "<b>NO_CERTIFICATE</b>", "<b>ACCESS_REFUSED</b>, likely cause NOT_LET_IN",
                    "CertificateRequest", "spiffe://testing.example/client", "Testing CA", "1 byte in",
                ):  # fmt: skip
                    assert words in text, words
                assert "admin.example" in text  # whoever looks is connected, too

                for target, method, expected in (
                    ("/x", "GET", b"404"),
                    ("/", "POST", b"405"),
                    ("/", "HEAD", b"200"),
                ):
                    answer = await get(*await setting.open(gateway, admin, at=number), target, method)
                    assert answer.split()[1] == expected
                assert answer.endswith(b"\r\n\r\n")
                assert behind.received == 1

    asyncio.run(talk())


def test_no_two_threads_make_a_page_while_clients_wait(
    setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many as are asked for would take the interpreter from the event loop again and again."""
    both, alone = threading.Barrier(2), []

    def made(*arguments: Any) -> Status:
        with contextlib.suppress(threading.BrokenBarrierError):
            both.wait(0.05)
            alone.append(False)
        both.reset()
        alone.append(True)
        return status_of(*arguments)

    monkeypatch.setattr("bothways.gateway.observe.status_page.status_of", made)

    async def talk() -> None:
        admin = setting.mutual.identity("client", dns=["admin.example"])
        setting.write(f'backend = "127.0.0.1:1"\n{ANYBODY}')
        setting.path.write_text(setting.path.read_text() + STATUS)
        async with setting.gateway() as gateway:
            number = int(gateway.addresses()[-1].removesuffix(" (status)").rpartition(":")[2])
            opened = [await setting.open(gateway, admin, at=number) for _ in range(3)]
            answers = await asyncio.gather(*(get(*each) for each in opened))
        assert [each.split()[1] for each in answers] == [b"200"] * 3

    asyncio.run(talk())
    assert alone == [True] * 3


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ("[status]\nport = 1\n", "`allow` is missing: nobody could pass"),
        ('[status]\nallow = "any verified client"\n', "expected `port`"),
        ('[status]\nport = 0\nallow = "any verified client"\n', "two listeners have the address 127.0.0.1:0"),
        (STATUS + '[[status.alow]]\ndns = "x"\n', "did you mean `allow`"),
    ],
)
def test_a_status_page_without_rules_or_address_is_refused(
    setting: Setting, table: str, problem: str
) -> None:
    setting.write(f'backend = "127.0.0.1:1"\n{ANYBODY}')
    setting.path.write_text(setting.path.read_text() + table)
    with pytest.raises(ConfigError, match=problem):
        read_config(setting.path)
