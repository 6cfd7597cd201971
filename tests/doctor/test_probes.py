"""Hellos that only ask: they offer what is asked for, in forms that every version can read."""

from __future__ import annotations

import pytest

from bothways.doctor.probes import (
    GOOD_SUITES_12,
    OUTDATED_SUITES,
    PROBED_GROUPS,
    SIGNALS,
    SUITES_12,
    SUITES_13,
    VERSIONS,
    ProbeOffer,
    offer_record,
)
from bothways.iana import CipherSuite, NamedGroup, ProtocolVersion
from bothways.tls.wire import extensions as ext
from bothways.tls.wire.flight import decode_message
from bothways.tls.wire.hello import ClientHello
from bothways.trust.path.name_matching import server_name

LOCAL = server_name("localhost")


def hello_in(record: bytes) -> ClientHello:
    assert record[0] == 22 and int.from_bytes(record[3:5], "big") == len(record) - 5
    message = decode_message(record[5], record[9:])
    assert isinstance(message, ClientHello)
    return message


@pytest.mark.parametrize("version", VERSIONS)
def test_an_offer_has_the_form_of_its_version(version: int):
    """RFC 9846 4.3.1 and D: TLS 1.3 by an extension, those before by the field, SSL 3 without extensions."""
    record = offer_record(LOCAL, ProbeOffer((version,), SUITES_13 if version == 0x0304 else GOOD_SUITES_12))
    hello = hello_in(record)
    assert record[1:3] == (b"\x03\x00" if version == ProtocolVersion.SSLv3 else b"\x03\x01")
    assert hello.legacy_version == min(version, ProtocolVersion.TLSv1_2)
    if version == ProtocolVersion.SSLv3:
        assert hello.extensions is None
        return
    offered = ext.find(hello.extensions, ext.SupportedVersions)
    assert (offered and offered.versions) == ((version,) if version == 0x0304 else None)
    assert ext.find(hello.extensions, ext.ServerName) == ext.ServerName("localhost")


def test_an_offer_of_tls_1_3_contains_no_key_share():
    """RFC 9846 4.3.8: an empty list asks for a HelloRetryRequest."""
    hello = hello_in(offer_record(LOCAL, ProbeOffer((0x0304,), SUITES_13, (NamedGroup.x448,), (b"h2",))))
    assert ext.find(hello.extensions, ext.KeyShares) == ext.KeyShares(())
    assert ext.find(hello.extensions, ext.SupportedGroups) == ext.SupportedGroups((NamedGroup.x448,))
    assert ext.find(hello.extensions, ext.ApplicationProtocols) == ext.ApplicationProtocols((b"h2",))


def test_an_address_is_no_server_name():
    """RFC 6066 3."""
    hello = hello_in(offer_record(server_name("127.0.0.1"), ProbeOffer((0x0303,), GOOD_SUITES_12)))
    assert ext.find(hello.extensions, ext.ServerName) is None


def test_each_suite_is_good_or_outdated_for_one_reason():
    """Every suite that a server may accept is in exactly one list."""
    kinds = [GOOD_SUITES_12, *OUTDATED_SUITES.values()]
    every = [suite for kind in kinds for suite in kind]
    assert len(every) == len(set(every))
    assert set(every) == set(SUITES_12)
    assert set(SUITES_12) | set(SUITES_13) | set(SIGNALS) == set(CipherSuite)
    assert all("ECDHE" in CipherSuite(suite).name for suite in GOOD_SUITES_12)
    assert {CipherSuite.TLS_RSA_WITH_NULL_MD5, CipherSuite.TLS_DH_anon_WITH_RC4_128_MD5} <= set(
        OUTDATED_SUITES["no protection"]
    )
    assert len(PROBED_GROUPS) == len(set(PROBED_GROUPS))
