"""Programs that `bothways get --code` prints, run as they stand beside the command that they stand for."""

from __future__ import annotations

import json
import sys
import traceback
from types import SimpleNamespace

import pytest

import http_talk
from bothways.http.code import LIBRARIES, RequestAsCode, code
from bothways.http.location import parse

pytestmark = pytest.mark.network


@pytest.fixture
def run(tmp_path, monkeypatch, capfdbinary):
    """Run a printed program in this process, whose libraries are loaded; what ends it is told as Python would."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")

    def program(library: str, **wanted) -> SimpleNamespace:
        text = code(library, RequestAsCode(**{"method": "GET"} | wanted))
        status, error = 0, ""
        try:
            exec(compile(text, "program", "exec"), {"__name__": "__main__"})
        except SystemExit as end:
            status = end.code
        except Exception:  # noqa: BLE001 - whatever ends a program is what is looked at
            status, error = 1, traceback.format_exc()
        sys.stdout.flush()
        return SimpleNamespace(status=status, out=capfdbinary.readouterr().out, error=error)

    return program


def mine(mutual, kind="good") -> dict[str, str]:
    return {"ca": str(mutual.ca), "cert": str(mutual.identity("client", kind).pem)}


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_program_asks_as_the_command_does(mutual, run, library, tmp_path):
    """By PKCS#12, with revocation, headers and a body, and into a file; the variables for proxies are not read."""
    server = mutual.server(client_auth="require")
    client = mutual.identity("client")
    (tmp_path / "pw").write_text(client.password + "\n")
    done = run(
        library, method="PUT", location=parse(server.url + "a?b=c"), headers=(("X-One", "1"), ("x-one", "2")),
        data="a=1", output="answer", ca=str(mutual.ca), cert=str(client.p12), password_file="pw",
        crls=(str(mutual.crl),), version="1.3",
    )  # fmt: skip
    assert (done.status, done.out) == (0, b""), done.error
    reported = json.loads((tmp_path / "answer").read_bytes())
    assert (reported["method"], reported["path"], reported["body"]) == ("PUT", "/a?b=c", "a=1")
    assert reported["headers"]["X-One"] == "1, 2"
    assert reported["client"]["dns"] == ["client.example"]


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_status_from_400_on_and_a_redirect_end_as_they_do_for_the_command(mutual, run, library, tmp_path):
    answer = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno"
    server = mutual.server(client_auth="require", respond=http_talk.answering(answer))
    done = run(library, location=parse(server.url), **mine(mutual))
    assert (done.status, done.out) == (1, b"no"), done.error
    moved = b"HTTP/1.1 302 Found\r\nLocation: /new\r\nContent-Length: 5\r\n\r\nmoved"
    server = mutual.server(client_auth="require", respond=http_talk.first(moved))
    done = run(library, location=parse(server.url), **mine(mutual))
    assert (done.status, done.out) == (0, b"moved"), done.error


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_refusal_on_either_side_ends_the_program_with_its_reason(mutual, run, library, tmp_path):
    done = run(library, location=parse(mutual.server("expired").url), **mine(mutual))
    assert done.status == 1
    assert "the server sent a certificate that expired on" in done.error
    server = mutual.server(client_auth="require")
    done = run(library, location=parse(server.url), **mine(mutual, "revoked"))
    assert done.status == 1
    assert "certificate_revoked" in done.error


@pytest.mark.parametrize("library", LIBRARIES)
def test_whom_the_server_must_prove_to_be_may_differ_from_the_url(mutual, run, library, tmp_path):
    server = mutual.server(mutual.identity("server", dns=["api.example"]), client_auth="require")
    location = parse(server.url)
    done = run(library, location=location, name="api.example", **mine(mutual))
    assert done.status == 0, done.error
    done = run(library, location=location, name="other.example", **mine(mutual))
    assert done.status == 1
    assert "not for other.example" in done.error
