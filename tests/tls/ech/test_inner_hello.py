"""The encrypted part of a ClientHello: encoded, padded, and put together again (RFC 9849 5.1, 6.1.3)."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

import pytest

from bothways import ECHConfigList, Fault
from bothways.faults import Blame
from bothways.iana import ECHClientHelloType, ExtensionType
from bothways.tls.ech.configs import ECHConfig
from bothways.tls.ech.inner_hello import (
    INNER,
    associated_data,
    body_of,
    decoded_inner,
    encoded_inner,
    with_payload,
)
from bothways.tls.wire import extensions as ext
from bothways.tls.wire.extension_table import code, codes
from bothways.tls.wire.hello import ClientHello, with_extensions
from tls.ech.test_configs import config_list, contents

GROUPS = ext.SupportedGroups((29,))
SCHEMES = ext.SignatureAlgorithms((0x0403,))
SHARES = ext.KeyShares((ext.KeyShareEntry(29, bytes(range(32))),))
VERSIONS = ext.SupportedVersions((0x0304,))
SHARED = (GROUPS, SCHEMES, VERSIONS, SHARES)
NAME = ext.ServerName("private.example")
INNER_HELLO = ClientHello(
    0x0303,
    bytes(32),
    b"s" * 32,
    (0x1301, 0x1303),
    b"\0",
    (NAME, ext.ApplicationProtocols((b"h2",)), INNER, *SHARED),
)
OUTER = ext.EncryptedClientHello(ECHClientHelloType.outer, 1, 1, 7, b"e" * 32, b"payload")
OUTER_HELLO = replace(
    INNER_HELLO, random=b"o" * 32, extensions=(ext.ServerName("public.example"), *SHARED, OUTER)
)


def config(longest: int = 0) -> ECHConfig:
    return ECHConfigList(config_list(contents(longest=longest))).preferred


def encoded(*extensions: ext.Extension, padding: bytes = b"", session_id: bytes = b"") -> bytes:
    """An EncodedClientHelloInner with these extensions."""
    return body_of(replace(INNER_HELLO, legacy_session_id=session_id, extensions=extensions)) + padding


def test_shared_extensions_are_sent_once() -> None:
    """RFC 9849 5.1: and the session ID is that of the outer ClientHello."""
    short = encoded_inner(INNER_HELLO, codes(SHARED), config())
    assert bytes(range(32)) not in short and b"private.example" in short and b"s" * 32 not in short
    assert decoded_inner(short, OUTER_HELLO) == INNER_HELLO


def test_without_anything_shared_it_is_whole() -> None:
    short = encoded_inner(INNER_HELLO, (), config())
    assert bytes(range(32)) in short
    assert decoded_inner(short, with_extensions(OUTER_HELLO, (OUTER,))) == INNER_HELLO


@pytest.mark.parametrize("longest", [0, 20, 64, 255])
def test_padding_hides_the_length_of_the_name(longest: int) -> None:
    """RFC 9849 6.1.3: up to the longest name, then to a multiple of 32; no name is as long as the longest."""
    names = ["a.b", "private.example", "x" * 40 + ".example"]
    hellos = [
        with_extensions(INNER_HELLO, (*name, INNER, *SHARED))
        for name in [*((ext.ServerName(each),) for each in names), ()]
    ]
    sizes = [len(encoded_inner(hello, codes(SHARED), config(longest))) for hello in hellos]
    assert all(size % 32 == 0 for size in sizes)
    if longest >= 48:
        assert len(set(sizes)) == 1


def test_the_associated_data_is_the_outer_hello_without_its_payload() -> None:
    """RFC 9849 5.2."""
    bound = associated_data(OUTER_HELLO)
    assert len(bound) == len(body_of(OUTER_HELLO))
    assert bound == body_of(OUTER_HELLO).replace(b"payload", bytes(7))
    assert associated_data(with_payload(OUTER_HELLO, b"another")) == bound


def blamed(short: bytes, outer: ClientHello = OUTER_HELLO) -> tuple[Fault, str]:
    with pytest.raises(Blame) as refusal:
        decoded_inner(short, outer)
    return refusal.value.fault, str(refusal.value.facts.get("problem", refusal.value.facts.get("extension")))


def outer_extensions(*types: int) -> ext.OuterExtensions:
    return ext.OuterExtensions(types)


KEY_SHARE, ALGORITHMS, SUPPORTED = (
    ExtensionType.key_share,
    ExtensionType.signature_algorithms,
    ExtensionType.supported_versions,
)


@pytest.mark.parametrize(
    ("extensions", "problem"),
    [
        (
            (INNER, VERSIONS, outer_extensions(ExtensionType.cookie)),
            "the outer extension cookie, which is not there",
        ),
        ((INNER, VERSIONS, outer_extensions(KEY_SHARE, KEY_SHARE)), "the outer extension key_share twice"),
        (
            (INNER, VERSIONS, outer_extensions(KEY_SHARE, ALGORITHMS)),
            "signature_algorithms, which is not there in",
        ),
        ((VERSIONS, outer_extensions(ExtensionType.encrypted_client_hello)), "names encrypted_client_hello"),
        ((INNER, VERSIONS, outer_extensions(ExtensionType.ech_outer_extensions, KEY_SHARE)), "not there"),
        ((INNER, outer_extensions(SUPPORTED), outer_extensions(KEY_SHARE)), "ech_outer_extensions twice"),
        ((VERSIONS, outer_extensions(KEY_SHARE)), "no encrypted_client_hello of type inner"),
        ((OUTER, VERSIONS), "no encrypted_client_hello of type inner"),
        ((INNER,), "a version before TLS 1.3"),
        ((INNER, ext.SupportedVersions((0x0304, 0x0303))), "a version before TLS 1.3"),
    ],
)
def test_an_inner_hello_that_breaks_a_rule_is_refused(
    extensions: Sequence[ext.Extension], problem: str
) -> None:
    """RFC 9849 5.1, 7.1."""
    fault, found = blamed(encoded(*extensions))
    assert fault is Fault.BAD_INNER_HELLO and problem in found


def test_padding_and_session_id_are_checked() -> None:
    """RFC 9849 5.1."""
    good = (INNER, *SHARED)
    assert decoded_inner(encoded(*good, padding=bytes(99)), OUTER_HELLO)
    assert blamed(encoded(*good, padding=b"\0\0\1")) == (
        Fault.BAD_INNER_HELLO,
        "has padding that is not zero",
    )
    assert blamed(encoded(*good, session_id=b"s"))[1] == "has a session ID of its own"


def test_an_inner_hello_keeps_the_rules_of_every_hello() -> None:
    """RFC 9846 4.3: an extension both of its own and shared stands there twice; pre_shared_key comes last."""
    assert (
        blamed(encoded(INNER, VERSIONS, SHARES, outer_extensions(KEY_SHARE)))[0] is Fault.DUPLICATE_EXTENSION
    )
    psk = ext.PreSharedKeys((ext.PskIdentity(b"i", 1),), (bytes(32),))
    assert blamed(encoded(INNER, psk, VERSIONS))[0] is Fault.BINDER_NOT_LAST


@pytest.mark.parametrize("size", [0, 1, 40, 80])
def test_a_truncated_inner_hello_is_undecodable(size: int) -> None:
    fault, _ = blamed(encoded(INNER, *SHARED)[:size])
    assert fault is Fault.UNDECODABLE


def test_grease_versions_are_ignored() -> None:
    """RFC 8701."""
    grease = ext.SupportedVersions((0x0A0A, 0x0304))
    assert decoded_inner(encoded(INNER, grease), OUTER_HELLO)


def test_many_references_cost_no_more_than_their_size() -> None:
    """RFC 9849 10.12.4: each outer extension is used once, so nothing becomes larger than what was sent."""
    many = tuple(ext.UnknownExtension(0x7000 + each, b"x" * 40) for each in range(120))
    outer = with_extensions(OUTER_HELLO, (*many, *SHARED, OUTER))
    inner = decoded_inner(
        encoded(INNER, VERSIONS, outer_extensions(*(0x7000 + each for each in range(120)))), outer
    )
    assert len(body_of(inner)) < len(body_of(outer)) + len(encoded(INNER, VERSIONS))


# -- by another reading of the RFC -----------------------------------------------------------------------

RETRIED = ext.Cookie(b"c")
STRANGE = ext.UnknownExtension(0x5A5A, b"?")
KEYS = ext.PreSharedKeys((ext.PskIdentity(b"k", 0),), (bytes(32),))
TWELVE = ext.SupportedVersions((0x0304, 0x0303))
OUTSIDE = (*SHARED, ext.ServerName("public.example"), RETRIED, STRANGE, OUTER)
WITHIN = (*SHARED, NAME, INNER, STRANGE, TWELVE, OUTER, RETRIED)


def expanded(short: ClientHello, padding: bytes, outer: ClientHello) -> ClientHello | None:
    """What RFC 9849 5.1 makes of it, step by step over lists; None for what it has a server refuse."""
    those = list(short.extensions or ())
    if padding.strip(b"\0") or short.legacy_session_id:
        return None
    places = [at for at, each in enumerate(those) if isinstance(each, ext.OuterExtensions)]
    if len(places) > 1:
        return None
    for place in places:
        reference = those[place]
        assert isinstance(reference, ext.OuterExtensions)
        outside = [code(each) for each in outer.extensions or ()]
        if 0xFE0D in reference.types or len(set(reference.types)) < len(reference.types):
            return None
        if any(each not in outside for each in reference.types):
            return None
        where = [outside.index(each) for each in reference.types]
        if where != sorted(where):
            return None
        those[place : place + 1] = [(outer.extensions or ())[at] for at in where]
    kinds = [code(each) for each in those]
    versions = [each.versions for each in those if isinstance(each, ext.SupportedVersions)]
    if len(set(kinds)) < len(kinds) or INNER not in those or versions != [(0x0304,)]:
        return None
    if 41 in kinds[:-1]:
        return None
    return replace(short, legacy_session_id=outer.legacy_session_id, extensions=tuple(those))


@pytest.mark.parametrize("part", range(4))
def test_decoding_agrees_with_a_second_implementation_of_the_rfc(part: int, full: bool) -> None:
    """RFC 9849 5.1, for drawn extensions within and outside, and drawn references: taken, or refused, by both."""
    taken = 0
    for number in range(5000 if full else 250):
        chance = random.Random(f"{part} {number}")
        around = chance.sample(OUTSIDE, chance.choice((len(OUTSIDE), 6)))
        outer = with_extensions(OUTER_HELLO, (*around, *([KEYS] if chance.random() < 0.2 else [])))
        named = [code(each) for each in outer.extensions or () if chance.random() < 0.4 and each != OUTER]
        if chance.random() < 0.2:
            named.insert(chance.randrange(len(named) + 1), chance.choice((0xFE0D, 0xFD00, 41, 0x1234, 10)))
        if chance.random() < 0.2:
            chance.shuffle(named)
        own = [
            each for each in WITHIN if code(each) not in named and each != TWELVE and chance.random() < 0.3
        ]
        own += [] if INNER in own or chance.random() < 0.1 else [INNER]
        own += (
            [VERSIONS]
            if code(VERSIONS) not in named and VERSIONS not in own and chance.random() < 0.9
            else []
        )
        own += chance.sample(WITHIN, chance.choice((0, 0, 0, 0, 1)))
        for _ in range(chance.choice((0, 1, 1, 1, 1, 1, 1, 2)) if named else 0):
            own.insert(chance.randrange(len(own) + 1), ext.OuterExtensions(tuple(named)))
        own += [KEYS] if chance.random() < 0.1 else []
        padding = bytes(chance.choice((0, 1, 40))) + chance.choice((b"", b"", b"", b"", b"\1", b"\0\1\0"))
        session_id = chance.choice((b"", b"", b"", b"", b"own"))
        short = replace(INNER_HELLO, legacy_session_id=session_id, extensions=tuple(own))
        expected = expanded(short, padding, outer)
        try:
            got = decoded_inner(body_of(short) + padding, outer)
        except Blame:
            got = None
        assert got == expected, f"{part} {number}: {own}, {padding!r}, {outer.extensions}"
        taken += got is not None
    assert taken > 20
