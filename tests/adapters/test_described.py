"""What `ssl` tells of a connection, held beside what OpenSSL tells of the same one."""

from __future__ import annotations

import ssl
import warnings
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes

import identities
import pki
from bothways import ConfigError, Credentials, PinnedKeys, RawKeyCredentials
from bothways.adapters.described import end_point
from bothways.roles import Progress
from pair import Pair as EnginePair
from ssl_pair import Pair, client_context, server_context


def openssl_client() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=identities.root().pem.decode())
    return context


def server_of(issued: pki.Issued, **options: Any) -> ssl.SSLContext:
    return server_context(credentials=identities.credentials(issued), client_auth="request", **options)


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_both_sides_tell_the_same_as_openssl_does(version: str) -> None:
    server = server_context(client_auth="request", versions=(version,), alpn=("h2", "http/1.1"))
    theirs, ours = openssl_client(), client_context(who=False)
    for context in (theirs, ours):
        context.set_alpn_protocols(["http/1.1"])
    known, mine = (Pair(context, server).shake_hands().client.tls for context in (theirs, ours))
    for call in ("cipher", "version", "selected_alpn_protocol", "compression", "getpeercert"):
        if call != "cipher":  # each prefers others
            assert getattr(mine, call)() == getattr(known, call)(), call
    assert known.cipher()[1:2] == mine.cipher()[1:2]
    assert mine.getpeercert(True) == known.getpeercert(binary_form=True) == identities.server().der
    assert mine.server_hostname == known.server_hostname
    assert (mine.server_side, mine.pending(), mine.session_reused) == (False, 0, False)


def test_a_recorded_handshake_explains_later_failures() -> None:
    """The certificates of both sides and the offer of the client; nothing else is kept."""
    client = client_context().begin(False, "localhost", None, without_io=True)
    server = server_context().begin(True, None, None, without_io=True)
    assert "ClientHello" in client.situation().observed.sent
    EnginePair(client.connection, server.connection).exchange()
    theirs, ours = tuple(identities.server().chain), tuple(identities.client().chain)
    for end, sent, received in ((client, ours, theirs), (server, theirs, ours)):
        seen = end.situation().observed
        assert (seen.shown, seen.chain, seen.progress) == (sent, received, Progress.ACCEPTED)
        assert len(end.connection.history.messages) < 5
    assert server.situation().observed.offer is not None


def test_there_is_no_information_before_the_handshake_is_complete() -> None:
    end = Pair(client_context(), server_context()).client.tls
    for call in (
        "cipher",
        "version",
        "selected_alpn_protocol",
        "shared_ciphers",
        "group",
        "get_channel_binding",
    ):
        assert getattr(end, call)() is None, call
    assert end.peer is None
    for call in ("getpeercert", "get_verified_chain", "get_unverified_chain"):
        with pytest.raises(ValueError, match="handshake not done yet"):
            getattr(end, call)()


def test_chains_are_returned_as_sent_and_as_verified() -> None:
    pair = Pair(client_context(), server_context()).shake_hands()
    assert pair.server.tls.get_unverified_chain() == identities.client().chain
    assert pair.server.tls.get_verified_chain() == [*identities.client().chain, identities.root().der]
    assert pair.client.tls.get_verified_chain()[-1] == identities.root().der
    pair.talk()
    assert pair.client.tls.get_unverified_chain() == identities.server().chain


def test_an_anonymous_client_has_no_certificate() -> None:
    end = Pair(client_context(who=False), server_context(client_auth="request")).shake_hands().server.tls
    assert end.getpeercert() is None
    assert end.getpeercert(True) is None
    assert (end.get_verified_chain(), end.get_unverified_chain(), end.peer) == ([], [], None)


def test_shared_ciphers_are_those_of_the_client_that_we_accept() -> None:
    server = server_context(client_auth="request", suites=("TLS_AES_256_GCM_SHA384",), versions=("1.3",))
    pair = Pair(openssl_client(), server).shake_hands()
    assert pair.server.tls.shared_ciphers() == [("TLS_AES_256_GCM_SHA384", "TLSv1.3", 256)]
    assert pair.server.tls.cipher() == ("TLS_AES_256_GCM_SHA384", "TLSv1.3", 256)
    assert pair.server.tls.suite == "TLS_AES_256_GCM_SHA384"


@pytest.mark.parametrize("version", ["1.2", "1.3"])
@pytest.mark.parametrize("kind", ["tls-exporter", "tls-server-end-point"])
def test_both_ends_are_bound_by_the_same_value(kind: str, version: str) -> None:
    """RFC 9266 4, RFC 5929 4: SCRAM uses them."""
    pair = Pair(client_context(versions=(version,)), server_context()).shake_hands()
    ours, theirs = (end.tls.get_channel_binding(kind) for end in (pair.client, pair.server))
    assert ours == theirs
    assert len(ours) == 32
    other = Pair(client_context(versions=(version,)), server_context()).shake_hands()
    same = other.client.tls.get_channel_binding(kind) == ours
    assert same is (kind == "tls-server-end-point")


def test_an_unavailable_binding_is_none_and_an_unknown_type_raises() -> None:
    pair = Pair(client_context(), server_context()).shake_hands()
    assert pair.client.tls.get_channel_binding() is None
    with pytest.raises(ValueError, match="tls-nonsense channel binding type not implemented"):
        pair.client.tls.get_channel_binding("tls-nonsense")
    pair.client.incoming.write_eof()
    with pytest.raises(ssl.SSLEOFError):
        pair.client.tls.read()
    assert pair.client.tls.get_channel_binding("tls-exporter") is None


@pytest.mark.parametrize(
    ("key_kind", "digest", "size"),
    [
        ("P-256", "SHA256", 32),
        ("P-384", "SHA384", 48),
        ("RSA-2048", "SHA512", 64),
        ("Ed25519", "SHA256", None),
    ],
)
def test_the_end_point_is_hashed_as_its_certificate_was_signed(
    key_kind: str, digest: str, size: int | None
) -> None:
    """RFC 5929 4.1: undefined where the signature has no hash of its own."""
    by = pki.root("Binding", key_kind=key_kind, **identities.SPAN)
    der = pki.leaf(by, "server", digest=digest, **identities.SPAN).der
    found = end_point(der)
    if size is None:
        assert found is None
    else:
        made = hashes.Hash(pki.DIGESTS[digest])
        made.update(der)
        assert found == made.finalize()
        assert len(found) == size
    assert end_point(None) is None


def test_the_servers_own_certificate_is_that_of_the_name_asked_for() -> None:
    other = pki.leaf(identities.middle(), "other", alternatives=["DNS:other.example"], **identities.SPAN)
    server = server_context(
        credentials=[identities.credentials(identities.server()), identities.credentials(other)]
    )
    pair = Pair(client_context(), server, "other.example").shake_hands()
    kind = "tls-server-end-point"
    assert pair.client.tls.get_channel_binding(kind) == pair.server.tls.get_channel_binding(kind)
    assert pair.client.tls.get_channel_binding(kind) == end_point(other.der)


def test_what_belongs_to_openssl_is_refused() -> None:
    pair = Pair(client_context(), server_context()).shake_hands()
    end = pair.client.tls
    with pytest.raises(ConfigError, match="context"):
        end.context = server_context()
    end.context = end.context
    with pytest.raises(ConfigError, match="session"):
        end.session = object()
    end.session = None
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        assert end.selected_npn_protocol() is None
    assert said[0].category is DeprecationWarning
    assert (end.client_sigalg(), end.server_sigalg(), end.session) == (None, None, None)
    assert end.group() == "x25519"


def test_credentials_with_a_key_elsewhere_have_the_same_information() -> None:
    """Nothing of what is told needs the key."""
    assert Credentials.external(identities.client().chain_pem).key is None


def test_a_peer_with_a_raw_public_key_has_no_certificate() -> None:
    """RFC 7250: neither as a dict nor in DER, nor a chain, nor a hash of it for channel binding."""
    own = RawKeyCredentials(identities.server().key)
    theirs = RawKeyCredentials(identities.client().key)
    pins = PinnedKeys.from_digests([own.public.fingerprint, theirs.public.fingerprint])
    server = server_context(raw_key=own, client_pins=pins)
    ends = Pair(client_context(raw_key=theirs, pins=pins), server).shake_hands()
    for end in (ends.client.tls, ends.server.tls):
        assert end.peer.kind == "raw public key"
        assert end.getpeercert() is None and end.getpeercert(True) is None
        assert end.get_verified_chain() == [] and end.get_unverified_chain() == []
        assert end.get_channel_binding("tls-server-end-point") is None
        assert end.get_channel_binding("tls-exporter") is not None
