"""Chains that a stranger makes himself: each kind is a way to make much of what is small.

A kind takes a source of chance and about how many bytes to fill, and returns a chain in DER, the leaf first.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pki
from hostile import certificates as made
from hostile.certificates import EMPTY, IS_CA, NOBODY, Extension, authority, certificate
from hostile.der import (
    BIT_STRING,
    BMP,
    COMMON_NAME,
    IA5,
    INTEGER,
    NULL,
    OCTET_STRING,
    OID,
    PRINTABLE,
    SET,
    UTF8,
    attribute,
    bits,
    distinct_oids,
    dotted,
    explicit,
    implicit,
    integer,
    name,
    oid,
    sequence,
    tlv,
)

Chain = list[bytes]
Draw = Callable[[random.Random, int], Chain]

KINDS: dict[str, Draw] = {}


def kind(title: str) -> Callable[[Draw], Draw]:
    """Enter a way to draw chains under its title."""

    def enter(draw: Draw) -> Draw:
        KINDS[title] = draw
        return draw

    return enter


def filled(size: int, item: Callable[[int], bytes]) -> bytes:
    """As many items as fit into so many bytes."""
    parts: list[bytes] = []
    total = 0
    while total < size:
        parts.append(item(len(parts)))
        total += len(parts[-1])
    return b"".join(parts)


def own_ca(subject: bytes, *extensions: Extension, issuer: bytes = NOBODY, **options: Any) -> bytes:
    """A CA of the stranger's own, which nobody signed that we know."""
    return authority(subject, issuer, *extensions, **options)


def above_of(at: int, count: int) -> bytes:
    """The issuer of the CA number `at` of so many: the next one, and nobody's above the last."""
    return NOBODY if at + 1 == count else name(f"CA {at + 1}")


# -- general names -------------------------------------------------------------------------------------

GENERAL_NAMES: dict[str, Callable[[int], bytes]] = {
    "dNSName": lambda at: implicit(2, f"{at:x}".encode()),
    "dNSName of one letter": lambda at: implicit(2, b"a"),
    "dNSName of many labels": lambda at: implicit(2, b"a." * 60 + f"{at:x}".encode()),
    "rfc822Name": lambda at: implicit(1, f"a@{at:x}".encode()),
    "rfc822Name of one letter": lambda at: implicit(1, b"a"),
    "URI": lambda at: implicit(6, f"a://{at:x}".encode()),
    "URI of one letter": lambda at: implicit(6, b"a"),
    "iPAddress": lambda at: implicit(7, at.to_bytes(4, "big")),
    "iPAddress of version 6": lambda at: implicit(7, at.to_bytes(16, "big")),
    "registeredID": lambda at: implicit(8, b"\x2a"),
    "otherName": lambda at: explicit(0, oid(1, 2), explicit(0, tlv(NULL))),
    "otherName that is a mailbox": lambda at: explicit(
        0, dotted("1.3.6.1.5.5.7.8.9"), explicit(0, tlv(UTF8, f"\u00e9{at:x}@a.example".encode()))
    ),
    "directoryName, empty": lambda at: explicit(4, EMPTY),
    "directoryName": lambda at: explicit(4, name(f"{at:x}")),
    "directoryName of many attributes": lambda at: explicit(
        4, sequence(tlv(SET, *(attribute(COMMON_NAME, f"{at:x}{each:x}") for each in range(30))))
    ),
    "directoryName with combining characters": lambda at: explicit(4, name(f"{at:x}" + "\u0301\u0323" * 100)),
}
SUBTREES: dict[str, Callable[[int], bytes]] = {
    "dNSName": lambda at: implicit(2, f"{at:x}.z".encode()),
    "rfc822Name": lambda at: implicit(1, f"{at:x}.z".encode()),
    "URI": lambda at: implicit(6, f"{at:x}.z".encode()),
    "iPAddress": lambda at: implicit(7, at.to_bytes(4, "big") + b"\xff" * 4),
    "registeredID": lambda at: implicit(8, b"\x2a"),
    "otherName": lambda at: explicit(0, oid(1, 2), explicit(0, tlv(NULL))),
    "directoryName, empty": lambda at: explicit(4, EMPTY),
    "directoryName": lambda at: explicit(4, name(f"{at:x}")),
}


def alternatives(size: int, of: str, critical: bool = True) -> Extension:
    return made.ALTERNATIVE_NAME, critical, sequence(filled(size, GENERAL_NAMES[of]))


def constraints(size: int, of: str, where: int) -> Extension:
    """Name constraints of one kind; where: 0 permitted, 1 excluded."""
    trees = filled(size, lambda at: sequence(SUBTREES[of](at)))
    return made.NAME_CONSTRAINTS, True, sequence(explicit(where, trees))


def _names_alone(of: str) -> Draw:
    def draw(chance: random.Random, size: int) -> Chain:
        subject = chance.choice((EMPTY, name("Leaf")))
        return [certificate(subject, NOBODY, [alternatives(size, of, chance.random() < 0.5)])]

    return draw


def _names_constrained(of: str) -> Draw:
    """Names below CAs of the stranger's own that constrain them."""

    def draw(chance: random.Random, size: int) -> Chain:
        trees = chance.choice((of.split(" ")[0].rstrip(","), "dNSName", "directoryName, empty"))
        if trees not in SUBTREES:
            trees = "dNSName"
        cas = chance.randint(1, 4)
        each = chance.choice((8, size // (cas + 1)))
        where = chance.randint(0, 1)
        above = [
            own_ca(name(f"CA {at}"), constraints(each, trees, where), issuer=name(f"CA {at + 1}"))
            for at in range(cas)
        ]
        left = max(size - each * cas, 16)
        return [certificate(EMPTY, name("CA 0"), [alternatives(left, of)]), *above]

    return draw


for _of in GENERAL_NAMES:
    KINDS[f"names: {_of}"] = _names_alone(_of)
    KINDS[f"names below constraints: {_of}"] = _names_constrained(_of)


# -- extensions ----------------------------------------------------------------------------------------


# What an extension can hold a lot of: its identifier, and its items.
EXTENSIONS: dict[str, tuple[bytes, Callable[[int], bytes]]] = {}


def _one_extension(identifier: bytes, item: Callable[[int], bytes]) -> Draw:
    def draw(chance: random.Random, size: int) -> Chain:
        value = sequence(filled(size, item))
        return [certificate(chance.choice((EMPTY, name("Leaf"))), NOBODY, [(identifier, False, value)])]

    return draw


def _policy(qualifier: bytes = b"") -> Callable[[int], bytes]:
    oids = list(distinct_oids(17_000))
    return lambda at: sequence(oids[at % len(oids)], qualifier)


_USER_NOTICE = sequence(
    dotted("1.3.6.1.5.5.7.2.2"),
    sequence(sequence(tlv(UTF8, b"o"), sequence(*[integer(1)] * 30)), tlv(UTF8, b"t")),
)
_CPS = sequence(dotted("1.3.6.1.5.5.7.2.1"), tlv(IA5, b"a"))
_LONG_ID = oid(1, 3, 6, 1, 4, 1, 11129, 2)
_LONG_NAME = implicit(6, b"http://a.example/")
EXTENSIONS |= {
    "policies": (made.POLICIES, _policy()),
    "policies with a qualifier": (made.POLICIES, _policy(sequence(_CPS))),
    "policies with many qualifiers": (made.POLICIES, _policy(sequence(*[_CPS] * 200))),
    "policies with notices": (made.POLICIES, _policy(sequence(_USER_NOTICE))),
    "extended key usages of two bytes": (made.EXTENDED_USAGE, lambda at: oid(1, 2)),
    "extended key usages": (made.EXTENDED_USAGE, lambda at: _LONG_ID),
    "distribution points, empty": (
        made.DISTRIBUTION_POINTS,
        lambda at: sequence(explicit(0, explicit(0))),
    ),
    "distribution points": (
        made.DISTRIBUTION_POINTS,
        lambda at: sequence(explicit(0, explicit(0, implicit(6, f"{at:x}".encode())))),
    ),
    "distribution points with addresses": (
        made.DISTRIBUTION_POINTS,
        lambda at: sequence(explicit(0, explicit(0, _LONG_NAME))),
    ),
    "distribution points of many names": (
        made.DISTRIBUTION_POINTS,
        lambda at: sequence(explicit(0, explicit(0, _LONG_NAME * 100))),
    ),
    "distribution points of many issuers": (
        made.DISTRIBUTION_POINTS,
        lambda at: sequence(explicit(2, explicit(4, EMPTY) * 500)),
    ),
    "distribution points with reasons": (
        made.DISTRIBUTION_POINTS,
        lambda at: sequence(implicit(1, b"\x07\x80"), explicit(2, explicit(4, EMPTY))),
    ),
    "distribution points with reasons and addresses": (
        made.DISTRIBUTION_POINTS,
        lambda at: sequence(
            explicit(0, explicit(0, implicit(6, b"a:" + bytes(8)))), implicit(1, b"\x07\x80")
        ),
    ),
    "freshest CRL": (made.FRESHEST, lambda at: sequence(explicit(0, explicit(0, _LONG_NAME)))),
    "authority information": (made.AUTHORITY_ACCESS, lambda at: sequence(_LONG_ID, implicit(6, b"a:b"))),
    "subject information": (made.SUBJECT_ACCESS, lambda at: sequence(oid(1, 2), implicit(6, b"a"))),
    "TLS features": (made.TLS_FEATURE, lambda at: integer(5 if at % 2 else 17)),
    "TLS features that nobody knows": (made.TLS_FEATURE, lambda at: integer(at + 0x10000)),
    "issuer alternative names": (made.ISSUER_ALTERNATIVE_NAME, lambda at: implicit(2, b"abcd")),
    "subtrees": (made.NAME_CONSTRAINTS, lambda at: explicit(0, sequence(implicit(2, b"abcd")) * 100)),
}
for _title, (_identifier, _item) in EXTENSIONS.items():
    KINDS[_title] = _one_extension(_identifier, _item)


@kind("many kinds of extensions")
def _several(chance: random.Random, size: int) -> Chain:
    """Several extensions that are large together, and each no larger than others may be."""
    several = {
        identifier: (identifier, item) for identifier, item in chance.sample([*EXTENSIONS.values()], 6)
    }
    each = size // (len(several) + 1)
    those = [
        (identifier, chance.random() < 0.5, sequence(filled(each, item)))
        for identifier, item in several.values()
    ]
    of = chance.choice(list(GENERAL_NAMES))
    return [certificate(chance.choice((EMPTY, name("Leaf"))), NOBODY, [*those, alternatives(each, of)])]


@kind("an authority key identifier with many names")
def _authority_key(chance: random.Random, size: int) -> Chain:
    names = filled(size, GENERAL_NAMES[chance.choice(("directoryName, empty", "directoryName", "URI"))])
    value = sequence(implicit(0, b"k"), explicit(1, names), implicit(2, b"\1"))
    return [certificate(name("Leaf"), NOBODY, [(made.AUTHORITY_KEY, False, value)])]


def _unknown(critical: float) -> Draw:
    def draw(chance: random.Random, size: int) -> Chain:
        count = max(size // 12, 1)
        those = [(each, chance.random() < critical, b"") for each in distinct_oids(count)]
        return [certificate(chance.choice((EMPTY, name("Leaf"))), NOBODY, those)]

    return draw


KINDS["unknown critical extensions"] = _unknown(1.0)
KINDS["unknown extensions"] = _unknown(0.0)


@kind("unknown critical extensions and many names")
def _critical_and_names(chance: random.Random, size: int) -> Chain:
    those: list[Extension] = [(each, True, b"") for each in distinct_oids(max(size // 24, 1))]
    return [certificate(EMPTY, NOBODY, [alternatives(size // 2, "registeredID"), *those])]


@kind("embedded timestamps")
def _timestamps(chance: random.Random, size: int) -> Chain:
    one = bytes(1 + 32 + 8) + b"\0\0" + b"\4\3" + b"\0\0"
    many = (len(one).to_bytes(2, "big") + one) * max(min(size, 65_000) // (len(one) + 2), 1)
    value = tlv(OCTET_STRING, len(many).to_bytes(2, "big") + many)
    return [certificate(name("Leaf"), NOBODY, [(made.TIMESTAMPS, False, value)])]


@kind("policies, mapped by many CAs")
def _mapped(chance: random.Random, size: int) -> Chain:
    cas = chance.randint(2, 8)
    each = size // (cas * 3)
    oids = list(distinct_oids(max(each // 7, 1)))
    policies = sequence(*(sequence(one) for one in oids))
    pairs = sequence(*(sequence(one, chance.choice(oids)) for one in oids))
    required = (made.POLICY_CONSTRAINTS, True, sequence(implicit(0, b"\0")))
    above = [
        own_ca(
            name(f"CA {at}"),
            (made.POLICIES, False, policies),
            (made.MAPPINGS, False, pairs),
            required,
            issuer=above_of(at, cas),
        )
        for at in range(cas)
    ]
    return [certificate(name("Leaf"), name("CA 0"), [(made.POLICIES, False, policies)]), *above]


@kind("policies, all to all")
def _all_to_all(chance: random.Random, size: int) -> Chain:
    """Every policy mapped to every other one: edges of the policy graph grow with the square."""
    cas = chance.randint(2, 6)
    count = max(int((size / (cas * 14)) ** 0.5), 2)
    oids = list(distinct_oids(count))
    policies = sequence(*(sequence(one) for one in oids))
    pairs = sequence(*(sequence(one, other) for one in oids for other in oids))
    required = (made.POLICY_CONSTRAINTS, True, sequence(implicit(0, b"\0")))
    above = [
        own_ca(
            name(f"CA {at}"),
            (made.POLICIES, False, policies),
            (made.MAPPINGS, False, pairs),
            required,
            issuer=above_of(at, cas),
        )
        for at in range(cas)
    ]
    return [certificate(name("Leaf"), name("CA 0"), [(made.POLICIES, False, policies)]), *above]


# -- one long name -------------------------------------------------------------------------------------

# What parsers quote in their words, and what has a meaning in names of some kind.
_QUOTED = (
    b"ParseError { kind: a, location: [",
    b"a.",
    b"-",
    b"%41",
    b"\xc3\xa9",
    b'"\\',
    b"[::",
    b"@",
    b"0",
    b"xn--",
)


def _long_name(tag: int) -> Draw:
    """One name as long as the certificate, of what may take long to look through."""

    def draw(chance: random.Random, size: int) -> Chain:
        part = chance.choice(_QUOTED)
        before = chance.choice((b"", b"a://", b"a@", b"*."))
        text = before + part * (size // len(part))
        holder = chance.choice(("alternatives", "constraints", "access"))
        long = tlv(tag, text)
        those = {
            "alternatives": (made.ALTERNATIVE_NAME, True, sequence(long)),
            "constraints": (made.NAME_CONSTRAINTS, True, sequence(explicit(0, sequence(long)))),
            "access": (made.AUTHORITY_ACCESS, False, sequence(sequence(_LONG_ID, long))),
        }[holder]
        if holder == "constraints":
            return [certificate(EMPTY, name("CA"), [alternatives(200, "dNSName")]), own_ca(name("CA"), those)]
        return [certificate(chance.choice((EMPTY, name("Leaf"))), NOBODY, [those])]

    return draw


for _what, _tag in {
    "an e-mail address": 0x81,
    "a DNS name": 0x82,
    "a URI": 0x86,
    "an IP address": 0x87,
    "a registered identifier": 0x88,
    "an otherName": 0xA0,
    "an x400Address": 0xA3,
    "an ediPartyName": 0xA5,
}.items():
    KINDS[f"one long name: {_what}"] = _long_name(_tag)


# -- distinguished names -------------------------------------------------------------------------------

NAMES: dict[str, Callable[[random.Random, int], bytes]] = {
    "many relative names": lambda chance, size: sequence(
        filled(size, lambda at: tlv(SET, attribute(oid(1, 2), b"")))
    ),
    "many attributes in one": lambda chance, size: sequence(
        tlv(SET, filled(size, lambda at: attribute(oid(1, 2), f"{at:x}".encode())))
    ),
    "attributes of odd kinds": lambda chance, size: sequence(
        filled(size, lambda at: tlv(SET, attribute(oid(1, 2, at), b"\0", BIT_STRING)))
    ),
    "combining characters": lambda chance, size: sequence(
        filled(size, lambda at: tlv(SET, attribute(COMMON_NAME, f"{at:x}" + "\u0301\u0323" * 127)))
    ),
    "long decompositions": lambda chance, size: sequence(
        filled(size, lambda at: tlv(SET, attribute(COMMON_NAME, f"{at:x}" + "\ufdfa" * 250)))
    ),
    "short decompositions": lambda chance, size: sequence(
        filled(size, lambda at: tlv(SET, attribute(COMMON_NAME, "\ufdfa")))
    ),
    "one long string": lambda chance, size: sequence(tlv(SET, attribute(COMMON_NAME, "a" * size))),
    "one long string of signs": lambda chance, size: sequence(
        tlv(SET, attribute(COMMON_NAME, ",;" * (size // 2)))
    ),
    "one long string of zeros": lambda chance, size: sequence(tlv(SET, attribute(COMMON_NAME, "\0" * size))),
    "one long BMPString": lambda chance, size: sequence(
        tlv(SET, attribute(COMMON_NAME, ("\u0301" * 255).encode("utf-16-be"), BMP) * max(size // 520, 1))
    ),
    "a long kind of attribute": lambda chance, size: sequence(
        tlv(SET, sequence(tlv(OID, b"\x2a" + b"\x81" * (size - 1) + b"\1"), tlv(UTF8, b"a")))
    ),
    "many kinds of attribute": lambda chance, size: sequence(
        filled(
            size, lambda at: tlv(SET, attribute(tlv(OID, b"\x2a" + b"\x81" * 60 + bytes((at & 127,))), b""))
        )
    ),
    "spaces": lambda chance, size: sequence(tlv(SET, attribute(COMMON_NAME, "a " * (size // 2), PRINTABLE))),
    "e-mail addresses": lambda chance, size: sequence(
        filled(size, lambda at: tlv(SET, attribute(dotted("1.2.840.113549.1.9.1"), b"a", IA5)))
    ),
}


def _named(of: str) -> Draw:
    def draw(chance: random.Random, size: int) -> Chain:
        parts = chance.choice((1, 2, 3))
        names = [NAMES[of](chance, max(size // (parts + 1), 16)) for _ in range(1)]
        big = names[0]
        shape = chance.randrange(4)
        if shape == 0:
            return [certificate(big, NOBODY)]
        if shape == 1:
            return [certificate(name("Leaf"), big), own_ca(big)]
        if shape == 2:  # the same name again, other than in its last byte
            return [certificate(name("Leaf"), big), *(own_ca(big, issuer=big) for _ in range(min(parts, 2)))]
        return [certificate(big, big, [alternatives(64, "dNSName")])]

    return draw


for _of in NAMES:
    KINDS[f"distinguished names: {_of}"] = _named(_of)


# -- paths ---------------------------------------------------------------------------------------------


@kind("paths: CAs of one name")
def _one_name(chance: random.Random, size: int) -> Chain:
    """All CAs have one name and cross-sign each other: paths are as many as there are orders."""
    count = chance.randint(4, 15)
    keys = [pki.key("P-256", number) for number in range(count)]
    same = name("CA")
    pad = alternatives(max(size // count - 400, 8), "dNSName of one letter", critical=False)
    cas = [
        own_ca(same, pad, issuer=same, key=made.spki("P-256", at), signer=keys[(at + 1) % count])
        for at in range(count)
    ]
    return [certificate(name("Leaf"), same, signer=keys[0]), *cas]


@kind("paths: weakly signed")
def _weak(chance: random.Random, size: int) -> Chain:
    """What is signed by SHA-1 is followed without its signature being checked."""
    count = chance.randint(4, 15)
    same = name("CA")
    each = max(size // (count + 1) - 400, 8)
    those = [IS_CA, alternatives(each, "registeredID", critical=False), constraints(8, "registeredID", 0)]
    weakly: dict[str, Any] = {"algorithm": made.RSA_SHA1, "signature": bytes(128)}
    cas = [
        certificate(same, same, those, key=made.spki("P-256", at), serial=integer(at + 1), **weakly)
        for at in range(count)
    ]
    return [certificate(EMPTY, same, [alternatives(each, "registeredID")], **weakly), *cas]


@kind("paths: a deep chain")
def _deep(chance: random.Random, size: int) -> Chain:
    count = chance.randint(8, 15)
    pad = max(size // count - 400, 8)
    of = chance.choice(list(GENERAL_NAMES))
    cas = [
        own_ca(name(f"CA {at}"), alternatives(pad, of, critical=False), issuer=above_of(at, count))
        for at in range(count)
    ]
    return [certificate(name("Leaf"), name("CA 0")), *cas]


@kind("paths: self-issued")
def _self_issued(chance: random.Random, size: int) -> Chain:
    count = chance.randint(4, 15)
    big = NAMES[chance.choice(list(NAMES))](chance, max(size // (2 * count + 1), 16))
    return [
        certificate(name("Leaf"), big),
        *(own_ca(big, issuer=big, serial=integer(at)) for at in range(count)),
    ]


@kind("paths: repeated certificates")
def _repeated(chance: random.Random, size: int) -> Chain:
    one = certificate(name("CA"), name("CA"), [IS_CA, alternatives(max(size // 8, 8), "registeredID")])
    return [certificate(name("Leaf"), name("CA")), *[one] * 8]


@kind("many certificates")
def _many(chance: random.Random, size: int) -> Chain:
    return [b"\x30\x00"] * max(size // 6, 1)


# -- keys and signatures -------------------------------------------------------------------------------

_RSA = dotted("1.2.840.113549.1.1.1")


def rsa_key(bits_of_modulus: int, exponent: int = 65537, chance: random.Random | None = None) -> bytes:
    """An RSA key that nobody has: only its size counts."""
    chance = chance or random.Random(bits_of_modulus)
    modulus = chance.getrandbits(bits_of_modulus) | 1 << (bits_of_modulus - 1) | 1
    return sequence(sequence(_RSA, tlv(NULL)), bits(sequence(integer(modulus), integer(exponent))))


def _signed_by(key: Callable[[random.Random, int], bytes], signature_size: int | None = None) -> Draw:
    """Many certificates, each held against the same dear key."""

    def draw(chance: random.Random, size: int) -> Chain:
        same = name("CA")
        dear = key(chance, size)
        count = max(min(size // (len(dear) + 400), 14), 1)
        width = signature_size or len(dear) - 40

        def one(subject: bytes, at: int, holder: bytes) -> bytes:
            return certificate(
                subject,
                same,
                [IS_CA],
                key=holder,
                serial=integer(at + 1),
                algorithm=made.RSA_SHA256,
                signature=(b"\0" + chance.randbytes(width - 1)),
            )

        return [one(name("Leaf"), 0, made.spki()), *(one(same, at, key(chance, size)) for at in range(count))]

    return draw


KINDS |= {
    "keys: RSA of 16384 bits": _signed_by(lambda chance, size: rsa_key(16384, chance=chance), 2048),
    "keys: RSA of 8192 bits": _signed_by(lambda chance, size: rsa_key(8192, chance=chance), 1024),
    "keys: RSA of 4096 bits": _signed_by(lambda chance, size: rsa_key(4096, chance=chance), 512),
    "keys: RSA of 2048 bits": _signed_by(lambda chance, size: rsa_key(2048, chance=chance), 256),
    "keys: RSA of 3072 bits with a long exponent": _signed_by(
        lambda chance, size: rsa_key(3072, chance.getrandbits(3071) | 1, chance=chance), 384
    ),
    "keys: RSA of 2048 bits with a long exponent": _signed_by(
        lambda chance, size: rsa_key(2048, chance.getrandbits(2047) | 1, chance=chance), 256
    ),
    "keys: RSA of 16384 bits with an exponent of 64": _signed_by(
        lambda chance, size: rsa_key(16384, (1 << 64) - 1, chance=chance), 2048
    ),
    "keys: RSA of a huge modulus": lambda chance, size: [
        certificate(name("Leaf"), NOBODY, key=rsa_key(8 * min(size, 60_000)))
    ],
    "keys: RSA of a huge exponent": lambda chance, size: [
        certificate(name("Leaf"), NOBODY, key=rsa_key(2048, (1 << 8 * min(size, 60_000)) - 1))
    ],
}


def _cross(kind_of_key: str) -> Draw:
    """CAs of one name whose keys are dear: every certificate is held against every key."""

    def draw(chance: random.Random, size: int) -> Chain:
        same = name("CA")
        signer = pki.key("P-256", 99)
        count = max(min(size // 600, 14), 1)
        cas = [
            own_ca(
                same, issuer=same, key=made.spki(kind_of_key, at % 3), signer=signer, serial=integer(at + 1)
            )
            for at in range(count)
        ]
        return [certificate(name("Leaf"), same, signer=signer), *cas]

    return draw


for _key in ("P-256", "P-384", "P-521", "Ed448", "ML-DSA-87"):
    KINDS[f"keys: many {_key} of one name"] = _cross(_key)


def _spki_only(make: Callable[[random.Random, int], bytes]) -> Draw:
    return lambda chance, size: [certificate(name("Leaf"), NOBODY, key=make(chance, size))]


def _big(chance: random.Random, octets: int) -> int:
    return chance.getrandbits(8 * octets) | 1 << (8 * octets - 1) | 1


KINDS |= {
    "keys: DSA of a huge prime": _spki_only(
        lambda chance, size: sequence(
            sequence(
                dotted("1.2.840.10040.4.1"),
                sequence(integer(_big(chance, size // 3)), integer(_big(chance, 32)), integer(2)),
            ),
            bits(integer(_big(chance, size // 3))),
        )
    ),
    "keys: Diffie-Hellman of a huge prime": _spki_only(
        lambda chance, size: sequence(
            sequence(
                dotted("1.2.840.10046.2.1"),
                sequence(integer(_big(chance, size // 3)), integer(2), integer(_big(chance, 32))),
            ),
            bits(integer(_big(chance, size // 3))),
        )
    ),
    "keys: Diffie-Hellman of PKCS#3": _spki_only(
        lambda chance, size: sequence(
            sequence(
                dotted("1.2.840.113549.1.3.1"),
                sequence(integer(_big(chance, size // 3)), integer(2)),
            ),
            bits(integer(_big(chance, size // 3))),
        )
    ),
    "keys: explicit curve": _spki_only(
        lambda chance, size: sequence(
            sequence(
                dotted("1.2.840.10045.2.1"),
                sequence(
                    integer(1),
                    sequence(oid(1, 2, 840, 10045, 1, 1), integer(_big(chance, size // 3))),
                    sequence(tlv(OCTET_STRING, b"\1"), tlv(OCTET_STRING, b"\1")),
                    tlv(OCTET_STRING, b"\4" + bytes(2)),
                    integer(3),
                ),
            ),
            bits(b"\4" + bytes(64)),
        )
    ),
    "keys: of no kind": _spki_only(
        lambda chance, size: sequence(
            sequence(oid(1, 2, 3), tlv(OCTET_STRING, bytes(size // 2))), bits(bytes(size // 2))
        )
    ),
}


# -- oddities ------------------------------------------------------------------------------------------


def _huge(size: int) -> bytes:
    return b"\x7f" * max(size // 4, 1)


def _changed(chance: random.Random, size: int) -> Chain:
    """Some other kind, with tags, lengths and contents that do not fit any more."""
    others = [each for each in KINDS if each != "bytes that were changed"]
    chain = [bytearray(der) for der in KINDS[chance.choice(others)](chance, size)]
    for _ in range(chance.choice((1, 3, 20))):
        der = chance.choice(chain)
        der[chance.randrange(len(der))] = chance.choice(
            (0x00, 0x30, 0x80, 0x81, 0x84, 0xFF, chance.randrange(256))
        )
    return [bytes(der) for der in chain]


KINDS |= {
    "huge numbers": lambda chance, size: [
        certificate(
            name("Leaf"), name("CA"), [(made.POLICY_CONSTRAINTS, True, sequence(implicit(0, _huge(size))))]
        ),
        certificate(
            name("CA"),
            NOBODY,
            [
                (made.BASIC_CONSTRAINTS, True, sequence(made.TRUE, tlv(INTEGER, _huge(size)))),
                (oid(2, 5, 29, 54), True, tlv(INTEGER, _huge(size))),
                (made.AUTHORITY_KEY, False, sequence(implicit(2, _huge(size)))),
            ],
        ),
    ],
    "a huge serial number": lambda chance, size: [
        certificate(name("Leaf"), NOBODY, serial=tlv(INTEGER, b"\x7f" * size))
    ],
    "a huge signature": lambda chance, size: [certificate(name("Leaf"), NOBODY, signature=bytes(size))],
    "a huge algorithm": lambda chance, size: [
        certificate(
            name("Leaf"),
            NOBODY,
            algorithm=sequence(dotted("1.2.840.113549.1.1.10"), tlv(OCTET_STRING, bytes(size // 2))),
        )
    ],
    "nested sequences": lambda chance, size: [
        certificate(name("Leaf"), NOBODY, [(oid(1, 2, 3), False, b"\x30\x80" * (size // 2))])
    ],
    "elements of one byte": lambda chance, size: [
        certificate(
            name("Leaf"), NOBODY, [(made.ALTERNATIVE_NAME, False, sequence(b"\x82\x00" * (size // 2)))]
        )
    ],
    "bytes that were changed": lambda chance, size: _changed(chance, size),
    "no DER at all": lambda chance, size: [chance.randbytes(size)],
    "a certificate cut short": lambda chance, size: [
        certificate(name("Leaf"), NOBODY, [alternatives(size, "dNSName")])[: chance.randrange(1, size)]
    ],
}


def drawn(seed: int, sizes: Sequence[int]) -> Iterator[tuple[str, int, Chain]]:
    """Every kind at every size: its title, the bytes of the chain, and the chain."""
    for title, draw in KINDS.items():
        for size in sizes:
            chain = draw(random.Random(f"{seed} {title} {size}"), size)
            yield title, sum(map(len, chain)), chain


# -- where a chain ends --------------------------------------------------------------------------------

ANCHOR = "Anchor"
_STRONG, _WEAK = dotted("1.2.840.10045.4.3.2"), dotted("1.2.840.10045.4.3.1")
ENDS = ("at nobody", "in an anchor's name", "in an anchor's name, weakly signed", "weakly signed throughout")


def ended(chain: Chain, end: str) -> Chain:
    """Let a chain claim to come from the anchor: with a signature that is none, or by an algorithm that is refused."""
    if end == ENDS[0]:
        return chain
    whole = []
    for der in chain:
        renamed = der.replace(NOBODY, name(ANCHOR))
        weak = end == ENDS[3] or (end == ENDS[2] and renamed != der)
        whole.append(renamed.replace(_STRONG, _WEAK) if weak else renamed)
    return whole
