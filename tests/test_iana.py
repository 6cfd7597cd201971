"""Code points: spelled as in the registries, told apart from what nobody knows."""

from __future__ import annotations

import re
from enum import IntEnum

import pytest

from bothways import iana
from bothways.iana import (
    NAMES_LIMIT,
    Alert,
    CipherSuite,
    ExtensionType,
    HandshakeType,
    NamedGroup,
    SignatureScheme,
    is_grease,
)
from bothways.iana import name as spelled
from bothways.iana import names as all_spelled

REGISTRIES = [each for each in vars(iana).values() if isinstance(each, type) and issubclass(each, IntEnum)]
REGISTRIES.remove(IntEnum)

# From RFC 9846 4 and B, RFC 8422, RFC 10024, RFC 8701: a few of each, by hand.
KNOWN = (
    (HandshakeType.client_hello, 1),
    (HandshakeType.key_update, 24),
    (HandshakeType.message_hash, 254),
    (Alert.CERTIFICATE_REQUIRED, 116),
    (Alert.MISSING_EXTENSION, 109),
    (Alert.UNSUPPORTED_EXTENSION, 110),
    (Alert.USER_CANCELED, 90),
    (CipherSuite.TLS_AES_128_GCM_SHA256, 0x1301),
    (CipherSuite.TLS_CHACHA20_POLY1305_SHA256, 0x1303),
    (NamedGroup.x25519, 0x001D),
    (NamedGroup.secp256r1, 0x0017),
    (NamedGroup.X25519MLKEM768, 0x11EC),
    (SignatureScheme.ecdsa_secp256r1_sha256, 0x0403),
    (SignatureScheme.rsa_pss_pss_sha512, 0x080B),
    (SignatureScheme.ed25519, 0x0807),
    (ExtensionType.pre_shared_key, 41),
    (ExtensionType.key_share, 51),
    (ExtensionType.signature_algorithms_cert, 50),
)


@pytest.mark.parametrize(("member", "value"), KNOWN, ids=str)
def test_code_point_has_the_number_of_its_registry(member: IntEnum, value: int) -> None:
    """RFC 9846 B: numbers are facts."""
    assert member == value


@pytest.mark.parametrize("registry", REGISTRIES, ids=lambda each: each.__name__)
def test_registry_gives_each_number_one_name(registry: type[IntEnum]) -> None:
    """An alias would let two spellings stand for one thing; a name is printable and one word."""
    assert len(registry.__members__) == len(registry)
    for member in registry:
        assert re.fullmatch(r"\w+", member.name)
        assert 0 <= member <= 0xFFFF
        assert spelled(registry, member) == member.name
        assert not is_grease(member) or registry.__name__ not in (
            "CipherSuite",
            "NamedGroup",
            "ExtensionType",
        )


def test_unknown_number_is_described_as_such() -> None:
    """RFC 9846 3.5: what no registry has is still a number that can be told."""
    assert spelled(NamedGroup, 0x9999) == "NamedGroup 0x9999"
    assert spelled(Alert, 99) == "Alert 99"
    assert spelled(CipherSuite, 0x3A3A) == "GREASE 0x3a3a"
    assert all_spelled(NamedGroup, (29, 0x0A0A, 1)) == ["x25519", "GREASE 0x0a0a", "NamedGroup 1"]


def test_of_very_many_numbers_the_first_are_named_and_the_rest_counted() -> None:
    """A peer chooses how many it sends; spelling them all would cost far more than sending them."""
    known = tuple(range(0x2000, 0x2000 + NAMES_LIMIT))
    assert all_spelled(SignatureScheme, known) == [spelled(SignatureScheme, code) for code in known]
    assert all_spelled(SignatureScheme, known * 500)[-1] == f"{499 * NAMES_LIMIT} more"
    assert len(all_spelled(SignatureScheme, known * 500)) == NAMES_LIMIT + 1


def test_grease_is_sixteen_values() -> None:
    """RFC 8701 2: both bytes alike, each ending in A."""
    values = [value for value in range(2**16) if is_grease(value)]
    assert len(values) == 16
    assert values[0] == 0x0A0A and values[1] == 0x1A1A and values[-1] == 0xFAFA
