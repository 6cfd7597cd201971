"""pyOpenSSL, the OpenSSL 4 inside the wheel of `cryptography`: post-quantum, both peers authenticated."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from OpenSSL import SSL

from bothways import Alert, ClientConfig, Fault, PeerAlert, PeerFault, ServerConfig
from interop import identities
from interop.identities import Identity, client, server
from interop.in_process import Meeting, PyOpenSSL

BOTH_ROLES = pytest.mark.parametrize("role", ["client", "server"])
HYBRIDS = ("X25519MLKEM768", "SecP256r1MLKEM768")
GROUPS = (*HYBRIDS, "x25519", "secp256r1", "secp384r1", "secp521r1")
SUITES = ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256")
ML_DSA = {"ML-DSA-44": "mldsa44", "ML-DSA-65": "mldsa65", "ML-DSA-87": "mldsa87"}
ISSUED_BY = "ecdsa_secp256r1_sha256"
ASKS = SSL.VERIFY_PEER
REQUIRES = SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT

Theirs = Callable[..., PyOpenSSL]


@pytest.fixture(scope="session")
def their_side(folder: Path) -> Theirs:
    """Start the other side: `role` is ours; its server asks for a certificate unless `verify` says no."""

    def start(
        role: str,
        who: Identity | None,
        verify: int = REQUIRES,
        suites: str | None = None,
        authority: bytes | None = None,
    ) -> PyOpenSSL:
        context = SSL.Context(SSL.TLS_CLIENT_METHOD if role == "server" else SSL.TLS_SERVER_METHOD)
        context.load_verify_locations(identities.root_file(folder))
        context.set_verify(verify)
        if suites is not None:
            context.set_tls13_ciphersuites(suites.encode())
        if authority is not None:
            context.add_client_ca(x509.load_pem_x509_certificate(authority))
        if who is not None:
            chain, key = who.files(folder)
            context.use_certificate_chain_file(chain)
            context.use_privatekey_file(key)
        return PyOpenSSL(context, server=role == "client", name="localhost" if role == "server" else None)

    return start


def our_side(role: str, kind: str = "P-256", **fields: Any) -> ClientConfig | ServerConfig:
    trusted = identities.anchors()
    if role == "client":
        return ClientConfig(**{"anchors": trusted, "credentials": client(kind).credentials} | fields)
    return ServerConfig(**{"client_anchors": trusted, "credentials": server(kind).credentials} | fields)


def meet(role: str, config: ClientConfig | ServerConfig, theirs: PyOpenSSL) -> Meeting:
    ours = config.connection("localhost") if isinstance(config, ClientConfig) else config.connection()
    return Meeting(ours, theirs).carry()


def their_identity(role: str, kind: str = "P-256") -> Identity:
    return server(kind) if role == "client" else client(kind)


@BOTH_ROLES
@pytest.mark.parametrize("group", GROUPS)
def test_openssl_4_agrees_on_every_group_with_us(role: str, group: str, their_side: Theirs) -> None:
    """RFC 10024 and RFC 9846 4.3.8: its shares are for X25519MLKEM768 and x25519; others cost a retry."""
    meeting = meet(role, our_side(role, groups=(group,)), their_side(role, their_identity(role)))
    meeting.talk()
    assert meeting.ours.group == group
    assert meeting.ours.peer is not None
    assert (meeting.theirs.object.get_group_name() or "").lower() == group.lower()


@BOTH_ROLES
def test_openssl_4_and_we_prefer_the_hybrid_group(role: str, their_side: Theirs) -> None:
    """RFC 10024: with nothing said on either side, the key exchange withstands quantum computers."""
    meeting = meet(role, our_side(role), their_side(role, their_identity(role)))
    meeting.talk()
    assert meeting.ours.group == "X25519MLKEM768"


@pytest.mark.parametrize("shares", [(), ("x25519",), ("x25519", "secp384r1")])
def test_openssl_4_server_asks_us_for_a_share_or_takes_one(
    shares: tuple[str, ...], their_side: Theirs
) -> None:
    """RFC 9846 4.2.4: it would rather have a hybrid than the share that is there."""
    config = our_side("client", key_shares=shares)
    meeting = meet("client", config, their_side("client", server()))
    meeting.talk()
    assert meeting.ours.group == "X25519MLKEM768"


@BOTH_ROLES
@pytest.mark.parametrize("suite", SUITES)
def test_openssl_4_narrows_the_suites_and_we_follow(role: str, suite: str, their_side: Theirs) -> None:
    """RFC 9846 B.4: the choice is made by the other side."""
    meeting = meet(role, our_side(role), their_side(role, their_identity(role), suites=suite))
    meeting.talk()
    assert meeting.ours.suite == suite == meeting.theirs.object.get_cipher_name()


@BOTH_ROLES
@pytest.mark.parametrize("kind", ML_DSA)
def test_openssl_4_and_we_prove_ourselves_with_ml_dsa(role: str, kind: str, their_side: Theirs) -> None:
    """draft-ietf-tls-mldsa: both certificates hold ML-DSA keys, and the key exchange is a hybrid."""
    config = our_side(role, kind, schemes=(ML_DSA[kind],), certificate_schemes=(ISSUED_BY,))
    meeting = meet(role, config, their_side(role, their_identity(role, kind)))
    meeting.talk()
    assert meeting.ours.group == "X25519MLKEM768"
    assert meeting.ours.peer is not None
    assert meeting.ours.peer.certificate == their_identity(role, kind).credentials.certificate
    shown = meeting.theirs.object.get_peer_certificate(as_cryptography=True)
    assert shown == (client(kind) if role == "client" else server(kind)).credentials.certificate


@BOTH_ROLES
def test_openssl_4_of_ml_dsa_meets_us_with_an_elliptic_curve(role: str, their_side: Theirs) -> None:
    """RFC 9846 4.3.3: each side signs by what its own key can."""
    meeting = meet(role, our_side(role, "P-384"), their_side(role, their_identity(role, "ML-DSA-65")))
    meeting.talk()


@pytest.mark.parametrize("verify", [SSL.VERIFY_NONE, ASKS, REQUIRES])
@pytest.mark.parametrize("has_one", [True, False])
def test_openssl_4_server_with_ml_dsa_meets_us_in_every_mode(
    verify: int, has_one: bool, their_side: Theirs
) -> None:
    """RFC 9846 4.4.2: it asks or not, we have a certificate with an ML-DSA key or none."""
    config = our_side("client", "ML-DSA-44") if has_one else our_side("client", credentials=None)
    meeting = meet("client", config, their_side("client", server("ML-DSA-87"), verify))
    if verify == REQUIRES and not has_one:
        assert isinstance(meeting.failure, PeerAlert)
        assert (meeting.failure.alert, meeting.failure.step) == (Alert.CERTIFICATE_REQUIRED, "3.1")
        return
    meeting.talk()
    assert (meeting.theirs.object.get_peer_certificate() is not None) == (
        verify != SSL.VERIFY_NONE and has_one
    )


@pytest.mark.parametrize("auth", ["none", "request", "require"])
@pytest.mark.parametrize("has_one", [True, False])
def test_openssl_4_client_with_ml_dsa_meets_every_mode_of_ours(
    auth: str, has_one: bool, their_side: Theirs
) -> None:
    """RFC 9846 4.4.2, the other way round."""
    trusted = None if auth == "none" else identities.anchors()
    config = our_side("server", "ML-DSA-65", client_auth=auth, client_anchors=trusted)
    meeting = meet("server", config, their_side("server", client("ML-DSA-44") if has_one else None))
    if auth == "require" and not has_one:
        assert isinstance(meeting.failure, PeerFault)
        assert meeting.failure.fault is Fault.NO_CERTIFICATE
        assert meeting.theirs.alert == "certificate_required"
        return
    meeting.talk()
    assert (meeting.ours.peer is not None) == (auth != "none" and has_one)


@pytest.mark.parametrize("order", [1, -1])
def test_openssl_4_server_names_the_authority_by_which_we_choose(order: int, their_side: Theirs) -> None:
    """RFC 9846 4.3.4: of two certificates the one goes that leads to an authority which it named."""
    ours = [client().credentials, client(state="unknown").credentials][::order]
    theirs = their_side("client", server(), authority=client().root)
    meeting = meet("client", our_side("client", credentials=ours), theirs)
    meeting.talk()
    shown = meeting.theirs.object.get_peer_certificate(as_cryptography=True)
    assert shown == client().credentials.certificate


def test_openssl_4_client_reads_the_authorities_that_we_name(their_side: Theirs) -> None:
    """RFC 9846 4.3.4: our anchors, by their subjects."""
    meeting = meet("server", our_side("server"), their_side("server", client()))
    meeting.talk()
    named = meeting.theirs.object.get_client_ca_list(as_cryptography=True)
    assert named == [x509.load_pem_x509_certificate(client().root).subject]


@BOTH_ROLES
@pytest.mark.parametrize("ask", [True, False])
def test_openssl_4_follows_our_key_update(role: str, ask: bool, their_side: Theirs) -> None:
    """RFC 9846 4.7.3."""
    meeting = meet(role, our_side(role), their_side(role, their_identity(role)))
    for _ in range(2):
        meeting.ours.update_keys(ask=ask)
        meeting.talk()


@BOTH_ROLES
@pytest.mark.parametrize("version", ["1.3", "1.2"])
def test_openssl_4_exports_the_same_keys_as_we_do(role: str, version: str, their_side: Theirs) -> None:
    """RFC 9846 7.5, RFC 5705 4: with and without a context, of any length."""
    meeting = meet(role, our_side(role, versions=(version,)), their_side(role, their_identity(role)))
    meeting.talk()
    assert meeting.ours.version == version
    for label in ("EXPORTER-Channel-Binding", "EXPERIMENTAL x"):
        for context in (None, b"", b"context"):
            for length in (1, 32, 200):
                theirs = meeting.theirs.object.export_keying_material(label.encode(), length, context)
                assert meeting.ours.export(label, context, length) == theirs


def test_openssl_4_client_without_a_suite_of_ours_is_told_so(their_side: Theirs) -> None:
    """RFC 9846 4.2.1: handshake_failure."""
    theirs = their_side("server", client(), suites="TLS_AES_128_GCM_SHA256")
    meeting = meet("server", our_side("server", suites=("TLS_CHACHA20_POLY1305_SHA256",)), theirs)
    assert isinstance(meeting.failure, PeerFault)
    assert meeting.failure.fault is Fault.NO_SHARED_CIPHER_SUITE
    assert meeting.theirs.alert == "handshake_failure"


def test_openssl_4_server_without_a_suite_of_ours_tells_us(their_side: Theirs) -> None:
    """RFC 9846 4.2.1, from the other side."""
    theirs = their_side("client", server(), suites="TLS_AES_128_GCM_SHA256")
    meeting = meet("client", our_side("client", suites=("TLS_CHACHA20_POLY1305_SHA256",)), theirs)
    assert isinstance(meeting.failure, PeerAlert)
    assert meeting.failure.alert == Alert.HANDSHAKE_FAILURE


@BOTH_ROLES
def test_openssl_4_sees_us_close_and_closes(role: str, their_side: Theirs) -> None:
    """RFC 9846 6.1: close_notify, both ways."""
    meeting = meet(role, our_side(role), their_side(role, their_identity(role)))
    meeting.ours.close()
    meeting.carry()
    assert meeting.theirs.peer_closed
    meeting.theirs.close()
    meeting.carry()
    assert meeting.failure is None
    assert meeting.ours.receive_eof() == []
