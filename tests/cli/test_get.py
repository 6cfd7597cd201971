"""`bothways get`: what is asked, what comes out where, what is said of refusals in the handshake and as a status."""

from __future__ import annotations

import io
import json
import queue
import re
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import http_talk
import report_schema
from bothways.cli import get
from bothways.cli.clients import http_request
from bothways.cli.commands import bothways
from bothways.cli.output.terminal import run
from bothways.testing import MutualTLS

pytestmark = pytest.mark.network


@pytest.fixture(scope="module")
def mutual(tmp_path_factory):
    with MutualTLS(tmp_path_factory.mktemp("get")) as made:
        yield made


@pytest.fixture
def ask(monkeypatch, capfdbinary, mutual):
    """Run the command here as `client`, unless another identity or none is given."""

    def asked(*arguments, who="good", ca=True, stdin=b""):
        words = [*map(str, arguments)]
        if ca:
            words += ["--ca", str(mutual.ca)]
        if who is not None:
            mine = mutual.identity("client", who)
            words += ["--cert", str(mine.cert), "--key", str(mine.key)]
        monkeypatch.setattr(sys, "argv", ["bothways", "get", *words])
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(stdin), isatty=lambda: False))
        status = run(bothways)
        printed = capfdbinary.readouterr()
        return SimpleNamespace(status=status, out=printed.out, err=printed.err.decode())

    return asked


def test_the_answer_goes_to_standard_output_and_the_verdict_to_standard_error(ask, mutual):
    """Both sides proved who they are; the handshake is reported check by check."""
    server = mutual.server(client_auth="require")
    done = ask(f"https://localhost:{server.port}/accounts?of=me&x=a%20b", "-H", "X-Trace: 7")
    assert done.status == 0
    reported = json.loads(done.out)
    assert (reported["method"], reported["path"]) == ("GET", "/accounts?of=me&x=a%20b")
    assert reported["headers"]["X-Trace"] == "7"
    assert reported["headers"]["Host"] == f"localhost:{server.port}"
    assert reported["client"]["dns"] == ["client.example"]
    assert "  2.3a  passed" in done.err
    assert re.search(r"the server answered HTTP/1.1 200 OK: \d+ bytes$", done.err.rstrip())


@pytest.mark.parametrize(
    ("arguments", "method", "body", "kind"),
    [
        (["-d", "a=1"], "POST", "a=1", get.FORM),
        (["-d", "@body.json", "-H", "content-type: application/json"], "POST", '{"a": 1}', "application/json"),
        (["-d", "@-", "-X", "put"], "PUT", "from standard input", get.FORM),
        (["-X", "DELETE"], "DELETE", "", None),
        (["-d", ""], "POST", "", get.FORM),
    ],
)  # fmt: skip
def test_a_body_comes_from_the_command_line_a_file_or_standard_input(
    ask, mutual, tmp_path, monkeypatch, arguments, method, body, kind
):
    monkeypatch.chdir(tmp_path)
    Path("body.json").write_text('{"a": 1}')
    done = ask(mutual.server(client_auth="require").url, *arguments, stdin=b"from standard input")
    reported = json.loads(done.out)
    assert (reported["method"], reported["body"]) == (method, body)
    headers = {name.lower(): value for name, value in reported["headers"].items()}
    assert headers.get("content-type") == kind


def test_http_2_is_spoken_where_the_server_does(ask, mutual):
    server = mutual.server(client_auth="require", alpn=("h2", "http/1.1"), respond=http_talk.answer_h2)
    done = ask(server.url, "-d", "hello", "-H", "X-One: 1")
    reported = json.loads(done.out)
    assert done.status == 0
    assert reported["body"] == "hello"
    assert reported["headers"]["x-one"] == "1"
    assert "the server answered HTTP/2 200: " in done.err


def test_a_version_of_http_can_be_asked_for(ask, mutual):
    server = mutual.server(client_auth="require", alpn=("h2", "http/1.1"))
    assert "answered HTTP/1.1 200" in ask(server.url, "--http", "1.1").err
    refused = ask(mutual.server(client_auth="require", alpn=("http/1.1",)).url, "--http", "2")
    assert refused.status == 1
    assert "no_application_protocol" in refused.err


def test_a_body_that_does_not_fit_into_the_first_window_goes_by_http_1_1(ask, mutual):
    """There a server may answer before it has read it, and is heard."""
    server = mutual.server(
        client_auth="require", alpn=("h2", "http/1.1"), respond=http_talk.answering(b"HTTP/1.1 413 Too Large\r\n"
        b"Content-Length: 6\r\nConnection: close\r\n\r\nlarge\n")
    )  # fmt: skip
    done = ask(server.url, "-d", "x" * 3_000_000)
    assert (done.status, done.out) == (1, b"large\n")
    assert "413 Too Large" in done.err


# -- refusals ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "printed"),
    [("expired", "expired on"), ("revoked", "was revoked on"), ("wrong_name", "not for localhost"),
     ("unknown_ca", "from which no path leads to one of our trust anchors")],
)  # fmt: skip
def test_a_server_that_is_refused_gets_no_request(ask, mutual, kind, printed):
    server = mutual.server(kind)
    done = ask(server.url, "--crl", mutual.crl, "-d", "secret", who=None)
    assert (done.status, done.out) == (1, b"")
    assert done.err.startswith(f"bothways: {server.url}: the server sent a certificate ")
    assert printed in done.err
    assert "  do: " in done.err or "  ask: " in done.err
    assert server.handshake().error is not None


@pytest.mark.parametrize("version", ["1.2", "1.3"])
@pytest.mark.parametrize(
    ("who", "alert"),
    [("expired", "certificate_expired"), ("revoked", "certificate_revoked"), ("unknown_ca", "unknown_ca")],
)
def test_a_server_that_refuses_us_is_explained_though_it_comes_late(ask, mutual, who, alert, version):
    """In TLS 1.3 the refusal meets whoever writes the request or reads the answer."""
    server = mutual.server(client_auth="require")
    done = ask(server.url, "--tls", version, who=who)
    assert done.status == 1
    assert "the server refused the connection at step 3.3" in done.err
    assert f"with alert {alert}" in done.err
    assert "  do: " in done.err or "  ask: " in done.err


def test_hints_say_how_to_get(ask, mutual):
    """Commands of the place, with the URL as it was given."""
    server = mutual.server(client_auth="require")
    done = ask(server.url, who=None)
    assert f"try:  bothways get {server.url} --ca {mutual.ca} --cert CERT --key KEY" in done.err
    reported = json.loads(ask(server.url, "--json", who=None).err)
    assert reported["error"]["explanation"]["causes"][0]["command"].startswith(
        f"bothways get {server.url} --ca "
    )
    assert "bothways connect" not in done.err


def test_a_hint_is_the_command_of_the_user_with_one_change(ask, mutual):
    """Its method, header fields and limits; and what it leaves out is what was wrong."""
    server = mutual.server(client_auth="require")
    done = ask(server.url, "-X", "PUT", "-H", "Accept: a/b", "-d", "s3cret", "--timeout", "7", who=None)
    kept = "--timeout 7 --cert CERT --key KEY -X PUT -H 'Accept: a/b' -d DATA"
    assert all(each in done.err for each in kept.split(" -")) and "s3cret" not in done.err


def test_a_locked_identity_says_which_option_opens_it(ask, mutual):
    mine = mutual.identity("client")
    done = ask("https://localhost/", "--cert", mine.p12, who=None)
    assert done.status == 2
    assert f"{mine.p12}: it is encrypted, and no password was given" in done.err
    assert "Hint: --password-file FILE" in done.err
    as_json = ask("https://localhost/", "--cert", mine.p12, "--json", who=None)
    assert json.loads(as_json.err)["error"]["code"] == "UNREADABLE"


def test_a_client_without_a_certificate_is_told_so(ask, mutual):
    done = ask(mutual.server(client_auth="require").url, who=None)
    assert done.status == 1
    assert "we sent no certificate, and one is required" in done.err


FORBIDDEN = (
    b"HTTP/1.1 400 Bad Request\r\nContent-Length: 68\r\n\r\n"
    b"<html><title>400 No required SSL certificate was sent</title></html>"
)


def test_a_refusal_by_status_is_explained_and_its_content_written(ask, mutual):
    """As nginx says it, which asks for certificates and turns away later."""
    server = mutual.server(client_auth="request", respond=http_talk.answering(FORBIDDEN))
    done = ask(server.url, who=None)
    assert done.status == 1
    assert done.out == FORBIDDEN.partition(b"\r\n\r\n")[2]
    assert "the server answered HTTP/1.1 400 Bad Request" in done.err
    assert "we sent no certificate, and one is required" in done.err


@pytest.mark.parametrize(
    ("line", "printed"),
    [("403 Forbidden", "TLS succeeded, and the service behind it refuses"),
     ("404 Not Found", "the service refuses this request"),
     ("503 Busy", "the service behind it failed")],
)  # fmt: skip
def test_every_status_from_400_on_ends_with_1_and_is_explained(ask, mutual, line, printed):
    answer = f"HTTP/1.1 {line}\r\nContent-Length: 2\r\n\r\nno".encode()
    done = ask(mutual.server(client_auth="require", respond=http_talk.answering(answer)).url)
    assert (done.status, done.out) == (1, b"no")
    assert f"the server answered HTTP/1.1 {line}" in done.err
    assert printed in done.err


def test_a_refusal_by_status_over_http_2_is_explained_too(ask, mutual):
    respond = http_talk.answering_h2(403, b"go away")
    done = ask(mutual.server(client_auth="request", alpn=("h2",), respond=respond).url, who=None)
    assert (done.status, done.out) == (1, b"go away")
    assert "the server answered HTTP/2 403" in done.err
    assert "  do: " in done.err or "  ask: " in done.err


def test_a_service_that_closes_without_a_word_is_explained(ask, mutual):
    done = ask(mutual.server(client_auth="require", respond=lambda channel: channel.recv(1) and None).url)
    assert done.status == 1
    assert "the server answered nothing, and closed the connection" in done.err
    assert "  do: " in done.err or "  ask: " in done.err


@pytest.mark.parametrize(
    ("said", "cause", "text"),
    [
        (b"* OK IMAP4rev1 ready\r\n", "OTHER_SERVICE", "it answers in IMAP"),
        (b"SSH-2.0-OpenSSH_9.9\r\n", "OTHER_SERVICE", "it answers in SSH"),
        (b"-ERR unknown command\r\n", "OTHER_SERVICE", "it answers in Redis or POP3"),
        (
            bytes.fromhex("000000040000000000"),
            "NO_SHARED_PROTOCOL",
            "it speaks HTTP/2, and chose no protocol",
        ),
    ],
    ids=["IMAP", "SSH", "Redis", "HTTP/2"],
)
def test_a_service_of_another_protocol_behind_tls_is_named(ask, mutual, said, cause, text):
    done = ask(mutual.server(respond=http_talk.answering(said)).url, "--json")
    found = report_schema.report("get", done.err)["error"]["explanation"]["causes"][0]
    assert (done.status, found["cause"]) == (1, cause)
    assert text in found["text"]


@pytest.mark.parametrize(
    ("headers", "trailers", "content", "status", "cause"),
    [
        ([("grpc-status", "16"), ("grpc-message", "token%20missing")], [], b"", 1, "WANTS_LOGIN"),
        ([("grpc-status", "7")], [], b"", 1, "NOT_LET_IN"),
        ([], [("grpc-status", "16")], b"\0\0\0\0\0", 1, "WANTS_LOGIN"),
        ([], [("grpc-status", "5")], b"", 1, None),
        ([], [("grpc-status", "0")], b"\0\0\0\0\0", 0, None),
        ([("grpc-status", "0")], [], b"", 0, None),
        ([], [], b"", 0, None),
    ],
)
def test_a_status_of_grpc_refuses_under_http_200(ask, mutual, headers, trailers, content, status, cause):
    respond = http_talk.answering_grpc(headers, trailers, content)
    server = mutual.server(client_auth="require", alpn=("h2",), respond=respond)
    done = ask(
        server.url, "--json", "-X", "POST", "-H", "te: trailers", "-H", "content-type: application/grpc"
    )
    error = report_schema.report("get", done.err).get("error")
    assert done.status == status
    assert (error is None) is (status == 0)
    why = error and error["explanation"]
    assert (why["causes"][0]["cause"] if why else None) == cause
    if headers and status and "%20" in headers[-1][1]:
        assert "grpc-status 16 (UNAUTHENTICATED), token missing" in why["happened"]


def test_a_reset_stream_is_told_by_the_name_of_its_code(ask, mutual):
    """RFC 9113 6.4, 7: INTERNAL_ERROR is HTTP as it should be."""

    def respond(channel):
        channel.recv(1)
        channel.sendall(bytes.fromhex("000000040000000000" + "00000403000000000100000002"))
        channel.close(linger=1)

    done = ask(mutual.server(alpn=("h2",), respond=respond).url, "--json")
    error = report_schema.report("get", done.err)["error"]
    assert done.status == 1
    assert error["text"] == "it ended the request with the error INTERNAL_ERROR of HTTP/2"
    assert [each["cause"] for each in error["explanation"]["causes"]] == ["REFUSED_BY_SERVICE"]


# -- answers that are none ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "printed"),
    [
        (b"SSH-2.0-OpenSSH_9.9\r\n", "the server answered in SSH"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 20_000, "does not begin within"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 300_000, "is not valid HTTP"),
        (
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
            "is not valid HTTP",
        ),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n" + b"x" * 2000,
            "the server's response: it is longer than 1000 bytes",
        ),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 999,
            "the server's response: it comes in too many small pieces",
        ),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\npart",
            "the server's response: the server closed the connection before it was complete",
        ),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\npa",
            "the server's response: the server closed the connection before it was complete",
        ),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx", "is not valid HTTP"),
    ],
)
def test_an_answer_that_breaks_http_or_a_bound_is_refused(ask, mutual, monkeypatch, answer, printed):
    monkeypatch.setattr("bothways.http.exchange.FREE_PIECES", 64)
    server = mutual.server(client_auth="require", respond=http_talk.answering(answer))
    done = ask(server.url, "--max-size", "1000")
    assert done.status == 1
    assert printed in done.err
    assert "Traceback" not in done.err


def test_the_version_of_http_that_is_demanded_is_spoken_or_nothing_is_sent(ask, mutual):
    """A server that knows nothing of ALPN speaks HTTP/1.1 (RFC 9113 3.2), and would not notice the other."""
    received = queue.Queue()
    server = mutual.server(client_auth="require", respond=lambda channel: received.put(channel.recv(1)))
    done = ask(server.url, "--http", "2")
    assert done.status == 1
    assert "the server does not speak HTTP/2: it chose no protocol in the handshake (ALPN)" in done.err
    assert received.get(timeout=30) == b""


def test_an_answer_that_is_cut_is_no_whole_answer_and_leaves_the_file_as_it_was(ask, mutual, tmp_path):
    respond = http_talk.answering(b"HTTP/1.1 200 OK\r\n\r\nhalf", then=lambda channel: channel.abort())
    kept = tmp_path / "kept.txt"
    kept.write_text("before")
    done = ask(mutual.server(client_auth="require", respond=respond).url, "-o", kept)
    assert done.status == 1
    assert "ended the connection" in done.err
    assert kept.read_text() == "before"
    assert list(tmp_path.iterdir()) == [kept]


def test_a_server_that_is_slow_is_given_up(ask, mutual):
    respond = http_talk.answering(
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx", then=lambda channel: channel.recv(1)
    )
    server = mutual.server(client_auth="require", respond=respond)
    done = ask(server.url, "--timeout", "0.4")
    assert (done.status, done.out) == (1, b"x")
    assert "timed out" in done.err
    done = ask(server.url, "--max-time", "0.4")
    assert done.status == 1
    assert "timed out" in done.err or "not done within" in done.err


def test_an_answer_goes_to_a_file(ask, mutual, tmp_path):
    done = ask(mutual.server(client_auth="require").url, "-o", tmp_path / "answer.json")
    assert (done.status, done.out) == (0, b"")
    assert json.loads((tmp_path / "answer.json").read_text())["method"] == "GET"


# -- redirects ---------------------------------------------------------------------------------------------


def redirecting(to: str, status: int = 302) -> bytes:
    return f"HTTP/1.1 {status} Moved\r\nLocation: {to}\r\nContent-Length: 5\r\n\r\nmoved".encode()


def test_a_redirect_is_reported_and_not_followed_unless_that_is_asked_for(ask, mutual):
    server = mutual.server(client_auth="require", respond=http_talk.answering(redirecting("/new\x1b[1m")))
    done = ask(server.url)
    assert (done.status, done.out) == (0, b"moved")
    assert r"a redirect to /new\x1b[1m; --location follows" in done.err


@pytest.mark.parametrize("where", ["localhost:{other}", "127.0.0.1:{own}", "user@localhost:{own}"])
@pytest.mark.parametrize("status", [301, 303, 307])
def test_nobody_else_is_ever_asked(ask, mutual, where, status):
    """No certificate, no header, no body: another host, another port, nor a name for the same one."""
    other = mutual.server(client_auth="request")
    own = []
    respond = http_talk.answering(
        lambda: redirecting("https://" + where.format(other=other.port, own=own[0].port), status)
    )
    own.append(mutual.server(client_auth="require", respond=respond))
    done = ask(own[0].url, "-L", "-d", "secret", "-H", "Authorization: Bearer secret")
    assert (done.status, done.out) == (1, b"moved")
    assert ": another server, to which nothing is sent" in done.err or "user name" in done.err
    own[0].handshake()
    for each in (other, own[0]):
        with pytest.raises(TimeoutError):
            each.handshake(timeout=0.05)


def test_a_redirect_out_of_tls_is_not_followed(ask, mutual):
    server = mutual.server(
        client_auth="require", respond=http_talk.answering(redirecting("http://localhost/"))
    )
    done = ask(server.url, "-L")
    assert done.status == 1
    assert "expected https://" in done.err


@pytest.mark.parametrize(
    ("status", "method", "body"),
    [(301, "GET", ""), (302, "GET", ""), (303, "GET", ""), (307, "POST", "a=1"), (308, "POST", "a=1")],
)
def test_redirects_within_the_server_are_followed_as_their_status_says(ask, mutual, status, method, body):
    """RFC 9110 15.4: what was POST stays so for 307 and 308 alone."""
    server = mutual.server(client_auth="require", respond=http_talk.first(redirecting("there?x=1", status)))
    done = ask(server.url + "down/here", "-L", "-d", "a=1", "-H", "X-Own: 1")
    reported = json.loads(done.out)
    assert (reported["method"], reported["path"], reported["body"]) == (method, "/down/there?x=1", body)
    assert reported["headers"]["X-Own"] == "1"
    assert ("Content-Type" in reported["headers"]) == (method == "POST")
    assert done.status == 0


def test_a_circle_of_redirects_ends(ask, mutual):
    server = mutual.server(client_auth="require", respond=http_talk.answering(redirecting("/")))
    done = ask(server.url, "-L")
    assert done.status == 1
    assert f"it redirects more than {http_request.REDIRECTS} times" in done.err


# -- reports for programs, and wrong use -------------------------------------------------------------------


def test_the_report_for_programs_is_one_object_whatever_happens(ask, mutual):
    good = ask(mutual.server(client_auth="require").url, "--json")
    reported = report_schema.report("get", good.err)
    assert reported["answer"]["status"] == 200
    assert reported["peer"]["dns"] == ["localhost"]
    assert reported["own_certificate"] == "sent"
    assert "error" not in reported
    no = ask(mutual.server(client_auth="require", respond=http_talk.answering(FORBIDDEN)).url, "--json")
    reported = report_schema.report("get", no.err)
    assert (reported["answer"]["status"], reported["error"]["kind"]) == (400, "Status")
    assert reported["error"]["explanation"]["causes"]
    late = report_schema.report(
        "get", ask(mutual.server(client_auth="require").url, "--json", "--tls", "1.3", who="revoked").err
    )
    assert late["error"]["alert"] == "certificate_revoked"
    moved = http_talk.answering(redirecting("/"))
    for more in ([], ["-L"]):
        report_schema.report(
            "get", ask(mutual.server(client_auth="require", respond=moved).url, "--json", *more).err
        )


def test_a_file_that_takes_no_more_is_reported_in_the_one_object_of_the_report(ask, mutual):
    done = ask(mutual.server(client_auth="require").url, "--json", "-o", "/dev/full")
    reported = report_schema.report("get", done.err)
    assert (done.status, reported["error"]["kind"]) == (2, "Misuse")
    assert "/dev/full" in reported["error"]["text"]


def test_each_fault_of_a_file_has_a_stable_code(ask, mutual):
    """A script need not read the text."""
    mine, other = mutual.identity("client"), mutual.identity("server")
    for options, code in (
        (["--cert", mine.cert, "--key", other.key], "KEY_MISMATCH"),
        (["--cert", other.key], "UNREADABLE"),
        (["--cert", "nowhere.pem"], "UNREADABLE"),
        (["--key", mine.key], "MISUSE"),
        (["--crl", "."], "UNREADABLE"),
    ):
        done = ask("https://localhost:1/", "--json", *options, who=None)
        reported = report_schema.report("get", done.err)
        assert (done.status, reported["error"]["code"]) == (2, code), options


@pytest.mark.parametrize(
    ("arguments", "printed"),
    [
        (["http://localhost/"], "expected https://HOST/"),
        (["https://me:secret@localhost/"], "user name"),
        (["https://localhost/", "-H", "no colon"], "is not a header"),
        (
            ["https://localhost/", "-H", "X: a\nY: b"],
            "its value has a character that is not allowed in a header",
        ),
        (
            ["https://localhost/", "-H", "Transfer-Encoding: chunked"],
            "this header is set by the connection itself",
        ),
        (["https://localhost/", "-H", "content-length: 1"], "this header is set by the connection itself"),
        (["https://localhost/", "-X", "GET / HTTP/1.1\r\n"], "is not a method"),
        (["https://localhost/", "-d", "@nowhere.json"], "nowhere.json: cannot be read"),
        (["https://localhost/", "-o", "nowhere/answer"], "nowhere/answer: No such file"),
        (["https://localhost/", "--timeout", "0"], "timeout"),
        (["https://localhost/", "--code", "curl"], "'curl' is not one of"),
        (["https://localhost/", "--code", "httpx", "-L"], "has no equivalent of --location"),
        (["https://localhost/", "--code", "httpx", "--max-size", "5"], "has no equivalent of --max-size"),
        (["https://localhost/", "--code", "httpx", "--max-time", "5"], "has no equivalent of --max-time"),
    ],
)
def test_wrong_use_is_reported_before_anybody_is_asked(ask, tmp_path, monkeypatch, arguments, printed):
    monkeypatch.chdir(tmp_path)
    done = ask(*arguments)
    assert (done.status, done.out) == (2, b"")
    assert printed in done.err
    assert not list(tmp_path.iterdir())


def test_the_anchors_of_the_system_are_those_by_default(ask, mutual, monkeypatch):
    server = mutual.server()
    monkeypatch.setenv("SSL_CERT_FILE", str(mutual.ca))
    assert ask(server.url, ca=False, who=None).status == 0
    monkeypatch.delenv("SSL_CERT_FILE")
    assert ask(server.url, ca=False, who=None).status in (1, 2)


def test_another_address_can_be_dialled_for_the_same_name(ask, mutual):
    server = mutual.server(mutual.identity("server", dns=["api.example"]))
    done = ask("https://api.example/x", "--connect-to", f"127.0.0.1:{server.port}", who=None)
    assert json.loads(done.out)["headers"]["Host"] == "api.example"


@pytest.mark.parametrize("missing", ["httpcore", "h2"])
def test_a_missing_package_is_named_with_the_command_that_installs_it(ask, mutual, monkeypatch, missing):
    if missing == "h2":
        monkeypatch.setattr("bothways.http.exchange.find_spec", lambda name: None)
    else:
        monkeypatch.setitem(sys.modules, "httpcore", None)
        for name in [
            each for each in sys.modules if each in ("bothways.http.exchange", "bothways.http.stream")
        ]:
            monkeypatch.delitem(sys.modules, name)
    done = ask(mutual.server().url, who=None)
    assert done.status == 2
    assert "pip install 'bothways[http]'" in done.err
