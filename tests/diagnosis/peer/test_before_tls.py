"""Causes before TLS: other protocols, and servers that were asked for TLS in the words of theirs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bothways.diagnosis import Explanation, OwnSide, Probed, Situation, Weight, explain
from bothways.diagnosis.peer.before_tls import AT_ONCE, PORTS
from bothways.diagnosis.situation import Files
from bothways.errors import PeerFault, StartTLSFailed, StartTLSProblem, Truncated
from bothways.faults import Fault
from bothways.roles import Progress, Role
from starttls.conversations import FAILS, Dialogue, failure

P = StartTLSProblem
ASKED_FOR = sorted({(port, cause.name, name) for port, (cause, name, _) in PORTS.items() if name})


def explained(
    error: Exception, *, port: int = 25, starttls: str = "smtp", probed: Probed | None = None
) -> Explanation:
    ours = OwnSide(Role.CLIENT, address=f"mail.example:{port}", server_name="mail.example", starttls=starttls)
    return explain(error, Situation(ours, probed=probed))


@pytest.mark.parametrize("possible", [None, (), ("postgres", "ldap")], ids=["all", "none", "some"])
@pytest.mark.parametrize(("port", "cause", "name"), ASKED_FOR)
def test_a_remedy_asks_a_command_for_tls_in_no_protocol_in_which_it_cannot_request_it(
    port: str, cause: str, name: str, possible: tuple[str, ...] | None
) -> None:
    """`tunnel --starttls` takes protocols in which the client speaks first; `get` has no such option."""
    address = f"a.example:{port}"
    ours = OwnSide(Role.CLIENT, address=address, server_name="a.example", files=Files(starttls=possible))
    found = explain(Truncated("server", progress=Progress.HELLO), Situation(ours)).first
    assert (found.cause.name, found.facts["starttls"]) == (cause, name)
    assert (f"(--starttls {name})" in found.remedy) is (possible is None or name in possible)
    assert ("which this command does" in found.remedy) is (possible is not None and name not in possible)
    assert found.command == f"bothways connect {address} --ca CA --starttls {name}"


def test_a_database_without_starttls_is_not_said_to_have_it() -> None:
    found = explained(Truncated("server", progress=Progress.HELLO), port=1433, starttls="").first
    assert found.cause.name == "SPEAKS_DATABASE"
    assert "starttls" not in found.remedy and found.remedy.startswith("connect with the client of that")


def test_a_command_for_databases_and_directories_names_both_where_a_server_closes_for_a_hello() -> None:
    """PostgreSQL and slapd close for it without a byte; nothing on the wire tells them from others."""
    ours = OwnSide(
        Role.CLIENT,
        address="a.example:28000",
        server_name="a.example",
        files=Files(starttls=("postgres", "ldap")),
    )
    closed = Truncated("server", progress=Progress.HELLO)
    shown = [each.cause.name for each in explain(closed, Situation(ours)).shown_causes]
    assert shown[:3] == ["SPEAKS_PLAIN", "SPEAKS_DATABASE", "SPEAKS_LDAP"]
    probed = explain(closed, Situation(ours, probed=Probed(unanswered=True))).causes
    asked = explain(closed, Situation(replace(ours, starttls="ldap"))).causes
    for each in (*probed, *asked):
        assert each.cause.name not in ("SPEAKS_DATABASE", "SPEAKS_LDAP")


HTTP = PeerFault(Fault.NOT_TLS, step=None, peer="server", facts={"start": b"HTTP/", "guess": ""})


@pytest.mark.parametrize(
    ("probed", "cause", "weight", "also"),
    [
        (None, "SPEAKS_HTTP", "LIKELY", {"PROXY_HEADER", "WANTS_PROXY_HEADER"}),
        (Probed(http_status=200), "SPEAKS_HTTP", "LIKELY", {"DEVICE_BETWEEN"}),
        (Probed(http_status=404), "SPEAKS_HTTP", "LIKELY", {"DEVICE_BETWEEN"}),
        (Probed(http_status=302), "SPEAKS_HTTP", "LIKELY", {"DEVICE_BETWEEN"}),
        (Probed(http_status=400), "SPEAKS_HTTP", "LIKELY", {"PROXY_HEADER"}),
        (Probed(), "SPEAKS_HTTP", "LIKELY", {"PROXY_HEADER"}),
        (Probed(speaks_unasked=True, http_status=400), "PROXY_HEADER", "LIKELY", {"SPEAKS_HTTP"}),
        (Probed(speaks_unasked=True, http_status=403), "LETS_NOT_IN", "LIKELY", {"DEVICE_BETWEEN"}),
        (Probed(speaks_unasked=True, http_status=503), "BACKEND_DOWN", "LIKELY", {"DEVICE_BETWEEN"}),
        (Probed(after_proxy_header=True), "WANTS_PROXY_HEADER", "LIKELY", {"SPEAKS_HTTP"}),
    ],
    ids=lambda value: str(sorted(value) if isinstance(value, set) else value),
)
def test_an_answer_in_http_is_of_a_server_of_http_or_of_what_the_probes_do_not_exclude(
    probed: Probed | None, cause: str, weight: str, also: set[str]
) -> None:
    """nginx and Apache with TLS answer a PROXY header of a load balancer in HTTP, by status 400; portals redirect."""
    found = explained(HTTP, port=443, starttls="", probed=probed)
    assert (found.first.cause.name, found.first.weight.name) == (cause, weight)
    assert also <= {each.cause.name for each in found.shown_causes}


@pytest.mark.parametrize(
    ("probed", "cause", "words"),
    [
        (Probed(http_status=404), "SPEAKS_HTTP", "answers a request in plain HTTP by status 404"),
        (Probed(unanswered=True, closes_early=True), "SPEAKS_PLAIN", "requests of other protocols"),
    ],
    ids=["answered", "not answered"],
)
def test_a_server_that_closes_for_a_hello_and_answers_a_request_speaks_plain_http(
    probed: Probed, cause: str, words: str
) -> None:
    """As etcd without TLS, which closes for what is neither HTTP nor gRPC."""
    found = explained(Truncated("server"), port=2379, starttls="", probed=probed)
    assert (found.first.cause.name, found.first.weight) == (cause, Weight.LIKELY)
    assert words in found.first.evidence
    assert (cause == "SPEAKS_PLAIN") == ("SPEAKS_PLAIN" in [each.cause.name for each in found.causes])


@pytest.mark.parametrize("start", [b"SSH-2", b"220 m", b"* OK ", b"E\0\0\0\x8a", b"<?xml", b"hello"])
def test_one_answer_in_another_protocol_makes_no_cause_certain(start: bytes) -> None:
    """Who gave it, the server or something in front of it, it does not say."""
    error = PeerFault(Fault.NOT_TLS, step=None, peer="server", facts={"start": start, "guess": ""})
    assert explained(error, port=443, starttls="").first.weight is Weight.LIKELY


CAUSES = [
    ("NOT_OFFERED", "SMTP", "250 SIZE", b"220 m", "STARTTLS_NOT_OFFERED", ""),
    (
        "NOT_OFFERED",
        "SMTP",
        "530 Please login with USER and PASS.",
        b"220 (",
        "OTHER_STARTTLS",
        "--starttls ftp",
    ),
    ("NOT_OFFERED", "SMTP", "XXXXXXXA", b"220 m", "STARTTLS_NOT_OFFERED", ""),
    ("REFUSED", "SMTP", "454 no key", b"220 m", "STARTTLS_REFUSED", ""),
    ("REFUSED", "LDAP", "unavailable: Could not initialize TLS", b"0", "STARTTLS_REFUSED", ""),
    ("TURNED_AWAY", "MySQL", "Host 'a' is not allowed to connect", b"", "LETS_NOT_IN", ""),
    (
        "TURNED_AWAY",
        "XMPP",
        "host-unknown",
        b"<?xml",
        "NAME_NOT_SERVED",
        "--starttls smtp --ca CA --name NAME",
    ),
    ("TURNED_AWAY", "XMPP", "resource-constraint", b"<?xml", "SERVICE_BUSY", ""),
    ("TURNED_AWAY", "SMTP", "421 4.3.2 too many connections", b"421 4", "SERVICE_BUSY", ""),
    ("TURNED_AWAY", "SMTP", "554 no SMTP service here", b"554 n", "LETS_NOT_IN", ""),
    ("TURNED_AWAY", "SMTP", "421 4.7.0 mail from your address is rejected", b"421 4", "LETS_NOT_IN", ""),
    (
        "TURNED_AWAY",
        "FTP",
        "530 Sorry, the maximum number of connections (1) for your host are already connected.",
        b"530 S",
        "SERVICE_BUSY",
        "",
    ),
    (
        "TURNED_AWAY",
        "FTP",
        "530 Sorry, the maximum number of allowed clients (10) are already connected.",
        b"530 S",
        "SERVICE_BUSY",
        "",
    ),
    (
        "TURNED_AWAY",
        "SMTP",
        "554 5.7.0 Too many unauthenticated connections from your host",
        b"554",
        "SERVICE_BUSY",
        "",
    ),
    ("TURNED_AWAY", "SMTP", "554 5.7.1 Service unavailable; client host blocked", b"554", "LETS_NOT_IN", ""),
    ("TURNED_AWAY", "IMAP", "* BYE overloaded", b"* BYE", "SERVICE_BUSY", ""),
    ("TURNED_AWAY", "PostgreSQL", "sorry, too many clients already (53300)", b"E", "SERVICE_BUSY", ""),
    ("TURNED_AWAY", "MySQL", "Too many connections", b"", "SERVICE_BUSY", ""),
    ("TURNED_AWAY", "LDAP", "busy: ", b"0", "SERVICE_BUSY", ""),
    ("OTHER_PROTOCOL", "SMTP", "* OK", b"* OK ", "OTHER_STARTTLS", "--starttls imap"),
    ("OTHER_PROTOCOL", "SMTP", "", b"J\0\0\0\x0a", "OTHER_STARTTLS", "--starttls mysql"),
    (
        "OTHER_PROTOCOL",
        "SMTP",
        "",
        b"\x15\3\3\0\2",
        "TLS_AT_ONCE",
        "bothways connect mail.example:25 --ca CA",
    ),
    ("OTHER_PROTOCOL", "SMTP", "SSH-2.0", b"SSH-2", "SPEAKS_SSH", ""),
    ("OTHER_PROTOCOL", "SMTP", "HTTP/1.1 400", b"HTTP/", "SPEAKS_HTTP", "curl"),
    ("OTHER_PROTOCOL", "SMTP", "hello", b"hello", "SPEAKS_PLAIN", ""),
    ("SPOKE_AHEAD", "SMTP", '500 Error: command "PROXY" not recognized', b"220 m", "PROXY_HEADER", ""),
    ("MALFORMED", "IMAP", "PROXY BAD Error in IMAP command TCP4", b"* OK ", "PROXY_HEADER", ""),
    ("SPOKE_AHEAD", "SMTP", "250 injected", b"220 m", "AHEAD_OF_TLS", ""),
    ("MALFORMED", "SMTP", "220 x", b"220 x", "PEER_BREAKS_RULES", ""),
    ("TOO_MUCH", "SMTP", "220 x", b"220 x", "BEYOND_OUR_LIMITS", ""),
]


@pytest.mark.parametrize(("problem", "protocol", "said", "start", "cause", "command"), CAUSES)
def test_a_server_that_does_not_start_tls_is_explained(
    problem: str, protocol: str, said: str, start: bytes, cause: str, command: str
):
    """By the cause's stable code; what is to be tried names the protocol that the server speaks."""
    found = explained(StartTLSFailed(P[problem], protocol, said=said, start=start))
    assert found.first.cause.name == cause
    assert command in found.first.command
    assert not any(each.weight.name == "CERTAIN" for each in found.causes), "nothing of it is authenticated"


@pytest.mark.parametrize(
    ("dialogue", "problem", "words"), FAILS, ids=lambda each: getattr(each, "protocol", "")
)
def test_every_failure_before_tls_has_a_cause_that_quotes_the_server(
    dialogue: Dialogue, problem: StartTLSProblem, words: str
):
    """Quoted as unauthenticated, if at all."""
    error = failure(dialogue)
    assert error is not None
    found = explained(error, starttls=dialogue.protocol)
    assert str(found).isascii()
    for each in found.causes:
        assert not error.said or error.said not in each.evidence or "unauthenticated" in each.evidence


def test_a_server_that_says_nothing_may_wait_for_our_hello():
    """As we wait for its greeting: by the port, or by a hello that was answered, it is known."""
    for problem in (P.LATE, P.ENDED):
        silent = StartTLSFailed(problem, "SMTP")
        assert explained(silent, port=465).first.cause.name == "TLS_AT_ONCE"
        assert explained(silent, port=2525, probed=Probed((0x0304,))).first.cause.name == "TLS_AT_ONCE"
        names = [each.cause.name for each in explained(silent, port=2525).causes]
        assert {"TLS_AT_ONCE", "SPEAKS_PLAIN"} <= set(names)
        assert explained(silent, port=465).first.command == "bothways connect mail.example:465 --ca CA"


def test_a_server_that_waits_for_its_client_may_be_of_another_protocol():
    """As PostgreSQL waits for an IMAP client's first word, and that for a greeting: a probe or the port shows which."""
    silent = StartTLSFailed(P.LATE, "IMAP")
    for found in (
        explained(silent, port=2525, starttls="imap", probed=Probed(starttls="postgres")),
        explained(silent, port=5432, starttls="imap"),
    ):
        assert found.first.cause.name == "OTHER_STARTTLS"
        assert found.first.command.endswith("--starttls postgres")
    unknown = explained(silent, port=2525, starttls="imap")
    assert "OTHER_STARTTLS" in [each.cause.name for each in unknown.shown_causes]


def test_an_ftp_server_instead_of_a_mail_server_is_recognised():
    """Both greet by 220."""
    error = StartTLSFailed(P.NOT_OFFERED, "SMTP", said="530 Please login with USER and PASS.", start=b"220 x")
    assert any(each.command.endswith("--starttls ftp") for each in explained(error, port=21).shown_causes)


def test_a_port_is_either_one_of_tls_at_once_or_not():
    assert not AT_ONCE & set(PORTS)


def test_every_command_of_an_explanation_asks_for_tls_as_the_failed_connection_did():
    """Else it would fail before it came to what it is meant to try."""
    found = explained(ConnectionResetError(), starttls="imap", port=143)
    commands = [each.command for each in found.causes if "{target}" in each.cause.value.their_command]
    ours = [each.command for each in found.causes if each.command.startswith("bothways connect")]
    assert ours
    assert all("--starttls imap" in each for each in ours), ours
    assert all("starttls imap" in each or each.startswith("curl") for each in commands), commands


@pytest.mark.parametrize(
    ("banner", "starttls"),
    [
        (b"220 (vsFTPd 3.0.3)\r\n", "ftp"),
        (b"220 ProFTPD Server\r\n", "ftp"),
        (b"220 mx.example ESMTP\r\n", "smtp"),
    ],
)
def test_an_ftp_server_is_told_from_a_mail_server_by_its_first_line(banner: bytes, starttls: str) -> None:
    facts = {"start": banner[:5], "begins": banner, "guess": ""}
    found = explained(PeerFault(Fault.NOT_TLS, step=None, peer="server", facts=facts), port=2121, starttls="")
    assert found.first.cause.name == "SPEAKS_MAIL"
    assert f"--starttls {starttls}" in found.first.command


@pytest.mark.parametrize(
    ("said", "asked", "named"),
    [
        ("220 ProFTPD Server (host) [192.0.2.1]", "smtp", "ftp"),
        ("220-FileZilla FTP server", "lmtp", "ftp"),
        ("220 mx.example ESMTP Postfix", "ftp", "smtp"),
        ("220 mx.example ESMTP Postfix", "lmtp", ""),
        ("220 ftp.example ESMTP", "smtp", ""),
        ("220 host ready", "smtp", ""),
        ("221 FTP goodbye", "smtp", ""),
    ],
)
def test_a_server_that_greets_by_another_protocol_and_closes_is_told_as_that(
    said: str, asked: str, named: str
) -> None:
    """SMTP and FTP greet alike but for their words; some FTP servers close at EHLO."""
    error = StartTLSFailed(P.ENDED, asked.upper(), said=said, start=b"220 P")
    found = explained(error, port=2525, starttls=asked)
    assert (found.first.cause.name == "OTHER_STARTTLS") is bool(named)
    if named:
        assert f"--starttls {named}" in found.first.command


def test_a_server_of_smtp_that_was_asked_in_lmtp_is_told_as_that() -> None:
    """Exim answers LHLO by 500; one that speaks LMTP and has no TLS answers it by what it offers."""
    error = StartTLSFailed(P.NOT_OFFERED, "LMTP", said="500 unrecognized command", start=b"220 m")
    found = explained(error, starttls="lmtp")
    assert (found.first.cause.name, found.first.weight) == ("OTHER_STARTTLS", Weight.LIKELY)
    assert "--starttls smtp" in found.first.command
    offered = explained(StartTLSFailed(P.NOT_OFFERED, "LMTP", said="250 PIPELINING"), starttls="lmtp")
    assert offered.first.cause.name == "STARTTLS_NOT_OFFERED"
