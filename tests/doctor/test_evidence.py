"""The results of probes are compared with our offer: they name the cause, and exclude others."""

from __future__ import annotations

import contextlib
import errno
import socket
import ssl
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import identities
from bothways.diagnosis import Explanation, HandshakeFacts, OwnSide, Probed, Weight, explain
from bothways.diagnosis.own_side.rare_suites import RareSuite
from bothways.doctor.dial import Dialer, Target
from bothways.doctor.evidence import PROBES, of_survey, probe
from bothways.doctor.survey import Survey
from bothways.errors import PeerAlert
from bothways.iana import Alert, CipherSuite, NamedGroup
from bothways.roles import StepId
from bothways.starttls import PROTOCOLS
from bothways.trust.path.name_matching import server_name
from diagnosis.talks import client, first
from doctor_talk import listening, ours, saying

HYBRID = ("X25519MLKEM768", "x25519")
V13, V12, V11 = 0x0304, 0x0303, 0x0302
CBC = CipherSuite.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA
TRANSPORT = CipherSuite.TLS_RSA_WITH_AES_128_CBC_SHA


def explained(found: Probed, error: Exception | None = None, **mine: Any) -> Explanation:
    config = client(**mine)
    observed = HandshakeFacts(config, "localhost", address="localhost:8443")
    config.connection("localhost", observer=observed)
    refused = PeerAlert(Alert.HANDSHAKE_FAILURE, step=StepId("1.2"), peer="server", state="WAIT_SH")
    return explain(error or refused, replace(observed.situation(), probed=found))


@pytest.mark.parametrize(
    ("found", "mine", "cause", "whose"),
    [
        (Probed((V11,), (CBC,)), {}, "NO_SHARED_VERSION", "the peer's"),
        (Probed((V12,), (0xC02F,)), {"versions": ("1.3",)}, "NO_SHARED_VERSION", "ours"),
        (Probed((V12,), (CBC,)), {}, "NO_SHARED_SUITE", "the peer's"),
        (Probed((V12,), (TRANSPORT,)), {}, "ONLY_KEY_TRANSPORT", "the peer's"),
        (Probed((V12,), (0x9C,)), {}, "ONLY_KEY_TRANSPORT", "ours"),
        (Probed((V12,), (CBC,)), {"versions": ("1.3",)}, "NO_SHARED_VERSION", "the peer's"),
        (Probed((V13,), (0x1303,)), {"suites": ("TLS_AES_256_GCM_SHA384",)}, "NO_SHARED_SUITE", "ours"),
        (Probed((V13,), (0x1301,), (NamedGroup.secp521r1,)), {"groups": ("x25519",)}, "NO_SHARED_GROUP", "ours"),
        (Probed((V13,), (0x1301,), (NamedGroup.x25519,)), {"groups": HYBRID}, "LARGE_HELLO", "between us"),
    ],
)  # fmt: skip
def test_a_failure_at_the_hello_is_explained_by_what_probes_found(
    found: Probed, mine: dict[str, Any], cause: str, whose: str
) -> None:
    reported = explained(found, **mine)
    assert first(reported) == (cause, whose)
    guesses = {"NO_SHARED_SUITE", "ONLY_KEY_TRANSPORT", "NO_SHARED_GROUP", "NO_SHARED_SCHEME"} - {cause}
    assert not guesses & {each.cause.name for each in reported.causes}


@pytest.mark.parametrize("error", [ConnectionResetError(), TimeoutError()])
def test_a_server_that_answers_small_hellos_speaks_tls_whatever_it_does_with_ours(error: OSError) -> None:
    """A device that drops or resets hellos of more than one packet."""
    config = client(groups=HYBRID)
    observed = HandshakeFacts(config, "localhost", address="localhost:8443")
    config.connection("localhost", observer=observed)
    found = Probed((V13,), (0x1301,), (NamedGroup.x25519,))
    reported = explain(error, replace(observed.situation(), probed=found))
    assert reported.first.cause.name == "LARGE_HELLO"
    assert not {"SPEAKS_PLAIN", "PEER_SILENT"} & {each.cause.name for each in reported.causes}


def test_a_server_that_refuses_every_probe_has_other_reasons() -> None:
    """With its name and without: its own configuration is the likeliest."""
    names = [each.cause.name for each in explained(Probed()).causes]
    assert "NO_SHARED_SUITE" not in names and names[:2] == ["PEER_CONFIGURED_WRONG", "NAME_NOT_SERVED"]


def test_one_hello_with_all_offers_shows_what_a_server_chooses() -> None:
    with listening(ours(identities.server_config(versions=("1.2",)))) as server:
        found = probe(Target("127.0.0.1", server.port, server_name("localhost")), 5)
    assert found is not None and found.versions == (V12,)
    assert found.suites and found.groups
    with listening(saying(b"SSH-2.0-x\r\n")) as server:
        assert probe(Target("127.0.0.1", server.port, server_name("localhost")), 5) is None
    # Nothing listens where the listener was.
    assert probe(Target("127.0.0.1", server.port, server_name("localhost")), 1) is None


@pytest.mark.parametrize(
    ("ciphers", "version", "cause"),
    [
        ("ECDHE-ECDSA-AES256-SHA", ssl.TLSVersion.TLSv1_2, "NO_SHARED_SUITE"),
        ("ECDHE-ECDSA-AES256-GCM-SHA384", ssl.TLSVersion.TLSv1_3, "NO_SHARED_VERSION"),
    ],
)
def test_choices_in_our_version_are_found_on_a_server_that_prefers_another(
    ciphers: str, version: ssl.TLSVersion, cause: str, tmp_path: Path
) -> None:
    """OpenSSL with TLS 1.3, and in TLS 1.2 with CBC alone, or without it; our hello is of TLS 1.2."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    file = tmp_path / "server.pem"
    file.write_bytes(identities.server().chain_pem + identities.server().key_pem)
    context.load_cert_chain(file)
    context.set_ciphers(ciphers)
    context.minimum_version = version

    def talk(sock: socket.socket) -> None:
        with contextlib.suppress(OSError):
            context.wrap_socket(sock, server_side=True)

    config = client(versions=("1.2",))
    with listening(talk) as server:
        found = probe(
            Target("127.0.0.1", server.port, server_name("localhost")),
            5,
            ours=OwnSide.of(config, "localhost"),
        )
        assert server.accepted <= PROBES
    assert found is not None and V13 in found.versions
    reported = explained(found, versions=("1.2",))
    assert reported.first.cause.name == cause
    assert ("NO_SHARED_VERSION", "ours") in [(each.cause.name, each.party.value) for each in reported.causes]
    assert ("supports only" in str(reported)) is (cause == "NO_SHARED_VERSION")


def test_a_probe_ends_when_its_time_is_over() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        there = Target("127.0.0.1", silent.getsockname()[1], server_name("localhost"))
        assert probe(there, 0.3) in (None, Probed(unanswered=True))
        assert probe(there, 0) is None


def test_a_survey_is_the_same_evidence_and_more() -> None:
    with listening(ours(identities.server_config(versions=("1.2",)))) as server:
        survey = Survey(
            Dialer(Target("127.0.0.1", server.port, server_name("localhost")), timeout=5, limit=40)
        )
        survey.run()
    found = of_survey(survey)
    assert found.versions == (V12,)
    assert found.suites == (CipherSuite.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, *found.suites[1:])
    assert NamedGroup.x25519 in found.groups


def closes_at_once(sock: socket.socket) -> None:
    """As a load balancer without a server behind it, or one that allows known addresses only."""


def routes_by_name(sock: socket.socket) -> None:
    """As a router that knows no server for this name, and has one for hellos without any."""
    hello = sock.recv(65536, socket.MSG_PEEK)
    if b"localhost" in hello:
        sock.recv(65536)
    elif hello:
        ours(identities.server_config())(sock)


def reads_and_closes(sock: socket.socket) -> None:
    """As any service that speaks no TLS, and as a router without a server for hellos at all."""
    sock.recv(65536)


@pytest.mark.parametrize(
    ("talk", "found", "causes"),
    [
        (closes_at_once, Probed(closes_at_once=True), ["BACKEND_DOWN", "LETS_NOT_IN"]),
        (routes_by_name, Probed(without_name=True), ["NAME_ROUTED"]),
        (reads_and_closes, Probed(unanswered=True, closes_early=True), ["SPEAKS_PLAIN"]),
    ],
    ids=["closes at once", "routes by name", "reads and closes"],
)
def test_causes_of_a_close_before_tls_are_distinguished(talk: Any, found: Probed, causes: list[str]) -> None:
    """By further connections: one on which nothing is sent, one without a name, one behind a PROXY header."""
    with listening(talk) as server:
        probed = probe(Target("127.0.0.1", server.port, server_name("localhost")), 5)
        assert server.accepted <= PROBES
    assert probed == found
    reported = explained(probed, ConnectionResetError())
    likely = [each.cause.name for each in reported.causes if each.weight is Weight.LIKELY]
    assert likely == causes
    assert ("before it has received a whole hello" in reported.first.evidence) == (causes == ["SPEAKS_PLAIN"])
    assert "WANTS_PROXY_HEADER" not in [each.cause.name for each in reported.causes]


@pytest.mark.parametrize(
    ("number", "found"),
    [(errno.ENOTCONN, Probed(closes_at_once=True)), (errno.ECONNRESET, Probed(closes_at_once=True)),
     (errno.EHOSTUNREACH, None)],
)  # fmt: skip
def test_a_reset_before_anything_was_sent_is_evidence(
    number: int, found: Probed | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection that was never established is no evidence."""

    def connected(*_: Any, **__: Any) -> None:
        raise OSError(number, "x")

    monkeypatch.setattr(Dialer, "connected", connected)
    assert probe(Target("127.0.0.1", 1, server_name("localhost")), 5) == found


def test_a_service_behind_starttls_is_probed_through_it() -> None:
    """A bare hello would tell nothing of it."""

    def mail(sock: socket.socket) -> None:
        sock.sendall(b"220 x\r\n")
        for answer in (b"250-x\r\n250 STARTTLS\r\n", b"220 go\r\n"):
            if not sock.recv(4096):
                return
            sock.sendall(answer)
        ours(identities.server_config())(sock)

    with listening(mail) as server:
        target = Target("127.0.0.1", server.port, server_name("localhost"))
        found = probe(target, 5, PROTOCOLS["smtp"])
    assert found is not None
    assert found.versions == (V13,)


def test_suites_of_every_other_kind_are_tried_where_the_known_ones_are_refused() -> None:
    """RFC 4279: a server without a certificate, whose clients have a key in advance."""
    reported = explained(Probed(pre_shared=True))
    assert first(reported) == ("NO_SHARED_SUITE", "the peer's") and "pre-shared" in reported.first.text
    assert not {"NAME_NOT_SERVED", "LARGE_HELLO"} & {each.cause.name for each in reported.causes}


def test_a_suite_that_few_have_is_named_and_the_offer_told_as_it_was() -> None:
    reported = explained(Probed((V12,), (RareSuite.TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8,)))
    assert first(reported) == ("NO_SHARED_SUITE", "the peer's")
    assert "TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8" in reported.first.text
    assert "rare cipher suites was answered" in reported.first.evidence


def test_a_server_that_answers_without_the_name_only_does_not_serve_it() -> None:
    reported = explained(Probed(without_name=True))
    assert first(reported) == ("NAME_NOT_SERVED", "ours") and reported.first.weight is Weight.LIKELY


@pytest.mark.parametrize(
    ("found", "cause", "weight"),
    [
        (None, "NO_SHARED_GROUP", "LIKELY"),
        (Probed(differs_by_name=False), "PEER_CONFIGURED_WRONG", "LIKELY"),
        (Probed(differs_by_name=True), "NO_NAME_SENT", "LIKELY"),
        (Probed((V12,), (CBC,)), "NO_SHARED_SUITE", "LIKELY"),
    ],
    ids=["none", "refused alike", "refused otherwise", "answered"],
)
def test_an_address_instead_of_a_name_is_a_cause_after_those_with_evidence(
    found: Probed | None, cause: str, weight: str
) -> None:
    """Only where a hello with a name is answered otherwise is a name what is missing."""
    config = client()
    observed = HandshakeFacts(config, "127.0.0.1", address="127.0.0.1:8443")
    config.connection("127.0.0.1", observer=observed)
    refused = PeerAlert(Alert.HANDSHAKE_FAILURE, step=StepId("1.2"), peer="server", state="WAIT_SH")
    reported = explain(refused, replace(observed.situation(), probed=found))
    assert (reported.first.cause.name, reported.first.weight.name) == (cause, weight)


def test_schemes_that_we_leave_out_are_what_differs_from_a_hello_with_all() -> None:
    found = Probed((V13,), (0x1301,), (NamedGroup.x25519,))
    reported = explained(found, who=False, schemes=("rsa_pss_rsae_sha256",), groups=HYBRID)
    assert first(reported) == ("NO_SHARED_SCHEME", "the peer's")


def test_an_unsupported_group_is_the_servers_cause() -> None:
    assert first(explained(Probed((V13,), (0x1301,), (NamedGroup.x448,)))) == (
        "NO_SHARED_GROUP",
        "the peer's",
    )


def test_a_hello_as_large_as_ours_is_no_reason_where_small_ones_are_not_answered_either() -> None:
    reported = explained(Probed(unanswered=True), ConnectionResetError(), groups=HYBRID)
    assert "LARGE_HELLO" not in [each.cause.name for each in reported.causes]


@pytest.mark.parametrize(("name", "cause"), [("localhost", "NAME_ROUTED"), ("127.0.0.1", "NO_NAME_SENT")])
def test_a_server_that_reads_a_hello_and_closes_has_no_route_for_its_name(name: str, cause: str) -> None:
    config = client()
    observed = HandshakeFacts(config, name, address=f"{name}:8443")
    config.connection(name, observer=observed)
    found = Probed(unanswered=True, reads_hello=True)
    reported = explain(ConnectionResetError(), replace(observed.situation(), probed=found))
    likely = [each.cause.name for each in reported.causes if each.weight is Weight.LIKELY]
    assert likely == [cause, "BACKEND_DOWN"], "a router that has a route, and reaches nobody, does the same"
    assert "SPEAKS_PLAIN" not in [each.cause.name for each in reported.causes]


@pytest.mark.parametrize(
    ("differs", "version", "causes"),
    [
        ("schemes", V12, ["NO_SHARED_SCHEME"]),
        ("groups", V12, ["CURVE_NOT_OFFERED"]),
        ("size", V13, ["LARGE_HELLO"]),
        ("nothing", V13, ["NO_SHARED_SCHEME"]),
        ("nothing", V12, []),
    ],
)
def test_the_size_of_a_hello_is_the_cause_only_where_nothing_else_differed(
    differs: Any, version: int, causes: list[str]
) -> None:
    """RFC 9846 4.2.4: in TLS 1.3 a HelloRetryRequest comes before the choice of a scheme."""
    found = Probed((version,), (0x1301 if version == V13 else 0xC02F,), (NamedGroup.x25519,), differs=differs)
    reported = explained(found, groups=HYBRID)
    assert [each.cause.name for each in reported.causes if each.weight is Weight.LIKELY] == causes
    assert ("LARGE_HELLO" in [each.cause.name for each in reported.causes]) == (differs == "size")


def drops_large_hellos(sock: socket.socket) -> None:
    """As a device that passes on hellos of one packet alone."""
    if len(sock.recv(65536, socket.MSG_PEEK)) < 1600:
        ours(identities.server_config())(sock)


def test_a_hello_that_is_only_larger_shows_that_its_size_is_refused() -> None:
    """RFC 7685 3: padding changes nothing else."""
    config = client()
    with listening(drops_large_hellos) as server:
        side = HandshakeFacts(config, "localhost", address="localhost:8443").situation().own_side
        found = probe(Target("127.0.0.1", server.port, server_name("localhost")), 5, ours=side)
        assert server.accepted <= PROBES
    assert found is not None and found.differs == "size"


def test_a_server_that_refuses_every_version_allows_none_that_it_can_use() -> None:
    """OpenSSL 3 with TLS 1.3 alone and a key on a brainpool curve (RFC 8734): one alert for every hello."""
    refused = PeerAlert(Alert.PROTOCOL_VERSION, step=StepId("1.2"), peer="server", state="WAIT_SH")
    reported = explained(Probed(), refused)
    assert first(reported) == ("NO_SHARED_SCHEME", "the peer's")
    assert reported.causes[1].cause.name == "NO_SHARED_VERSION"
    assert {each.weight for each in reported.causes[:2]} == {Weight.LIKELY}
    assert first(explained(Probed((V11,), (CBC,)), refused)) == ("NO_SHARED_VERSION", "the peer's")
    talk = saying(bytes([21, 3, 3, 0, 2, 2, 70]))
    with listening(talk) as server:
        survey = Survey(
            Dialer(Target("127.0.0.1", server.port, server_name("localhost")), timeout=5, limit=40)
        )
        survey.run()
    assert of_survey(survey) == Probed() and not survey.refused_with


def refuses_as_openssl_3(sock: socket.socket) -> None:
    """TLS 1.1 alone, at security level 2: where the version is offered, it fails at what it needs for it."""
    record = sock.recv(65536)
    offered = (
        b"\x03\x02" in record[record.index(b"\0\x2b") :] if b"\0\x2b" in record else record[9:11] < b"\3\3"
    )
    sock.sendall(bytes([21, 3, 3, 0, 2, 2, 80 if offered else 70]))


def test_a_server_that_refuses_an_old_version_for_another_reason_allows_it() -> None:
    refused = PeerAlert(Alert.PROTOCOL_VERSION, step=StepId("1.2"), peer="server", state="WAIT_SH")
    reported = explained(Probed(allows_old=True), refused)
    assert first(reported) == ("NO_SHARED_VERSION", "the peer's")
    assert "TLS 1.1 or older alone" in reported.first.text
    assert "NO_SHARED_SCHEME" not in [each.cause.name for each in reported.causes]
    with listening(refuses_as_openssl_3) as server:
        target = Target("127.0.0.1", server.port, server_name("localhost"))
        assert probe(target, 5) == Probed(allows_old=True)
        survey = Survey(Dialer(target, timeout=5, limit=40))
        survey.run()
        assert of_survey(survey) == Probed(allows_old=True)


def test_a_command_for_suites_or_groups_is_one_that_this_server_answers() -> None:
    """Suites with CBC are none of ours, whatever is allowed; and it is not told to offer groups that it lacks."""
    for suite, ending in ((TRANSPORT, ""), (0x9C, " --tls 1.2 --classic")):
        command = explained(Probed((V12,), (suite,))).first.command
        assert command.endswith(ending) and bool(command) == bool(ending)
    large = Probed((V13,), (0x1301,), (NamedGroup.secp384r1,))
    assert " --groups secp384r1" in explained(large, groups=(*HYBRID, "secp384r1")).first.command
