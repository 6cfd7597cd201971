"""This machine's OpenSSL, through Python's `ssl`, in TLS 1.2 against our engine: both roles, without a socket.

OpenSSL 3 has every suite of ours at its security level 2, RSA key transport among them.
"""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from bothways import (
    Alert,
    Fault,
    PeerAlert,
    PeerClosed,
    PeerFault,
)
from bothways.tls.events import Caution, Warned
from interop.identities import client, deciphering, server
from interop.in_process import (
    BOTH_ROLES,
    CLASSIC,
    ECDSA,
    RSA,
    TRANSPORT,
    Meeting,
    StandardSSL,
    Theirs,
    mutual,
    our_client,
    our_server,
)

KINDS = ("P-256", "P-384", "P-521", "RSA", "RSA-PSS", "Ed25519", "Ed448")
SCHEMES = (
    ("P-256", "ecdsa_secp256r1_sha256"),
    ("P-256", "ecdsa_secp384r1_sha384"),
    ("P-384", "ecdsa_secp521r1_sha512"),
    ("RSA", "rsa_pkcs1_sha256"),
    ("RSA", "rsa_pkcs1_sha384"),
    ("RSA", "rsa_pkcs1_sha512"),
    ("RSA", "rsa_pss_rsae_sha256"),
    ("RSA", "rsa_pss_rsae_sha384"),
    ("RSA", "rsa_pss_rsae_sha512"),
    ("RSA-PSS", "rsa_pss_pss_sha256"),
    ("RSA-PSS", "rsa_pss_pss_sha512"),
    ("Ed25519", "ed25519"),
    ("Ed448", "ed448"),
)


@pytest.fixture(scope="session")
def theirs(folder: Path) -> Theirs:
    return Theirs(folder, "1.2")


# -- what both can agree on --------------------------------------------------------------------------


@BOTH_ROLES
@pytest.mark.parametrize(
    ("suite", "cipher", "kind"),
    [*[(*pair, "P-256") for pair in ECDSA.items()], *[(*pair, "RSA") for pair in RSA.items()]],
)
@pytest.mark.parametrize("narrows", ["ours", "theirs"])
def test_openssl_speaks_every_suite_with_us(
    role: str, suite: str, cipher: str, kind: str, narrows: str, theirs: Theirs
) -> None:
    """RFC 5246 A.5, RFC 5289, RFC 7905: data passes both ways under each suite, whoever allows it alone."""
    if narrows == "ours":
        meeting = mutual(role, theirs, kind, suites=(suite,))
    else:
        meeting = mutual(role, theirs, kind, ciphers=cipher)
    assert meeting.ours.suite == suite
    assert meeting.theirs.object.cipher()[0] == cipher
    meeting.talk(b"o" * 50_000, b"t" * 50_000)


@BOTH_ROLES
@pytest.mark.parametrize(("suite", "cipher"), TRANSPORT.items())
def test_openssl_does_rsa_key_transport_with_us(role: str, suite: str, cipher: str, theirs: Theirs) -> None:
    """RFC 5246 7.4.7.1: the description's own flow, in both roles."""
    who = deciphering("key_encipherment")
    meeting = mutual(role, theirs, "RSA", who=who, ciphers=cipher, **CLASSIC)
    assert meeting.ours.suite == suite and meeting.theirs.object.cipher()[0] == cipher
    assert meeting.ours.group is None
    meeting.talk()


@BOTH_ROLES
def test_key_transport_is_refused_unless_it_is_allowed(role: str, theirs: Theirs) -> None:
    """RFC 5246 F.1.1.2: off by default, in both roles."""
    who, ciphers = deciphering("key_encipherment"), ":".join(TRANSPORT.values())
    if role == "client":
        meeting = Meeting(our_client().connection("localhost"), theirs.server(who, ciphers=ciphers)).carry()
        assert isinstance(meeting.failure, PeerAlert)
        assert meeting.failure.alert == Alert.HANDSHAKE_FAILURE
        return
    meeting = Meeting(our_server(who).connection(), theirs.client(ciphers=ciphers)).carry()
    assert isinstance(meeting.failure, PeerFault)
    assert meeting.failure.fault is Fault.NO_SHARED_CIPHER_SUITE


def test_server_with_a_key_for_both_warns_and_prefers_forward_secrecy(theirs: Theirs) -> None:
    """RFC 5280 4.2.1.3: what the client offers last is chosen only if nothing else is left."""
    both = deciphering("key_encipherment", "digital_signature")
    meeting = Meeting(our_server(both, **CLASSIC).connection(), theirs.client()).carry()
    meeting.talk()
    assert str(meeting.ours.suite).startswith("TLS_ECDHE_RSA")
    only = theirs.client(ciphers="AES128-GCM-SHA256")
    meeting = Meeting(our_server(both, **CLASSIC).connection(), only).carry()
    assert Warned(Caution.KEY_SIGNS_AND_DECIPHERS) in meeting.events
    meeting.talk()


def test_server_with_a_key_for_deciphering_does_so_though_it_is_offered_more(theirs: Theirs) -> None:
    """RFC 5280 4.2.1.3: OpenSSL offers ECDHE first, for which this certificate may not sign."""
    who = deciphering("key_encipherment")
    other = theirs.client(ciphers="ECDHE-RSA-AES128-GCM-SHA256:AES128-GCM-SHA256")
    meeting = Meeting(our_server(who, **CLASSIC).connection(), other).carry()
    meeting.talk()
    assert str(meeting.ours.suite).startswith("TLS_RSA_WITH")


@BOTH_ROLES
@pytest.mark.parametrize("kind", KINDS)
def test_openssl_and_we_prove_ourselves_with_every_kind_of_key(role: str, kind: str, theirs: Theirs) -> None:
    """RFC 5246 7.4.2, 7.4.8, RFC 8422: both certificates hold keys of one kind."""
    mutual(role, theirs, kind).talk()


@BOTH_ROLES
@pytest.mark.parametrize(("kind", "scheme"), SCHEMES)
def test_openssl_and_we_prove_ourselves_by_every_scheme(
    role: str, kind: str, scheme: str, theirs: Theirs
) -> None:
    """RFC 5246 7.4.1.4.1: the one scheme that we allow, with any curve."""
    allowed = {"schemes": (scheme,), "certificate_schemes": ("ecdsa_secp256r1_sha256",)}
    mutual(role, theirs, kind, **allowed).talk()


# -- client authentication ---------------------------------------------------------------------------


@pytest.mark.parametrize("auth", ["none", "request", "require"])
@pytest.mark.parametrize("has_one", [True, False])
@pytest.mark.parametrize("transport", [True, False])
def test_openssl_client_meets_every_mode_of_ours(
    auth: str, has_one: bool, transport: bool, theirs: Theirs
) -> None:
    """RFC 5246 7.4.4, 7.4.6: asked or not, with a certificate or not; refused only where one is required."""
    fields = CLASSIC if transport else {}
    who = deciphering("key_encipherment") if transport else server()
    ciphers = ":".join(TRANSPORT.values()) if transport else None
    other = theirs.client(client() if has_one else None, ciphers=ciphers)
    meeting = Meeting(our_server(who, auth=auth, **fields).connection(), other).carry()
    if auth == "require" and not has_one:
        assert isinstance(meeting.failure, PeerFault)
        assert (meeting.failure.fault, meeting.failure.step) == (Fault.NO_CERTIFICATE, "3.1")
        assert meeting.theirs.alert == "handshake_failure"
        return
    meeting.talk()
    knows = auth != "none" and has_one
    assert (meeting.ours.peer is not None) == knows


@pytest.mark.parametrize("asks", [ssl.CERT_NONE, ssl.CERT_OPTIONAL, ssl.CERT_REQUIRED])
@pytest.mark.parametrize("has_one", [True, False])
@pytest.mark.parametrize("transport", [True, False])
def test_openssl_server_with_each_of_its_client_certificate_modes_connects_with_us(
    asks: ssl.VerifyMode, has_one: bool, transport: bool, theirs: Theirs
) -> None:
    """RFC 5246 7.4.6: its refusal comes before its Finished, so that we are never established."""
    fields = CLASSIC if transport else {}
    who = deciphering("key_encipherment") if transport else server()
    other = theirs.server(who, asks=asks, ciphers="AES128-GCM-SHA256" if transport else None)
    config = our_client(client() if has_one else None, **fields)
    meeting = Meeting(config.connection("localhost"), other).carry()
    if asks == ssl.CERT_REQUIRED and not has_one:
        assert isinstance(meeting.failure, PeerAlert)
        assert meeting.failure.alert == Alert.HANDSHAKE_FAILURE
        assert not meeting.ours.established and meeting.ours.peer is None
        return
    meeting.talk()
    assert meeting.ours.confirmed
    assert bool(meeting.theirs.object.getpeercert()) == (asks != ssl.CERT_NONE and has_one)


REFUSED = [
    ("unknown", Fault.NO_PATH, "unknown_ca", "a"),
    ("expired", Fault.CERTIFICATE_EXPIRED, "certificate_expired", "b"),
    ("misused", Fault.WRONG_EXTENDED_KEY_USAGE, "unsupported_certificate", "a"),
]


@BOTH_ROLES
@pytest.mark.parametrize(("state", "fault", "alert", "letter"), REFUSED)
def test_openssl_reads_why_we_refuse_it(
    role: str, state: str, fault: Fault, alert: str, letter: str, theirs: Theirs
) -> None:
    """Steps 2.3 and 3.3: in TLS 1.2 both refusals come within the handshake."""
    if role == "client":
        other = theirs.server(server(state=state))
        meeting = Meeting(our_client().connection("localhost"), other).carry()
    else:
        other = theirs.client(client(state=state))
        meeting = Meeting(our_server(auth="require").connection(), other).carry()
    assert isinstance(meeting.failure, PeerFault)
    assert meeting.failure.fault is fault
    assert meeting.failure.step == ("2.3" if role == "client" else "3.3") + letter
    assert meeting.theirs.alert == alert
    assert not meeting.theirs.established


@pytest.mark.parametrize(
    ("state", "alert", "step"),
    [("unknown", Alert.UNKNOWN_CA, "3.3a"), ("expired", Alert.CERTIFICATE_EXPIRED, "3.3b")],
)
def test_we_read_why_openssl_refuses_us(state: str, alert: Alert, step: str, theirs: Theirs) -> None:
    """Step 3.3, judged by OpenSSL: its alert names the check."""
    other = theirs.server(server(), asks=ssl.CERT_REQUIRED)
    meeting = Meeting(our_client(client(state=state)).connection("localhost"), other).carry()
    assert isinstance(meeting.failure, PeerAlert)
    assert (meeting.failure.alert, meeting.failure.step) == (alert, step)


# -- names, protocols, versions ------------------------------------------------------------------------


@BOTH_ROLES
def test_openssl_and_we_choose_an_application_protocol(role: str, theirs: Theirs) -> None:
    """RFC 7301 3.2."""
    meeting = mutual(role, theirs, settings={"set_alpn_protocols": ["http/1.1", "h2"]}, alpn=("h2",))
    assert meeting.ours.alpn == "h2" == meeting.theirs.object.selected_alpn_protocol()


def test_openssl_server_receives_the_server_name(theirs: Theirs) -> None:
    """RFC 6066 3."""
    heard: list[str | None] = []
    other = theirs.server(server(), sni_callback=lambda conn, name, context: heard.append(name))
    Meeting(our_client().connection("localhost"), other).carry().talk()
    assert heard == ["localhost"]


def test_openssl_client_is_refused_for_another_name(theirs: Theirs) -> None:
    """RFC 6066 3: unrecognized_name, where we are told to refuse."""
    ours = our_server(unknown_server_name="refuse").connection()
    meeting = Meeting(ours, theirs.client(name="elsewhere.example")).carry()
    assert meeting.theirs.alert == "unrecognized_name"


def test_openssl_of_both_versions_is_told_a_downgrade(theirs: Theirs) -> None:
    """RFC 9846 4.2.3: our mark in a ServerHello of TLS 1.2 is for clients that offered TLS 1.3."""
    other = theirs.client(maximum_version=ssl.TLSVersion.TLSv1_3)
    meeting = Meeting(our_server(versions=("1.2",)).connection(), other).carry()
    meeting.talk()
    assert meeting.ours.version == "1.2"
    assert meeting.theirs.object.version() == "TLSv1.2"


@BOTH_ROLES
def test_openssl_of_tls_1_1_is_refused(role: str, theirs: Theirs) -> None:
    """RFC 8996: protocol_version, as whoever is asked for it says."""
    with pytest.warns(DeprecationWarning):
        old = {"minimum_version": ssl.TLSVersion.TLSv1_1, "maximum_version": ssl.TLSVersion.TLSv1_1}
        ciphers = "ALL:@SECLEVEL=0"
        if role == "client":
            other = theirs.server(server("RSA"), ciphers=ciphers, **old)
        else:
            other = theirs.client(ciphers=ciphers, **old)
    if role == "client":
        meeting = Meeting(our_client().connection("localhost"), other).carry()
        assert meeting.failure is not None
        if isinstance(meeting.failure, PeerAlert):
            assert meeting.failure.alert == Alert.PROTOCOL_VERSION
        else:
            assert isinstance(meeting.failure, PeerFault)
            assert meeting.failure.fault is Fault.UNOFFERED_VERSION
        return
    meeting = Meeting(our_server().connection(), other).carry()
    assert isinstance(meeting.failure, PeerFault)
    assert meeting.failure.fault is Fault.UNSUPPORTED_VERSION
    assert meeting.theirs.alert == "protocol_version"


@pytest.mark.parametrize("versions", [("1.2",), ("1.3", "1.2")])
def test_openssl_that_has_both_versions_meets_us(versions: tuple[str, ...], theirs: Theirs) -> None:
    """RFC 9846 4.3.1: the highest that both speak, and no mark is seen where none is due."""
    newest = ssl.TLSVersion.TLSv1_3
    for ours, other in (
        (
            our_client(versions=versions).connection("localhost"),
            theirs.server(server(), maximum_version=newest),
        ),
        (our_server(versions=versions).connection(), theirs.client(maximum_version=newest)),
    ):
        meeting = Meeting(ours, other).carry()
        meeting.talk()
        assert meeting.ours.version == max(versions)


# -- the end, and beginning anew -----------------------------------------------------------------------


@BOTH_ROLES
def test_openssl_and_we_close_in_order(role: str, theirs: Theirs) -> None:
    """RFC 5246 7.2.1."""
    meeting = mutual(role, theirs)
    meeting.theirs.close()
    meeting.carry()
    assert PeerClosed() in meeting.events
    meeting.ours.close()
    meeting.carry()
    assert meeting.failure is None and isinstance(meeting.theirs.failure, ssl.SSLZeroReturnError)


def test_openssl_client_that_offers_its_session_again_gets_a_new_one(theirs: Theirs) -> None:
    """RFC 5246 7.4.1.3: the session ID that we give is taken back by nobody: a second meeting is whole."""
    made = theirs.client()
    first = Meeting(our_server().connection(), made).carry()
    first.talk()
    again = StandardSSL(made.object.context, server=False, name="localhost", session=made.object.session)
    second = Meeting(our_server().connection(), again).carry()
    second.talk()
    assert again.object.session_reused is False


@pytest.mark.parametrize("curve", ["P-256", "P-384", "P-521"])
def test_openssl_restricted_to_a_curve_gets_the_certificate_on_it(curve: str, theirs: Theirs) -> None:
    """RFC 8422 4, 5.3: of the certificates of a server, which stand in another order."""
    several = [server(kind).credentials for kind in ("P-384", "P-521", "P-256")]
    ours = our_server(server("P-384"), credentials=several)
    names = {"P-256": "prime256v1", "P-384": "secp384r1", "P-521": "secp521r1"}
    meeting = Meeting(ours.connection(), theirs.client(set_ecdh_curve=names[curve])).carry()
    meeting.talk()
