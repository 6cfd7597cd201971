"""Staples and revocation lists that a stranger makes himself: signed by nobody whom we know, and full of small things.

A kind takes a source of chance and about how many bytes to fill, and returns the DER.
"""

from __future__ import annotations

import random
from collections.abc import Callable

import pki
from hostile import certificates as made
from hostile import chains
from hostile.certificates import ECDSA_SHA256, EMPTY, NOBODY, certificate, extension
from hostile.chains import filled
from hostile.der import (
    NULL,
    OCTET_STRING,
    bits,
    distinct_oids,
    dotted,
    explicit,
    implicit,
    integer,
    name,
    oid,
    sequence,
    time,
    tlv,
)

Draw = Callable[[random.Random, int], bytes]

_ENUMERATED = 0x0A
_BASIC = dotted("1.3.6.1.5.5.7.48.1.1")
_SHA1 = sequence(dotted("1.3.14.3.2.26"), tlv(NULL))
_THEN, _NEXT = time("20260531000000Z"), time("20260603000000Z")
REASON_CODE = oid(2, 5, 29, 21)
CERTIFICATE_ISSUER = oid(2, 5, 29, 29)
ISSUING_POINT = oid(2, 5, 29, 28)
SIGNED_BY_NOBODY = bits(b"\x30\x06\x02\x01\x01\x02\x01\x01")


# -- OCSP responses ------------------------------------------------------------------------------------


def single(at: int, *extensions: bytes, serial: int | None = None) -> bytes:
    """What a response says of one certificate."""
    named = sequence(
        _SHA1,
        tlv(OCTET_STRING, bytes(20)),
        tlv(OCTET_STRING, bytes(20)),
        integer(at if serial is None else serial),
    )
    more = explicit(1, sequence(*extensions)) if extensions else b""
    return sequence(named, implicit(0, b""), _THEN, explicit(0, _NEXT), more)


def response(
    *, singles: bytes = b"", responder: bytes = NOBODY, certificates: bytes = b"", extensions: bytes = b""
) -> bytes:
    """A successful response in the name of a responder (RFC 6960 4.2.1)."""
    more = explicit(1, sequence(extensions)) if extensions else b""
    signed = sequence(explicit(1, responder), _THEN, sequence(singles or single(1)), more)
    along = explicit(0, sequence(certificates)) if certificates else b""
    basic = sequence(signed, ECDSA_SHA256, SIGNED_BY_NOBODY, along)
    return sequence(tlv(_ENUMERATED, b"\0"), explicit(0, sequence(_BASIC, tlv(OCTET_STRING, basic))))


def _delegates(key: Callable[[random.Random], bytes]) -> Draw:
    """Certificates in the responder's name, each with a key that is dear."""

    def draw(chance: random.Random, size: int) -> bytes:
        one = certificate(NOBODY, NOBODY, key=key(chance))
        count = max(min(size // len(one), 16), 1)
        those = b"".join(
            certificate(NOBODY, NOBODY, key=key(chance), serial=integer(at + 1)) for at in range(count)
        )
        return response(certificates=those)

    return draw


def _unknown_extensions(size: int) -> bytes:
    return b"".join(extension(each, False, b"") for each in distinct_oids(max(size // 12, 1)))


STAPLES: dict[str, Draw] = {
    "many answers": lambda chance, size: response(singles=filled(size, single)),
    "many answers of one serial number": lambda chance, size: response(
        singles=filled(size, lambda at: single(at, serial=7))
    ),
    "extensions of an answer": lambda chance, size: response(singles=single(1, _unknown_extensions(size))),
    "answers with extensions": lambda chance, size: response(
        singles=filled(size, lambda at: single(at, _unknown_extensions(60)))
    ),
    "extensions": lambda chance, size: response(extensions=_unknown_extensions(size)),
    "a long nonce": lambda chance, size: response(
        extensions=extension(dotted("1.3.6.1.5.5.7.48.1.2"), False, tlv(OCTET_STRING, bytes(size)))
    ),
    "a large responder's name": lambda chance, size: response(
        responder=chains.NAMES[chance.choice(list(chains.NAMES))](chance, size)
    ),
    "tiny certificates": lambda chance, size: response(
        certificates=filled(
            size, lambda at: certificate(EMPTY, EMPTY, key=made.spki("Ed25519"), signature=b"a")
        )
    ),
    "large certificates": lambda chance, size: response(
        certificates=b"".join(
            chains.KINDS[chance.choice(list(chains.KINDS))](chance, max(size // 8, 300))[0] for _ in range(8)
        )
    ),
    "delegates of RSA-16384": _delegates(lambda chance: chains.rsa_key(16384, (1 << 64) - 1, chance)),
    "delegates with long exponents": _delegates(
        lambda chance: chains.rsa_key(3072, chance.getrandbits(3071) | 1, chance)
    ),
    "delegates of P-384": _delegates(lambda chance: made.spki("P-384", chance.randrange(4))),
    "no DER at all": lambda chance, size: chance.randbytes(size),
    "nested": lambda chance, size: b"\x30\x80" * (size // 2),
}


# -- certificate revocation lists ----------------------------------------------------------------------


def revoked(at: int, *extensions: bytes) -> bytes:
    more = sequence(*extensions) if extensions else b""
    return sequence(integer(at), time("260101000000Z"), more)


def crl(entries: bytes, *extensions: bytes, issuer: bytes | None = None) -> bytes:
    """A list in the name of the anchor, signed by nobody (RFC 5280 5.1)."""
    whose = name(chains.ANCHOR) if issuer is None else issuer
    more = explicit(0, sequence(*extensions)) if extensions else b""
    content = (
        integer(1),
        ECDSA_SHA256,
        whose,
        time("260531000000Z"),
        time("260603000000Z"),
        sequence(entries),
    )
    return sequence(sequence(*content, more), ECDSA_SHA256, SIGNED_BY_NOBODY)


def _points(size: int) -> bytes:
    names = filled(size, lambda at: implicit(6, f"http://{at:x}/".encode()))
    return extension(ISSUING_POINT, True, sequence(explicit(0, explicit(0, names)), implicit(4, b"\xff")))


LISTS: dict[str, Draw] = {
    "many entries": lambda chance, size: crl(filled(size, revoked)),
    "entries with reasons": lambda chance, size: crl(
        filled(
            size, lambda at: revoked(at, extension(REASON_CODE, False, tlv(_ENUMERATED, bytes((at % 11,)))))
        )
    ),
    "entries with issuers": lambda chance, size: crl(
        filled(
            size,
            lambda at: revoked(
                at, extension(CERTIFICATE_ISSUER, True, sequence(explicit(4, name(f"{at:x}"))))
            ),
        ),
        _points(100),
    ),
    "entries of many extensions": lambda chance, size: crl(
        filled(size, lambda at: revoked(at, _unknown_extensions(600)))
    ),
    "an entry of many issuers": lambda chance, size: crl(
        revoked(
            1, extension(CERTIFICATE_ISSUER, True, sequence(filled(size, lambda at: explicit(4, name("a")))))
        )
    ),
    "many names of a point": lambda chance, size: crl(revoked(1), _points(size)),
    "many extensions": lambda chance, size: crl(revoked(1), _unknown_extensions(size)),
    "a large issuer's name": lambda chance, size: crl(
        revoked(1), issuer=chains.NAMES[chance.choice(list(chains.NAMES))](chance, size)
    ),
    "large serial numbers": lambda chance, size: crl(filled(size, lambda at: revoked(1 << 8 * 200 | at))),
    "no DER at all": lambda chance, size: chance.randbytes(size),
}


def insider() -> pki.Issued:
    """Somebody whom the anchor knows: only of such is any evidence looked at."""
    return pki.leaf(pki.root(chains.ANCHOR), "insider", alternatives=(), usage=("clientAuth",))
