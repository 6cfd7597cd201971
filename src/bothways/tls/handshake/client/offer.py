"""What the ClientHello of a configuration offers: its extensions, and the groups that get a key share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from bothways.iana import ECPointFormat, NamedGroup, PskKeyExchangeMode
from bothways.roles import Version
from bothways.tls.crypto.groups import GROUPS
from bothways.tls.handshake.settings import Negotiation, registry_codes
from bothways.tls.record.protection import LARGEST_RECORD
from bothways.tls.wire import extensions as ext


def shares_for(offer: Negotiation, key_shares: Iterable[str] | None) -> tuple[int, ...]:
    """Return the groups with a key share in the first ClientHello, in the order of the groups.

    By default the first group, and the first that is no post-quantum hybrid, so that a HelloRetryRequest is rare. TLS
    1.2 has no key shares in the ClientHello.
    """
    groups = offer.groups
    if Version.TLS13 not in offer.versions:
        registry_codes("key_shares", key_shares or (), NamedGroup, GROUPS, empty=True)
        return ()
    if key_shares is None:
        classic = [code for code in groups if "MLKEM" not in NamedGroup(code).name]
        return tuple(dict.fromkeys((groups[0], *classic[:1])))
    shares = registry_codes("key_shares", key_shares, NamedGroup, groups, empty=True)
    return tuple(code for code in groups if code in shares)


def hello_extensions(
    offer: Negotiation,
    *,
    asks_status: bool,
    shown_later: bool,
    uses_psks: bool,
    record_size_limit: int | None = None,
) -> Iterator[ext.Extension]:
    """Yield the extensions of every ClientHello, without server_name and key_share (RFC 9846 4.2.2)."""
    yield ext.SupportedGroups(offer.groups)
    yield ext.SignatureAlgorithms(offer.schemes)
    if offer.certificate_schemes is not None:
        yield ext.SignatureAlgorithmsCert(offer.certificate_schemes)
    if offer.protocols:
        yield ext.ApplicationProtocols(offer.protocols)
    if asks_status:
        yield ext.StatusRequest()
    if record_size_limit is not None:
        yield ext.RecordSizeLimit(min(record_size_limit, LARGEST_RECORD[max(offer.versions)]))
    if Version.TLS12 in offer.versions:
        yield ext.EcPointFormats((ECPointFormat.uncompressed,))
        yield ext.ExtendedMainSecret()
        yield ext.RenegotiationInfo(b"")
    if Version.TLS13 in offer.versions:
        yield ext.SupportedVersions(offer.versions)
        if offer.compressions:
            yield ext.CompressCertificate(offer.compressions)
        if shown_later:
            yield ext.PostHandshakeAuth()
        if uses_psks:
            yield ext.PskKeyExchangeModes((PskKeyExchangeMode.psk_dhe_ke,))
