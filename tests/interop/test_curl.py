"""curl against `bothways serve --page`, and its messages when it is refused."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path

import pytest

from interop import identities
from interop.identities import Identity, client, identity
from interop.page import serve_page
from interop.peers import find
from interop.programs import Program

pytestmark = [pytest.mark.interop, pytest.mark.network]

REFUSED_IN_READING = 56
REFUSED_IN_HANDSHAKE = 35
UNTRUSTED = 60


@pytest.fixture(scope="module")
def pages(folder: Path) -> Iterator[Callable[[str], tuple[Program, int]]]:
    """Servers of the page by their mode of client authentication, each started once."""
    with ExitStack() as stack:
        yield cache(lambda auth: stack.enter_context(serve_page(folder, auth)))


Pages = Callable[[str], tuple[Program, int]]


def curl(
    folder: Path, port: int, *options: str, who: Identity | None = None
) -> subprocess.CompletedProcess[str]:
    """Fetch the page from a server that curl checks by name."""
    command = [find("curl"), "--silent", "--show-error", "--noproxy", "*", "--max-time", "20"]
    command += ["--cacert", identities.root_file(folder)]
    if who is not None:
        chain, key = who.files(folder)
        command += ["--cert", chain, "--key", key]
    url = f"https://localhost:{port}/some/path?q=1"
    return subprocess.run([*command, *options, url], capture_output=True, text=True, timeout=30, check=False)


def test_curl_without_a_certificate_gets_the_page(folder: Path, pages: Pages) -> None:
    """One-way authentication, as in a browser with its padlock."""
    page, port = pages("none")
    fetched = curl(folder, port)
    assert fetched.returncode == 0, fetched.stderr
    assert "<h1>Hello, anonymous client</h1>" in fetched.stdout
    page.until("(TLS 1.3, ")


@pytest.mark.parametrize("auth", ["request", "require"])
@pytest.mark.parametrize("kind", ["P-256", "RSA", "Ed25519"])
def test_curl_with_a_certificate_is_greeted_by_name(auth: str, kind: str, folder: Path, pages: Pages) -> None:
    """Mutual authentication: the name is the one in the certificate."""
    _, port = pages(auth)
    fetched = curl(folder, port, who=client(kind))
    assert fetched.returncode == 0, fetched.stderr
    assert f"<h1>Hello, sound client {kind}</h1>" in fetched.stdout


def test_curl_without_a_certificate_is_a_stranger_where_one_is_only_asked_for(
    folder: Path, pages: Pages
) -> None:
    """RFC 9846 4.5.1.4: "request" lets an anonymous client in."""
    _, port = pages("request")
    fetched = curl(folder, port)
    assert fetched.returncode == 0, fetched.stderr
    assert "<h1>Hello, anonymous client</h1>" in fetched.stdout


@pytest.mark.parametrize(
    ("state", "alert"),
    [
        (None, "certificate required"),
        ("unknown", "unknown ca"),
        ("expired", "certificate expired"),
        ("misused", "unsupported certificate"),
    ],
)
def test_curl_reads_why_it_is_refused(state: str | None, alert: str, folder: Path, pages: Pages) -> None:
    """Step 3: the alert is not lost although the server is done with it (RFC 9846 6.2)."""
    page, port = pages("require")
    fetched = curl(folder, port, who=client(state=state) if state is not None else None)
    assert fetched.returncode == REFUSED_IN_READING
    assert alert in fetched.stderr
    page.until(f"alert {alert.replace(' ', '_')}")


def test_curl_refuses_a_server_of_another_name(folder: Path) -> None:
    """Step 2.3, judged by curl."""
    elsewhere = identity("server", names=("DNS:elsewhere.example",))
    with serve_page(folder, who=elsewhere) as (_, port):
        fetched = curl(folder, port)
        assert fetched.returncode == UNTRUSTED
        assert (
            "does not match" in fetched.stderr or "no alternative certificate subject name" in fetched.stderr
        )


def test_curl_of_tls_1_1_reads_the_version_alert(folder: Path, pages: Pages) -> None:
    """RFC 8996: protocol_version."""
    _, port = pages("none")
    fetched = curl(folder, port, "--tlsv1.0", "--tls-max", "1.1", "--ciphers", "DEFAULT@SECLEVEL=0")
    assert fetched.returncode == REFUSED_IN_HANDSHAKE
    assert "protocol version" in fetched.stderr


@pytest.mark.parametrize("options", [("--head",), ("--data", "x" * 1000), ("--http1.0",)])
def test_curl_gets_an_answer_whatever_it_asks(options: tuple[str, ...], folder: Path, pages: Pages) -> None:
    """The page answers any HTTP request."""
    _, port = pages("none")
    fetched = curl(folder, port, *options)
    assert fetched.returncode == 0, fetched.stderr
    assert "200 OK" in fetched.stdout or "<h1>Hello" in fetched.stdout


def test_curl_asks_one_server_many_times_at_once(folder: Path, pages: Pages) -> None:
    """Twenty transfers, eight at a time, each a connection of its own."""
    _, port = pages("require")
    urls = [f"https://localhost:{port}/{number}" for number in range(19)]
    fetched = curl(folder, port, "--parallel", "--parallel-max", "8", *urls, who=client())
    assert fetched.returncode == 0, fetched.stderr
    assert fetched.stdout.count("<h1>Hello, sound client P-256</h1>") == 20
