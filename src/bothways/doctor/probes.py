"""ClientHellos that only find out what a server would choose; their handshakes are not completed.

They offer what bothways itself never offers, to show what a server still accepts. In TLS 1.3 they contain no key
share: the server names suite and group in a HelloRetryRequest, and nothing is computed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bothways.diagnosis.own_side.hello import OWN_KEY_TRANSPORT
from bothways.diagnosis.own_side.rare_suites import RARE_SUITES
from bothways.iana import (
    CipherSuite,
    CompressionMethod,
    ContentType,
    FormerGroup,
    FormerScheme,
    NamedGroup,
    ProtocolVersion,
    SignatureScheme,
)
from bothways.tls.defaults import RANDOMNESS
from bothways.tls.wire import extensions as ext
from bothways.tls.wire.flight import encode_message
from bothways.tls.wire.hello import ClientHello
from bothways.trust.path.name_matching import ServerName

SUITES_13 = tuple(int(suite) for suite in CipherSuite if suite >> 8 == 0x13)
SIGNALS = (CipherSuite.TLS_EMPTY_RENEGOTIATION_INFO_SCSV, CipherSuite.TLS_FALLBACK_SCSV)
SUITES_12 = tuple(int(suite) for suite in CipherSuite if suite >> 8 != 0x13 and suite not in SIGNALS)


def _named(*parts: str, without: tuple[str, ...] = ()) -> tuple[int, ...]:
    """Return the suites up to TLS 1.2 whose names contain all of `parts` and none of `without`."""
    found = ((code, CipherSuite(code).name) for code in SUITES_12)
    return tuple(
        code
        for code, name in found
        if all(part in name for part in parts) and not any(part in name for part in without)
    )


_NO_SECURITY = ("NULL", "EXPORT", "anon", "_DES_")
_BROKEN = ("RC4", "3DES", *_NO_SECURITY)
SUITES_WITH_GROUPS = _named("ECDHE", without=_BROKEN)
GOOD_SUITES_12 = (
    *_named("ECDHE", "GCM", without=_BROKEN),
    *_named("ECDHE", "POLY1305", without=_BROKEN),
    *_named("ECDHE", "CCM", without=_BROKEN),
)
# Suites that no server should accept any more, by the reason, the worst last (RFC 9325 4.2).
OUTDATED_SUITES: Mapping[str, tuple[int, ...]] = {
    "finite-field DHE": _named("_DHE_", without=(*_BROKEN, "CBC")),
    "CBC": _named("DHE_", "CBC", without=_BROKEN),
    "RSA key transport": tuple(
        dict.fromkeys((*sorted(OWN_KEY_TRANSPORT), *_named("TLS_RSA_WITH", without=_BROKEN)))
    ),
    "3DES": _named("3DES", without=_NO_SECURITY),
    "RC4": _named("RC4", without=_NO_SECURITY),
    "no protection": tuple(code for part in _NO_SECURITY for code in _named(part)),
}
GROUPS = (*map(int, NamedGroup), *map(int, FormerGroup))
SCHEMES = (*map(int, SignatureScheme), *map(int, FormerScheme))
PROBED_GROUPS = (
    NamedGroup.X25519MLKEM768,
    NamedGroup.SecP256r1MLKEM768,
    NamedGroup.SecP384r1MLKEM1024,
    NamedGroup.x25519,
    NamedGroup.secp256r1,
    NamedGroup.secp384r1,
    NamedGroup.secp521r1,
    NamedGroup.x448,
    NamedGroup.ffdhe2048,
)
VERSIONS = {
    int(ProtocolVersion.TLSv1_3): "TLS 1.3",
    int(ProtocolVersion.TLSv1_2): "TLS 1.2",
    int(ProtocolVersion.TLSv1_1): "TLS 1.1",
    int(ProtocolVersion.TLSv1): "TLS 1.0",
    int(ProtocolVersion.SSLv3): "SSL 3",
}


@dataclass(frozen=True, slots=True)
class ProbeOffer:
    """What one hello offers: versions (the highest first), suites, groups, application protocols, schemes.

    padding: bytes that only make it larger (RFC 7685).
    """

    versions: tuple[int, ...]
    suites: tuple[int, ...]
    groups: tuple[int, ...] = GROUPS
    protocols: tuple[bytes, ...] = ()
    schemes: tuple[int, ...] = SCHEMES
    padding: int = 0


# What a client of ours offers comes first: many servers choose what the client prefers.
FULL_OFFER = ProbeOffer(
    tuple(each for each in VERSIONS if each != ProtocolVersion.SSLv3),
    tuple(
        dict.fromkeys(
            (
                *SUITES_13,
                *GOOD_SUITES_12,
                *_named("DHE_", without=_BROKEN),
                *sorted(OWN_KEY_TRANSPORT),
                *SUITES_12,
            )
        )
    ),
    tuple(dict.fromkeys((*PROBED_GROUPS, *GROUPS))),
)
# Suites of TLS_PSK, TLS_DHE_PSK, TLS_RSA_PSK and TLS_ECDHE_PSK (RFC 4279, 5487, 5489, 6655, 7905, 8442), and of
# TLS_SRP_SHA (RFC 5054).
PRE_SHARED = ProbeOffer(
    (ProtocolVersion.TLSv1_2,),
    (*range(0xD001, 0xD006), *range(0xCCAB, 0xCCAF), *range(0xC035, 0xC039), *range(0xC0A4, 0xC0AC),
     *range(0xA8, 0xB8), *range(0x8A, 0x96), *range(0xC01A, 0xC023)),
)  # fmt: skip

# What a server of rare suites alone accepts; apart, since one that has others too may prefer these.
RARE = ProbeOffer((ProtocolVersion.TLSv1_2,), RARE_SUITES)


def offer_record(target: ServerName, offer: ProbeOffer) -> bytes:
    """Return the record with a ClientHello of this offer, for a server of this name."""
    best = offer.versions[0]
    legacy = min(best, ProtocolVersion.TLSv1_2)
    hello = ClientHello(
        legacy_version=legacy,
        random=RANDOMNESS.random(32),
        legacy_session_id=RANDOMNESS.random(32) if best == ProtocolVersion.TLSv1_3 else b"",
        cipher_suites=(*offer.suites, CipherSuite.TLS_EMPTY_RENEGOTIATION_INFO_SCSV),
        legacy_compression_methods=bytes([CompressionMethod.null]),
        extensions=None if best == ProtocolVersion.SSLv3 else tuple(_extensions(target, offer)),
    )
    body = encode_message(hello)
    record_version = min(legacy, ProtocolVersion.TLSv1)
    return (
        bytes([ContentType.handshake])
        + record_version.to_bytes(2, "big")
        + len(body).to_bytes(2, "big")
        + body
    )


def _extensions(target: ServerName, offer: ProbeOffer) -> list[ext.Extension]:
    found: list[ext.Extension] = [] if target.sni is None else [ext.ServerName(target.sni)]
    found += [ext.SupportedGroups(offer.groups), ext.SignatureAlgorithms(offer.schemes)]
    found += [ext.EcPointFormats((0,)), ext.ExtendedMainSecret(), ext.SessionTicket()]
    if offer.protocols:
        found.append(ext.ApplicationProtocols(offer.protocols))
    if offer.versions[0] == ProtocolVersion.TLSv1_3:
        found += [ext.SupportedVersions(offer.versions), ext.KeyShares(())]
    if offer.padding:
        found.append(ext.Padding(bytes(offer.padding)))
    return found
