"""What a service is told of a client, octet by octet."""

from __future__ import annotations

import struct
from dataclasses import replace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from bothways.gateway.proxy_protocol.writing import SIGNATURE, ProxiedClient, header
from bothways.tls.events import Peer
from bothways.trust import Trusted
from gateway_talk import Setting
from http_callers import peer
from trust.access.test_kinds import trusted


def client(setting: Setting, **fields: object) -> ProxiedClient:
    made = ProxiedClient(
        peer(setting.mutual),
        ("192.0.2.7", 5),
        ("198.51.100.1", 443),
        "db.example",
        "h2",
        "1.3",
        resumed=False,
    )
    return replace(made, **fields)


def parsed(data: bytes) -> tuple[int, bytes, dict[int, bytes]]:
    """The family, the addresses and the values of a header that is as long as it says."""
    assert data.startswith(SIGNATURE + b"\x21")
    family, length = struct.unpack_from("!BH", data, 13)
    assert len(data) == 16 + length
    size = {0x11: 12, 0x21: 36, 0x00: 0}[family]
    return family, data[16 : 16 + size], values(data[16 + size :])


def values(data: bytes) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    while data:
        kind, length = struct.unpack_from("!BH", data)
        found[kind] = data[3 : 3 + length]
        assert len(found[kind]) == length
        data = data[3 + length :]
    return found


def test_a_header_has_both_addresses_and_what_was_agreed(setting: Setting) -> None:
    family, addresses, reported = parsed(header(client(setting), "v2"))
    assert (family, addresses) == (0x11, bytes((192, 0, 2, 7, 198, 51, 100, 1)) + struct.pack("!HH", 5, 443))
    assert (reported[0x01], reported[0x02]) == (b"h2", b"db.example")
    flags, verify = struct.unpack_from("!BI", reported[0x20])
    assert (flags, verify) == (0x07, 0)
    assert values(reported[0x20][5:]) == {0x21: b"TLSv1.3", 0x22: b"good client"}


@pytest.mark.parametrize(
    ("address", "local", "family", "first"),
    [
        (("2001:db8::1", 5), ("2001:db8::2", 443), 0x21, bytes.fromhex("20010db8")),
        (("::ffff:192.0.2.7", 5), ("::ffff:192.0.2.1", 443), 0x11, bytes((192, 0, 2, 7))),
        (("fe80::1%eth0", 5), ("fe80::2%eth0", 443), 0x21, bytes.fromhex("fe800000")),
        (
            ("::ffff:192.0.2.7", 5),
            ("2001:db8::2", 443),
            0x21,
            bytes(10) + b"\xff\xff" + bytes((192, 0, 2, 7)),
        ),
        (None, None, 0x00, b""),
    ],
)
def test_addresses_of_every_kind_are_reported(
    setting: Setting, address, local, family: int, first: bytes
) -> None:
    found, addresses, _ = parsed(header(client(setting, address=address, local=local), "v2"))
    assert (found, addresses[: len(first)]) == (family, first)


def test_a_resumed_session_has_its_certificate_from_before(setting: Setting) -> None:
    *_, reported = parsed(header(client(setting, resumed=True, server_name=None, alpn=None), "v2"))
    assert set(reported) == {0x20}
    assert reported[0x20][0] == 0x05


def test_the_certificate_is_reported_where_that_is_asked_for(setting: Setting) -> None:
    mine = client(setting)
    *_, reported = parsed(header(mine, "v2-certificate"))
    assert values(reported[0x20][5:])[0x28] == mine.peer.certificate.public_bytes(Encoding.DER)


def test_a_client_with_several_common_names_has_none(setting: Setting) -> None:
    """Nobody chooses by the order of names who the service takes it for."""
    several = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, each) for each in ("Ada", "admin")])
    verdict = trusted(subject=several)
    assert isinstance(verdict, Trusted)
    *_, reported = parsed(header(client(setting, peer=Peer(verdict)), "v2"))
    assert 0x22 not in values(reported[0x20][5:])


def test_a_name_that_is_too_long_is_left_out(setting: Setting) -> None:
    *_, reported = parsed(header(client(setting, server_name="a" * 256), "v2"))
    assert 0x02 not in reported
