"""This machine's OpenSSL, through Python's `ssl`, against our engine: both roles, without a socket.

`ssl` cannot choose suites, groups or schemes of TLS 1.3; our side narrows them to one.
"""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from bothways import (
    Alert,
    Established,
    Fault,
    PeerAlert,
    PeerClosed,
    PeerFault,
    ServerConfig,
    Truncated,
    UsageError,
)
from interop.identities import client, identity, server
from interop.in_process import BOTH_ROLES, Meeting, StandardSSL, Theirs, mutual, our_client, our_server

SUITES = ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256")
SCHEMES = (
    ("P-256", "ecdsa_secp256r1_sha256"),
    ("P-384", "ecdsa_secp384r1_sha384"),
    ("P-521", "ecdsa_secp521r1_sha512"),
    ("RSA", "rsa_pss_rsae_sha256"),
    ("RSA", "rsa_pss_rsae_sha384"),
    ("RSA", "rsa_pss_rsae_sha512"),
    ("RSA-PSS", "rsa_pss_pss_sha256"),
    ("RSA-PSS", "rsa_pss_pss_sha384"),
    ("RSA-PSS", "rsa_pss_pss_sha512"),
    ("Ed25519", "ed25519"),
    ("Ed448", "ed448"),
)


@pytest.fixture(scope="session")
def theirs(folder: Path) -> Theirs:
    return Theirs(folder, "1.3")


# -- what both can agree on --------------------------------------------------------------------------


@BOTH_ROLES
@pytest.mark.parametrize("suite", SUITES)
def test_openssl_speaks_every_suite_with_us(role: str, suite: str, theirs: Theirs) -> None:
    """RFC 9846 B.4: data passes both ways under each cipher suite."""
    meeting = mutual(role, theirs, suites=(suite,))
    assert meeting.ours.suite == suite == meeting.theirs.object.cipher()[0]
    meeting.talk()


@BOTH_ROLES
@pytest.mark.parametrize(("kind", "scheme"), SCHEMES)
def test_openssl_and_we_prove_ourselves_by_every_scheme(
    role: str, kind: str, scheme: str, theirs: Theirs
) -> None:
    """RFC 9846 4.3.3: both sides sign, and check, by the one scheme that we allow."""
    allowed = {"schemes": (scheme,), "certificate_schemes": ("ecdsa_secp256r1_sha256",)}
    mutual(role, theirs, kind, **allowed).talk()


@BOTH_ROLES
def test_openssl_and_we_show_certificates_of_several_records(role: str, theirs: Theirs) -> None:
    """RFC 9846 5.1: certificates of 46 KiB, one message in three records."""
    names = ("DNS:localhost", *(f"DNS:host-number-{number:05}.example.com" for number in range(1500)))
    big = {side: identity(side, names=names) for side in ("client", "server")}
    if role == "client":
        ours = our_client(big["client"]).connection("localhost")
        meeting = Meeting(ours, theirs.server(big["server"], ssl.CERT_REQUIRED))
    else:
        meeting = Meeting(
            our_server(big["server"], auth="require").connection(), theirs.client(big["client"])
        )
    meeting.carry().talk()
    assert meeting.ours.peer is not None
    assert len(meeting.ours.peer.names.dns) == 1501


@BOTH_ROLES
def test_openssl_reads_records_that_we_pad(role: str, theirs: Theirs) -> None:
    """RFC 9846 5.4: padding is for the peer to drop."""
    mutual(role, theirs, record_padding=512).talk()


# -- HelloRetryRequest -------------------------------------------------------------------------------


@pytest.mark.parametrize("cookie", [True, False])
def test_openssl_client_answers_our_retry_request(cookie: bool, theirs: Theirs) -> None:
    """RFC 9846 4.2.4: its first share is for x25519, and we want P-384."""
    ours = our_server(auth="require", groups=("secp384r1",), retry_cookie=cookie).connection()
    meeting = Meeting(ours, theirs.client(client())).carry()
    meeting.talk()
    assert meeting.ours.group == "secp384r1"


@pytest.mark.parametrize("shares", [(), ("x25519",)])
def test_openssl_server_has_us_retry(shares: tuple[str, ...], theirs: Theirs) -> None:
    """RFC 9846 4.2.4: it wants P-521, for which we sent no share, or we sent none at all."""
    other = theirs.server(asks=ssl.CERT_REQUIRED, set_ecdh_curve="secp521r1")
    meeting = Meeting(our_client(client(), key_shares=shares).connection("localhost"), other).carry()
    meeting.talk()
    assert meeting.ours.group == "secp521r1"


# -- client authentication ---------------------------------------------------------------------------


@pytest.mark.parametrize("auth", ["none", "request", "require"])
@pytest.mark.parametrize("has_one", [True, False])
def test_openssl_client_meets_every_mode_of_ours(auth: str, has_one: bool, theirs: Theirs) -> None:
    """RFC 9846 4.4.2: it is asked or not, has a certificate or not; refused only where one is required."""
    meeting = Meeting(
        our_server(auth=auth).connection(), theirs.client(client() if has_one else None)
    ).carry()
    if auth == "require" and not has_one:
        assert isinstance(meeting.failure, PeerFault)
        assert (meeting.failure.fault, meeting.failure.step) == (Fault.NO_CERTIFICATE, "3.1")
        assert meeting.theirs.alert == "certificate_required"
        return
    meeting.talk()
    knows = auth != "none" and has_one
    assert (meeting.ours.peer is not None) == knows
    if knows:
        assert meeting.ours.peer.certificate == client().credentials.certificate


@pytest.mark.parametrize("asks", [ssl.CERT_NONE, ssl.CERT_OPTIONAL, ssl.CERT_REQUIRED])
@pytest.mark.parametrize("has_one", [True, False])
def test_openssl_server_with_each_of_its_client_certificate_modes_connects_with_us(
    asks: ssl.VerifyMode, has_one: bool, theirs: Theirs
) -> None:
    """RFC 9846 4.4.2, the other way round; its refusal comes after our handshake is done (4.5.3)."""
    config = our_client(client() if has_one else None)
    meeting = Meeting(config.connection("localhost"), theirs.server(asks=asks)).carry()
    if asks == ssl.CERT_REQUIRED and not has_one:
        assert any(isinstance(event, Established) for event in meeting.events)
        assert isinstance(meeting.failure, PeerAlert)
        assert (meeting.failure.alert, meeting.failure.step) == (Alert.CERTIFICATE_REQUIRED, "3.1")
        return
    meeting.talk()
    assert meeting.ours.confirmed
    assert bool(meeting.theirs.object.getpeercert()) == (asks != ssl.CERT_NONE and has_one)


def test_openssl_client_that_offers_later_authentication_is_not_asked_later(theirs: Theirs) -> None:
    """RFC 9846 4.7.2: the offer of post_handshake_auth needs no answer."""
    other = theirs.client(client(), post_handshake_auth=True)
    Meeting(our_server(auth="require").connection(), other).carry().talk()


# -- names and protocols -----------------------------------------------------------------------------


@BOTH_ROLES
@pytest.mark.parametrize(
    ("ours", "others", "chosen"),
    [(("h2", "http/1.1"), ("http/1.1", "h2"), "server's"), ((), ("h2",), None), (("h2",), (), None)],
)
def test_openssl_and_we_choose_the_application_protocol_of_the_server(
    role: str,
    ours: tuple[str, ...],
    others: tuple[str, ...],
    chosen: str | None,
    theirs: Theirs,
) -> None:
    """RFC 7301 3.2: the server's preference counts; who does not speak of protocols gets none."""
    settings = {"set_alpn_protocols": list(others)} if others else {}
    if role == "client":
        meeting = Meeting(our_client(alpn=ours).connection("localhost"), theirs.server(**settings)).carry()
        expected = others[0] if chosen else None
    else:
        meeting = Meeting(our_server(alpn=ours).connection(), theirs.client(**settings)).carry()
        expected = ours[0] if chosen else None
    meeting.talk()
    assert meeting.ours.alpn == expected == meeting.theirs.object.selected_alpn_protocol()


def test_openssl_client_without_a_protocol_of_ours_is_told_so(theirs: Theirs) -> None:
    """RFC 7301 3.2: no_application_protocol."""
    other = theirs.client(set_alpn_protocols=["spdy/1"])
    meeting = Meeting(our_server(alpn=("h2",)).connection(), other).carry()
    assert isinstance(meeting.failure, PeerFault)
    assert meeting.failure.fault is Fault.NO_SHARED_APPLICATION_PROTOCOL
    assert meeting.theirs.alert == "no_application_protocol"


@pytest.mark.parametrize(("name", "reported"), [("localhost", "localhost"), ("127.0.0.1", None)])
def test_openssl_server_is_told_the_dns_name_but_no_address(
    name: str, reported: str | None, theirs: Theirs
) -> None:
    """RFC 6066 3: an IP address is not a host name."""
    names: list[str | None] = []
    other = theirs.server(sni_callback=None)
    context = other.object.context
    context.sni_callback = lambda _, asked, __: names.append(asked)
    Meeting(our_client().connection(name), StandardSSL(context, server=True)).carry().talk()
    assert names == [reported]


@pytest.mark.parametrize(
    ("asked", "leaf"),
    [
        ("a.example", "a.example"),
        ("b.example", "b.example"),
        ("x.wild.example", "*.wild.example"),
        ("nobody.example", "localhost"),
    ],
)
def test_openssl_client_gets_the_certificate_for_the_name_it_asks_for(
    asked: str, leaf: str, theirs: Theirs
) -> None:
    """RFC 6066 3: by name, by wildcard, and the first where no certificate has the name."""
    named = {
        name: identity("server", names=(f"DNS:{name}",))
        for name in ("localhost", "a.example", "b.example", "*.wild.example")
    }
    config = ServerConfig(credentials=[each.credentials for each in named.values()])
    other = theirs.client(name=asked, check_hostname=leaf != "localhost")
    meeting = Meeting(config.connection(), other).carry()
    meeting.talk()
    assert meeting.theirs.object.getpeercert(binary_form=True) == named[leaf].credentials.chain[0]


def test_openssl_client_that_asks_for_a_name_that_nobody_has_can_be_refused(theirs: Theirs) -> None:
    """RFC 6066 3: unrecognized_name."""
    other = theirs.client(name="nobody.example")
    meeting = Meeting(our_server(unknown_server_name="refuse").connection(), other).carry()
    assert isinstance(meeting.failure, PeerFault)
    assert meeting.failure.fault is Fault.UNKNOWN_SERVER_NAME
    assert meeting.theirs.alert == "unrecognized_name"


# -- keys that change, connections that end ----------------------------------------------------------


@BOTH_ROLES
@pytest.mark.parametrize("ask", [True, False])
def test_openssl_follows_our_key_update(role: str, ask: bool, theirs: Theirs) -> None:
    """RFC 9846 4.7.3: three times, with data both ways between; it updates its own when asked."""
    meeting = mutual(role, theirs)
    for turn in range(3):
        meeting.ours.update_keys(ask=ask)
        meeting.talk(b"ours %d" % turn, b"theirs %d" % turn)


@BOTH_ROLES
def test_openssl_sees_our_close_notify(role: str, theirs: Theirs) -> None:
    """RFC 9846 6.1: data before it arrives; it is told from a cut."""
    meeting = mutual(role, theirs)
    meeting.ours.send(b"the last word")
    meeting.ours.close()
    meeting.carry()
    assert meeting.theirs.received == b"the last word"
    assert meeting.theirs.peer_closed and meeting.theirs.failure is None
    with pytest.raises(UsageError):
        meeting.ours.send(b"one more")


@BOTH_ROLES
def test_openssl_receives_our_data_after_its_close_notify(role: str, theirs: Theirs) -> None:
    """RFC 9846 6.1: after its close_notify we may go on sending."""
    meeting = mutual(role, theirs)
    meeting.theirs.send(b"goodbye")
    meeting.theirs.close()
    meeting.carry()
    assert isinstance(meeting.events[-1], PeerClosed)
    assert meeting.failure is None
    assert meeting.ours.receive_eof() == []
    meeting.ours.send(b"I heard you")
    meeting.ours.close()
    meeting.carry()
    assert meeting.theirs.received == b"I heard you"


@BOTH_ROLES
def test_openssl_that_vanishes_is_told_from_one_that_closes(role: str, theirs: Theirs) -> None:
    """RFC 9846 6.1: end of file without close_notify."""
    meeting = mutual(role, theirs)
    meeting.theirs.send(b"half a sen")
    meeting.carry()
    meeting.events += meeting.ours.receive_eof()
    assert isinstance(meeting.failure, Truncated)


# -- refusals ----------------------------------------------------------------------------------------

NAME_MISMATCH = "another name"

OUR_REFUSALS_OF_SERVERS = [
    ("unknown", Fault.NO_PATH, "2.3a", "unknown_ca"),
    ("expired", Fault.CERTIFICATE_EXPIRED, "2.3b", "certificate_expired"),
    ("misused", Fault.WRONG_EXTENDED_KEY_USAGE, "2.3a", "unsupported_certificate"),
    (NAME_MISMATCH, Fault.NAME_MISMATCH, "2.3a", "bad_certificate"),
]
OUR_REFUSALS_OF_CLIENTS = [
    ("unknown", Fault.NO_PATH, "3.3a", "unknown_ca"),
    ("expired", Fault.CERTIFICATE_EXPIRED, "3.3b", "certificate_expired"),
    ("misused", Fault.WRONG_EXTENDED_KEY_USAGE, "3.3a", "unsupported_certificate"),
]


@pytest.mark.parametrize(("state", "fault", "step", "alert"), OUR_REFUSALS_OF_SERVERS)
def test_openssl_server_that_we_refuse_sees_why(
    state: str, fault: Fault, step: str, alert: str, theirs: Theirs
) -> None:
    """Step 2.3: the alert that it reads, and what our own side is told."""
    other = theirs.server(server() if state == NAME_MISMATCH else server(state=state))
    name = "elsewhere.example" if state == NAME_MISMATCH else "localhost"
    meeting = Meeting(our_client().connection(name), other).carry()
    assert isinstance(meeting.failure, PeerFault)
    assert (meeting.failure.fault, meeting.failure.step) == (fault, step)
    assert meeting.theirs.alert == alert == meeting.failure.alert.name.lower()


@pytest.mark.parametrize("auth", ["request", "require"])
@pytest.mark.parametrize(("state", "fault", "step", "alert"), OUR_REFUSALS_OF_CLIENTS)
def test_openssl_client_that_we_refuse_sees_why(
    auth: str, state: str, fault: Fault, step: str, alert: str, theirs: Theirs
) -> None:
    """Step 3.3: it has finished its handshake by then, and meets the alert when it reads."""
    meeting = Meeting(our_server(auth=auth).connection(), theirs.client(client(state=state))).carry()
    assert meeting.theirs.established
    assert isinstance(meeting.failure, PeerFault)
    assert (meeting.failure.fault, meeting.failure.step) == (fault, step)
    assert meeting.theirs.alert == alert == meeting.failure.alert.name.lower()


@pytest.mark.parametrize(
    ("state", "alert", "step"),
    [
        ("unknown", Alert.UNKNOWN_CA, "2.3a"),
        ("expired", Alert.CERTIFICATE_EXPIRED, "2.3b"),
        ("misused", Alert.UNSUPPORTED_CERTIFICATE, "2.3a"),
        (NAME_MISMATCH, Alert.BAD_CERTIFICATE, "2.3a"),
    ],
)
def test_openssl_client_refuses_us(state: str, alert: Alert, step: str, theirs: Theirs) -> None:
    """Step 2.3, judged by the other side: we name the check that it failed us by."""
    mine = server() if state == NAME_MISMATCH else server(state=state)
    other = theirs.client(name="elsewhere.example" if state == NAME_MISMATCH else "localhost")
    meeting = Meeting(our_server(mine).connection(), other).carry()
    assert isinstance(meeting.failure, PeerAlert)
    assert (meeting.failure.alert, meeting.failure.step) == (alert, step)


@pytest.mark.parametrize(
    ("state", "alert", "step"),
    [
        ("unknown", Alert.UNKNOWN_CA, "3.3a"),
        ("expired", Alert.CERTIFICATE_EXPIRED, "3.3b"),
        ("misused", Alert.UNSUPPORTED_CERTIFICATE, "3.3a"),
    ],
)
def test_openssl_server_refuses_us(state: str, alert: Alert, step: str, theirs: Theirs) -> None:
    """Step 3.3, judged by the other side after our handshake was done."""
    config = our_client(client(state=state))
    meeting = Meeting(config.connection("localhost"), theirs.server(asks=ssl.CERT_REQUIRED)).carry()
    assert any(isinstance(event, Established) for event in meeting.events)
    assert isinstance(meeting.failure, PeerAlert)
    assert (meeting.failure.alert, meeting.failure.step) == (alert, step)
    assert not meeting.ours.established


def test_openssl_client_of_tls_1_2_is_told_the_version(theirs: Theirs) -> None:
    """RFC 9846 4.3.1: protocol_version."""
    other = theirs.client(maximum_version=ssl.TLSVersion.TLSv1_2)
    meeting = Meeting(our_server(versions=("1.3",)).connection(), other).carry()
    assert isinstance(meeting.failure, PeerFault)
    assert (meeting.failure.fault, meeting.failure.step) == (Fault.UNSUPPORTED_VERSION, "1.2")
    assert meeting.theirs.alert == "protocol_version"


def test_openssl_server_of_tls_1_2_tells_us_the_version(theirs: Theirs) -> None:
    """RFC 9846 4.3.1, from the other side."""
    other = theirs.server(maximum_version=ssl.TLSVersion.TLSv1_2)
    meeting = Meeting(our_client(versions=("1.3",)).connection("localhost"), other).carry()
    assert isinstance(meeting.failure, PeerAlert)
    assert meeting.failure.alert == Alert.PROTOCOL_VERSION
    assert meeting.failure.step == "1.2"


def test_openssl_client_without_a_group_of_ours_is_told_so(theirs: Theirs) -> None:
    """RFC 9846 4.2.1: handshake_failure."""
    other = theirs.client(set_ecdh_curve="prime256v1")
    meeting = Meeting(our_server(groups=("x25519",)).connection(), other).carry()
    assert isinstance(meeting.failure, PeerFault)
    assert meeting.failure.fault is Fault.NO_SHARED_GROUP
    assert meeting.theirs.alert == "handshake_failure"


def test_openssl_server_without_a_group_of_ours_tells_us(theirs: Theirs) -> None:
    """RFC 9846 4.2.1, from the other side."""
    other = theirs.server(set_ecdh_curve="prime256v1")
    meeting = Meeting(our_client(groups=("x25519",)).connection("localhost"), other).carry()
    assert isinstance(meeting.failure, PeerAlert)
    assert meeting.failure.alert == Alert.HANDSHAKE_FAILURE


def test_openssl_server_that_refuses_a_name_tells_us(theirs: Theirs) -> None:
    """RFC 6066 3, from the other side."""
    context = theirs.server().object.context
    context.sni_callback = lambda *_: ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME
    meeting = Meeting(our_client().connection("localhost"), StandardSSL(context, server=True)).carry()
    assert isinstance(meeting.failure, PeerAlert)
    assert meeting.failure.alert == Alert.UNRECOGNIZED_NAME


def test_openssl_server_without_a_scheme_of_ours_tells_us(theirs: Theirs) -> None:
    """RFC 9846 4.3.3: it has an Ed25519 key, and we accept P-256 alone."""
    config = our_client(schemes=("ecdsa_secp256r1_sha256",))
    meeting = Meeting(config.connection("localhost"), theirs.server(server("Ed25519"))).carry()
    assert isinstance(meeting.failure, PeerAlert)
    assert meeting.failure.alert == Alert.HANDSHAKE_FAILURE


# -- a certificate after the handshake -----------------------------------------------------------------------


def asked_later(meeting: Meeting) -> None:
    """OpenSSL's server asks for our certificate on an open connection, as Apache does for some paths."""
    meeting.theirs.object.verify_client_post_handshake()
    meeting.theirs.send(b"wait")
    meeting.carry()


@pytest.mark.parametrize("kind", ["P-256", "RSA", "Ed25519"])
def test_openssl_server_gets_our_certificate_after_the_handshake(kind: str, theirs: Theirs) -> None:
    """RFC 9846 4.7.2: Certificate, CertificateVerify and Finished over the handshake and the request; also twice,
    and under keys that were renewed meanwhile."""
    config = our_client(client(kind), post_handshake_auth=True)
    meeting = Meeting(
        config.connection("localhost"), theirs.server(asks=ssl.CERT_REQUIRED, post_handshake_auth=True)
    ).carry()
    meeting.talk()
    assert meeting.theirs.object.getpeercert() is None
    asked_later(meeting)
    assert meeting.theirs.failure is None and meeting.failure is None
    assert meeting.theirs.object.getpeercert(True) == client(kind).credentials.chain[0]
    meeting.talk()
    assert meeting.ours.confirmed
    meeting.ours.update_keys(ask=True)
    meeting.talk()
    asked_later(meeting)
    meeting.talk()


@pytest.mark.parametrize("asks", [ssl.CERT_OPTIONAL, ssl.CERT_REQUIRED])
def test_openssl_server_is_told_after_the_handshake_that_we_have_none(
    asks: ssl.VerifyMode, theirs: Theirs
) -> None:
    """An empty Certificate and a Finished; a refusal is that of step 3.1, long after the handshake."""
    config = our_client(post_handshake_auth=True)
    meeting = Meeting(
        config.connection("localhost"), theirs.server(asks=asks, post_handshake_auth=True)
    ).carry()
    meeting.talk()
    asked_later(meeting)
    if asks == ssl.CERT_OPTIONAL:
        meeting.talk()
        return
    assert isinstance(meeting.failure, PeerAlert)
    assert meeting.failure.step.startswith("3")


def test_openssl_server_refuses_a_stranger_after_the_handshake(theirs: Theirs) -> None:
    """Reported as the failure of the check that it is."""
    config = our_client(client(state="unknown"), post_handshake_auth=True)
    meeting = Meeting(
        config.connection("localhost"), theirs.server(asks=ssl.CERT_REQUIRED, post_handshake_auth=True)
    ).carry()
    meeting.talk()
    asked_later(meeting)
    assert isinstance(meeting.failure, PeerAlert)
    assert (meeting.failure.alert, meeting.failure.step) == (Alert.UNKNOWN_CA, "3.3a")


def test_openssl_server_does_not_ask_later_who_did_not_offer_it(theirs: Theirs) -> None:
    """RFC 9846 4.3.6: OpenSSL itself refuses to ask."""
    meeting = Meeting(
        our_client(client()).connection("localhost"),
        theirs.server(asks=ssl.CERT_REQUIRED, post_handshake_auth=True),
    ).carry()
    with pytest.raises(ssl.SSLError, match=r"(?i)extension not received"):
        meeting.theirs.object.verify_client_post_handshake()
