"""The client of TLS 1.3: which certificate it sends, what it warns of, and the second hello."""

from __future__ import annotations

from typing import Any

import pytest

import pki
from bothways import Credentials, Established, TrustStore, Warned
from bothways.roles import Role
from bothways.tls.events import Caution, MessageSeen, Note
from bothways.tls.wire import extensions as ext
from bothways.tls.wire.hello import ClientHello, ServerHello
from bothways.tls.wire.tls13 import Certificate, CertificateRequest, CertificateVerify
from pair import Pair, pair
from tamper import altering, editing, without
from tls.handshake.conversations import (
    CONVERSATIONS,
    anchors,
    authority,
    client_config,
    credentials,
    credentials_of,
    server_config,
)

OTHER_ROOT = pki.root("Other Root")
OTHER = credentials_of(pki.leaf(OTHER_ROOT, "other.example"))
BOTH = TrustStore.from_pem(authority().above[0].pem + OTHER_ROOT.pem)


def talk(client: dict[str, Any], server: dict[str, Any], notes: list[Note] | None = None) -> Pair:
    done = pair(client_config(**client), server_config(**server), client_notes=notes)
    done.exchange()
    return done


def warnings(done: Pair) -> list[Caution]:
    return [event.warning for event in done.client_events if isinstance(event, Warned)]


def shown(done: Pair) -> str | None:
    """The name of the certificate that the server got and accepted."""
    assert done.server.established, repr(done.server.failure)
    return done.server.peer.names.dns[0] if done.server.peer is not None else None


def test_client_shows_the_certificate_that_the_server_can_judge() -> None:
    """RFC 9846 4.3.4: of several, the one that leads to an authority that the server names."""
    own = [credentials("client.example"), OTHER]
    assert shown(talk({"credentials": own}, {})) == "client.example"
    only_other = {"client_anchors": TrustStore.from_pem(OTHER_ROOT.pem)}
    assert shown(talk({"credentials": own}, only_other)) == "other.example"
    assert shown(talk({"credentials": own[::-1]}, {"client_anchors": BOTH})) == "other.example"


def test_client_uses_its_own_order_if_the_server_names_no_authorities() -> None:
    """RFC 9846 4.3.4: without the extension every authority will do."""
    options = {"client_anchors": BOTH, "name_authorities": False}
    done = talk({"credentials": [OTHER, credentials("client.example")]}, options)
    assert shown(done) == "other.example" and warnings(done) == []


def test_client_sends_its_only_certificate_and_warns_where_no_authority_leads_to_it() -> None:
    """docs/defaults.md: servers' lists are often incomplete; the user is told all the same."""
    names = editing(
        CertificateRequest, ext.CertificateAuthorities, authorities=(pki.name("x").public_bytes(),)
    )
    with altering(Role.SERVER, names):
        done = talk({}, {})
    assert shown(done) == "client.example"
    assert warnings(done) == [Caution.NO_MATCHING_AUTHORITY]
    kinds = [type(event) for event in done.client_events]
    assert kinds == [Warned, Established], "warnings come before the event that ends the handshake"


def test_client_sends_none_of_several_where_no_authority_leads_to_one() -> None:
    """docs/defaults.md: a wrong identity would be shown."""
    names = editing(
        CertificateRequest, ext.CertificateAuthorities, authorities=(pki.name("x").public_bytes(),)
    )
    with altering(Role.SERVER, names):
        done = talk({"credentials": [credentials("client.example"), OTHER]}, {"client_auth": "request"})
    assert shown(done) is None
    assert warnings(done) == [Caution.NO_MATCHING_AUTHORITY_OF_SEVERAL]


def test_client_sends_none_where_no_scheme_fits_its_key() -> None:
    """RFC 9846 4.5.1.3: it must not sign by what the server does not take."""
    rsa_only = {"client_auth": "request", "schemes": ("rsa_pss_rsae_sha256",)}
    rsa_only["credentials"] = credentials("localhost", "RSA-2048")
    done = talk({}, rsa_only)
    assert shown(done) is None
    assert warnings(done) == [Caution.NO_FITTING_SCHEME]
    own = [credentials("client.example"), credentials("client.example", "RSA-2048")]
    done = talk({"credentials": own}, rsa_only)
    assert shown(done) == "client.example" and warnings(done) == []


def test_client_without_credentials_is_warned_about_the_request() -> None:
    """Under "request" the handshake goes on without."""
    done = talk({"credentials": None}, {"client_auth": "request"})
    assert shown(done) is None and warnings(done) == [Caution.NO_CREDENTIALS]
    assert warnings(talk({"credentials": None}, {"client_auth": "none"})) == []


def test_request_that_refuses_a_bad_certificate_lets_no_certificate_pass() -> None:
    """ "request" still refuses a bad certificate."""
    done = talk({"credentials": OTHER}, {"client_auth": "request"})
    assert done.server.failure is not None and not done.server.established


@pytest.mark.parametrize(
    "kind", ["P-256", "P-384", "P-521", "RSA-2048", "Ed25519", "Ed448", "ML-DSA-44", "ML-DSA-65"]
)
def test_both_sides_may_have_any_kind_of_key(kind: str) -> None:
    """RFC 9846 4.3.3: every scheme, in both roles."""
    notes: list[Note] = []
    done = talk(
        {"credentials": credentials("client.example", kind)},
        {"credentials": credentials("localhost", kind)},
        notes,
    )
    assert shown(done) == "client.example"
    proofs = [note.message for note in notes if isinstance(note, MessageSeen)]
    schemes = {each.algorithm for each in proofs if isinstance(each, CertificateVerify)}
    assert len(schemes) == 1, "both sides have the same kind of key, and sign by the same scheme"


@pytest.mark.parametrize(
    "suite", ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"]
)
@pytest.mark.parametrize("server_groups", [("x25519", "secp256r1"), ("secp256r1", "x25519")])
def test_every_suite_with_and_without_a_retry(suite: str, server_groups: tuple[str, ...]) -> None:
    """RFC 9846 4.1: the hash of the suite runs from the first ClientHello on, through a retry too."""
    done = talk({"suites": (suite,)}, {"groups": server_groups})
    assert (done.client.suite, done.client.group) == (suite, server_groups[0])
    assert shown(done) == "client.example"


@pytest.mark.parametrize(
    "group",
    [
        "x25519",
        "secp256r1",
        "secp384r1",
        "secp521r1",
        "X25519MLKEM768",
        "SecP256r1MLKEM768",
        "SecP384r1MLKEM1024",
    ],
)
@pytest.mark.parametrize("predicted", [True, False])
def test_every_group_predicted_or_asked_for(group: str, predicted: bool) -> None:
    """RFC 9846 4.3.8: with a share at once, and after a retry."""
    options = {"groups": (group,), "key_shares": None if predicted else ()}
    done = talk(options, {"groups": (group,)})
    assert done.client.group == done.server.group == group
    assert shown(done) == "client.example"


def hellos(done_notes: list[Note]) -> list[ClientHello]:
    return [
        note.message
        for note in done_notes
        if isinstance(note, MessageSeen) and isinstance(note.message, ClientHello)
    ]


def test_second_hello_has_the_share_and_the_cookie_and_is_else_the_same() -> None:
    """RFC 9846 4.2.2, 4.3.2."""
    notes: list[Note] = []
    CONVERSATIONS["mutual after a retry"].pair(client_notes=notes).exchange()
    first, second = hellos(notes)
    assert (first.random, first.legacy_session_id) == (second.random, second.legacy_session_id)
    shares = ext.find(second.extensions or (), ext.KeyShares)
    assert shares is not None and [share.group for share in shares.shares] == [23]
    cookie = ext.find(second.extensions or (), ext.Cookie)
    assert cookie is not None and len(cookie.cookie) == 32
    others = [each for each in second.extensions or () if not isinstance(each, ext.KeyShares | ext.Cookie)]
    assert others == [each for each in first.extensions or () if not isinstance(each, ext.KeyShares)]


def test_retry_for_a_cookie_alone_keeps_the_share() -> None:
    """RFC 9846 4.2.4: a server may only want to see that the client is there."""
    notes: list[Note] = []
    with altering(Role.SERVER, without(ServerHello, ext.RetryGroup)):
        talk = CONVERSATIONS["mutual after a retry"].pair(client_notes=notes)
        talk.exchange()
    first, second = hellos(notes)
    shares = [ext.find(each.extensions or (), ext.KeyShares) for each in (first, second)]
    assert shares[0] == shares[1]
    assert ext.find(second.extensions or (), ext.Cookie) is not None


def test_anonymous_client_sends_an_empty_certificate_and_no_proof() -> None:
    """RFC 9846 4.5.1.3: it answers the request, with nothing."""
    notes: list[Note] = []
    talk({"credentials": None}, {"client_auth": "request"}, notes)
    sent = [note.message for note in notes if isinstance(note, MessageSeen) and note.sent]
    assert [type(each).__name__ for each in sent] == ["ClientHello", "Certificate", "Finished"]
    assert sent[1] == Certificate(b"", ())


def test_client_sends_nothing_of_its_own_before_the_server_is_judged() -> None:
    """An untrusted server learns nothing about who we are."""
    notes: list[Note] = []
    done = talk({"anchors": TrustStore.from_pem(OTHER_ROOT.pem)}, {}, notes)
    sent = [type(note.message).__name__ for note in notes if isinstance(note, MessageSeen) and note.sent]
    assert sent == ["ClientHello"]
    assert not done.client.established and anchors() is not None
    assert isinstance(credentials("client.example"), Credentials)
