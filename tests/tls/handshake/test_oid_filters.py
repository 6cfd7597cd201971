"""A server may say which usages a client's certificate must have (RFC 9846 4.3.5)."""

from __future__ import annotations

import pytest
from cryptography import x509

import pki
from bothways.faults import Fault
from bothways.roles import Role
from bothways.tls.events import Caution
from bothways.tls.handshake.credentials import (
    ClientChoice,
    choose_client_credentials,
    choose_raw_key,
)
from bothways.tls.handshake.oid_filters import EXTENDED_KEY_USAGE, KEY_USAGE, holds
from bothways.tls.wire import extensions as ext
from bothways.tls.wire.tls13 import CertificateRequest
from faults import blames
from tamper import altering, extending
from tls.handshake.conversations import CONVERSATIONS, credentials_of, raw_key

ECDSA = 0x0403
ROOT = pki.root()
CLIENT = pki.leaf(ROOT, "client.example", usage=("clientAuth",))
SERVER = pki.leaf(ROOT, "server.example", usage=("serverAuth",))
BARE = pki.leaf(ROOT, "bare.example", usage=None)
FOR_CLIENTS, FOR_SERVERS = (
    x509.ExtendedKeyUsage([use]).public_bytes()
    for use in (x509.ExtendedKeyUsageOID.CLIENT_AUTH, x509.ExtendedKeyUsageOID.SERVER_AUTH)
)
SIGNS, DECIPHERS = bytes.fromhex("03020780"), bytes.fromhex("03020520")


@pytest.mark.parametrize(
    ("issued", "oid", "values", "expected"),
    [
        (CLIENT, EXTENDED_KEY_USAGE, FOR_CLIENTS, True),
        (CLIENT, EXTENDED_KEY_USAGE, FOR_SERVERS, False),
        (CLIENT, EXTENDED_KEY_USAGE, b"", True),
        (CLIENT, EXTENDED_KEY_USAGE, b"\x30\x00", True),
        (BARE, EXTENDED_KEY_USAGE, b"", False),
        (BARE, EXTENDED_KEY_USAGE, FOR_CLIENTS, False),
        (CLIENT, KEY_USAGE, SIGNS, True),
        (CLIENT, KEY_USAGE, DECIPHERS, False),
        (CLIENT, KEY_USAGE, b"\x03\x82\x40\x00\x00\x80" + bytes(0x3FFE), True),
        (CLIENT, KEY_USAGE, b"\x03\x82\x40\x00\x00\x80" + bytes(0x3FFD) + b"\1", False),
        (CLIENT, bytes.fromhex("06032a0304"), b"anything", True),
    ],
)
def test_a_certificate_must_have_what_is_asked_for_and_is_known(
    issued: pki.Issued, oid: bytes, values: bytes, expected: bool
) -> None:
    """All bits and purposes asked for; it may have others; extensions that nobody here knows are skipped."""
    assert holds(issued.certificate, (ext.OidFilter(oid, values),)) is expected


def test_every_filter_has_to_be_met() -> None:
    asked = (ext.OidFilter(KEY_USAGE, SIGNS), ext.OidFilter(EXTENDED_KEY_USAGE, FOR_SERVERS))
    assert holds(SERVER.certificate, asked)
    assert not holds(CLIENT.certificate, asked)
    assert not holds(CLIENT.certificate, asked[::-1])


def test_a_repeated_filter_is_refused() -> None:
    """RFC 9846 4.3.5: any OID stands there once at most."""
    twice = (ext.OidFilter(KEY_USAGE, SIGNS),) * 2
    with blames(Fault.DUPLICATE_EXTENSION, extension="0603551d0f", message="oid_filters"):
        holds(CLIENT.certificate, twice)


@pytest.mark.parametrize(
    ("oid", "values"),
    [
        (KEY_USAGE, b"\x30\x00"),
        (KEY_USAGE, b"\x03\x02\x07"),
        (KEY_USAGE, SIGNS + b"\0"),
        (EXTENDED_KEY_USAGE, SIGNS),
        (EXTENDED_KEY_USAGE, b"\x30\x05\x06\x09ab"),
    ],
)
def test_values_that_cannot_be_read_are_refused(oid: bytes, values: bytes) -> None:
    with blames(Fault.UNDECODABLE):
        holds(CLIENT.certificate, (ext.OidFilter(oid, values),))


def test_a_client_sends_the_certificate_whose_usage_was_asked_for_and_none_without_it() -> None:
    own = tuple(map(credentials_of, (SERVER, CLIENT)))
    schemes = (ECDSA,)
    asked = (ext.OidFilter(EXTENDED_KEY_USAGE, FOR_CLIENTS),)
    assert choose_client_credentials(own, schemes, None, schemes, asked) == ClientChoice(own[1], ECDSA)
    none = choose_client_credentials(own[:1], schemes, None, schemes, asked)
    assert none == ClientChoice(warning=Caution.NO_USAGE_AS_ASKED)


@pytest.mark.parametrize("filters", [(), (ext.OidFilter(KEY_USAGE, b"\3\2\7\x80"),)])
def test_a_raw_public_key_fits_no_filter_and_is_sent_where_there_is_none(
    filters: tuple[ext.OidFilter, ...],
) -> None:
    """RFC 9846 4.3.5: filters are about extensions of certificates."""
    key = raw_key("client.example")
    scheme = ECDSA
    request = CertificateRequest(b"", (ext.SignatureAlgorithms((scheme,)), ext.OidFilters(filters)))
    refused = ClientChoice(warning=Caution.NO_USAGE_AS_ASKED)
    assert choose_raw_key((key,), request, (scheme,)) == (refused if filters else ClientChoice(key, scheme))
    assert choose_raw_key((), request, (scheme,)) == ClientChoice(warning=Caution.NO_CREDENTIALS)


def test_a_server_that_filters_gets_no_certificate_that_lacks_what_it_asks_for() -> None:
    """RFC 9846 4.3.5, in a handshake: the client has nothing that fits, and says so by an empty Certificate."""
    wish = ext.OidFilters((ext.OidFilter(KEY_USAGE, DECIPHERS),))
    with altering(Role.SERVER, extending(CertificateRequest, wish)):
        talk = CONVERSATIONS["mutual"].pair()
        talk.exchange()
    assert Caution.NO_USAGE_AS_ASKED in [getattr(each, "warning", None) for each in talk.client_events]
    assert getattr(talk.server.failure, "fault", None) is Fault.NO_CERTIFICATE
