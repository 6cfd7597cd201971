"""Choices and checks of the hello messages of TLS 1.2: pure functions, as those of TLS 1.3 in `negotiation`."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple, NoReturn

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from bothways.faults import Fault, blame
from bothways.iana import (
    CipherSuite,
    ClientCertificateType,
    CompressionMethod,
    ECPointFormat,
    NamedGroup,
    ProtocolVersion,
    SignatureScheme,
)
from bothways.iana import name as spelled
from bothways.iana import names as all_spelled
from bothways.roles import Version
from bothways.tls.crypto.groups import CLASSIC_GROUPS
from bothways.tls.crypto.signing import SCHEMES12, curve_of, schemes_for
from bothways.tls.crypto.suites import SUITES12, Suite
from bothways.tls.handshake.credentials import (
    ClientChoice,
    choose_client_credentials,
    credentials_for,
)
from bothways.tls.handshake.negotiation import (
    DOWNGRADE_TO_12,
    asked_name,
    check_protocol,
)
from bothways.tls.handshake.settings import Settings
from bothways.tls.wire import extensions as ext
from bothways.tls.wire.hello import ClientHello, ServerHello
from bothways.tls.wire.tls12 import CertificateRequest
from bothways.trust.certificate.parsed import ParsedCertificate
from bothways.trust.own_identity.credentials import Credentials

# Used for a client that sends no supported_groups (RFC 4492 5.1.1).
FIRST_GROUPS = (NamedGroup.secp256r1, NamedGroup.secp384r1, NamedGroup.secp521r1)


class Offer12(NamedTuple):
    """The offer of a ClientHello for TLS 1.2."""

    hello: ClientHello
    groups: tuple[int, ...]
    schemes: tuple[int, ...]
    server_name: str | None
    protocols: tuple[bytes, ...] | None
    extended_main_secret: bool
    signals_renegotiation: bool
    names_point_formats: bool


class Choice12(NamedTuple):
    """What a server chose from a ClientHello; group and scheme are 0 for RSA key transport.

    by_name: the server name was used for the choice.  record_size: our limit of records, for a client that has one.
    """

    suite: Suite
    credentials: Credentials
    group: int
    scheme: int
    by_name: bool
    record_size: tuple[ext.RecordSizeLimit, ...] = ()


RSA_SCHEMES = frozenset(int(scheme) for scheme in SignatureScheme if scheme.name.startswith("rsa_"))


def read_offer_12(hello: ClientHello) -> Offer12:
    """Check a ClientHello by RFC 5246 7.4.1.2, RFC 5746 3.6 and RFC 8422 5.1, and return its offer."""
    if CompressionMethod.null not in hello.legacy_compression_methods:
        offered = all_spelled(CompressionMethod, list(hello.legacy_compression_methods))
        blame(Fault.LACKS_NULL_COMPRESSION, offered=offered)
    extensions = hello.extensions or ()
    groups = ext.find(extensions, ext.SupportedGroups)
    schemes = ext.find(extensions, ext.SignatureAlgorithms)
    protocols = ext.find(extensions, ext.ApplicationProtocols)
    formats = ext.find(extensions, ext.EcPointFormats)
    if formats is not None and ECPointFormat.uncompressed not in formats.formats:
        blame(Fault.NO_UNCOMPRESSED_POINTS)
    renegotiation = ext.find(extensions, ext.RenegotiationInfo)
    if renegotiation is not None and renegotiation.renegotiated_connection:
        blame(Fault.BAD_RENEGOTIATION_INFO)
    return Offer12(
        hello,
        groups.groups if groups is not None else FIRST_GROUPS,
        schemes.schemes if schemes is not None else (),
        asked_name(extensions),
        protocols.protocols if protocols is not None else None,
        ext.find(extensions, ext.ExtendedMainSecret) is not None,
        renegotiation is not None or CipherSuite.TLS_EMPTY_RENEGOTIATION_INFO_SCSV in hello.cipher_suites,
        formats is not None,
    )


def choose_12(settings: Settings, offer: Offer12) -> Choice12:
    """Choose the first of our cipher suites that can be used with this client (RFC 5246 7.4.1.3, RFC 8422 5).

    A cipher suite determines the type of the signing key, so suite, credentials and scheme are chosen together; an
    ECDSA key must be on a curve that the client offers (RFC 8422 5.3).
    """
    own = settings.identity.indexed
    named, by_name = credentials_for(own, offer.server_name, settings.identity.refuses_unknown_name)
    shared = shared_suites_12(settings.negotiation.suites, offer)
    groups = [group for group in settings.negotiation.groups if group in CLASSIC_GROUPS]
    group = next((group for group in groups if group in offer.groups), None)
    shared_schemes = frozenset(settings.negotiation.schemes).intersection(offer.schemes)
    curves = frozenset(FIRST_GROUPS).intersection(offer.groups)
    signable = False
    for suite in shared:
        for credentials in named:
            if suite.is_key_transport:
                if may_decipher(credentials):
                    return Choice12(suite, credentials, 0, 0, by_name)
                continue
            scheme = choose_scheme_12(credentials, suite, shared_schemes, settings.negotiation.schemes)
            if scheme is not None and group is not None and _is_on_listed_curve(curves, credentials):
                return Choice12(suite, credentials, group, scheme, by_name)
            signable = signable or scheme is not None
    if not signable:
        _blame_schemes(settings, offer, named, shared_schemes)
    _blame_groups(offer, groups, named, group)


def _is_on_listed_curve(curves: Collection[int], credentials: Credentials) -> bool:
    """Whether an ECDSA key is on one of the curves; True for any other key (RFC 8422 5.3)."""
    curve = curve_of(credentials.certificate)
    return curve is None or curve in curves


def _blame_groups(
    offer: Offer12, groups: list[int], named: Sequence[Credentials], group: int | None
) -> NoReturn:
    """Blame a client without a common group, or whose groups exclude the curves of our certificates.

    group: the common group for the key exchange, None if there is none.
    """
    offered = all_spelled(NamedGroup, offer.groups)
    if group is None:
        blame(Fault.NO_SHARED_GROUP, offered=offered, accepted=all_spelled(NamedGroup, groups))
    curves = {curve for each in named if (curve := curve_of(each.certificate)) is not None}
    blame(
        Fault.NO_CERTIFICATE_ON_OFFERED_CURVE,
        offered=offered,
        accepted=all_spelled(NamedGroup, sorted(curves)),
    )


def check_curve(leaf: ParsedCertificate, offered: Sequence[int]) -> None:
    """Blame a server whose ECDSA key is on a curve that we did not offer (RFC 8422 5.1.1, 5.3)."""
    curve = curve_of(leaf.x509)
    if curve is not None and curve not in offered:
        blame(
            Fault.CERTIFICATE_ON_UNOFFERED_CURVE,
            got=spelled(NamedGroup, curve),
            offered=all_spelled(NamedGroup, tuple(offered)),
        )


def shared_suites_12(codes: Sequence[int], offer: Offer12) -> list[Suite]:
    """Return the cipher suites that both sides support, in our order; blame the client if there is none."""
    spoken = [code for code in codes if code in SUITES12]
    shared = [SUITES12[code] for code in spoken if code in offer.hello.cipher_suites]
    if not shared:
        _blame_suites(offer, spoken)
    return shared


def _blame_suites(offer: Offer12, accepted: list[int]) -> NoReturn:
    blame(
        Fault.NO_SHARED_CIPHER_SUITE,
        offered=all_spelled(CipherSuite, offer.hello.cipher_suites),
        accepted=all_spelled(CipherSuite, accepted),
    )


def _blame_schemes(
    settings: Settings, offer: Offer12, named: Sequence[Credentials], shared: Collection[int]
) -> NoReturn:
    """Blame a client that offers no signature scheme which our keys support, or no suite for such a key.

    shared: the schemes that both sides accept.
    """
    makeable = {
        scheme for each in named if may_sign(each) for scheme in schemes_for(each.certificate, Version.TLS12)
    }
    if not makeable.isdisjoint(shared):
        ours = [SUITES12[code] for code in settings.negotiation.suites if code in SUITES12]
        accepted = [each.code for each in ours if any(map(each.is_signed_by, makeable))]
        _blame_suites(offer, accepted)
    blame(
        Fault.NO_SHARED_SCHEME,
        offered=all_spelled(SignatureScheme, offer.schemes),
        accepted=all_spelled(SignatureScheme, sorted(makeable & set(settings.negotiation.schemes))),
    )


def choose_scheme_12(
    credentials: Credentials, suite: Suite, offered: Collection[int], accepted: Sequence[int]
) -> int | None:
    """Choose a scheme that fits the key and the cipher suite (RFC 8422 5.4).

    None for a key whose certificate does not allow signatures, which clients check too (RFC 5246 7.4.2).
    """
    if not may_sign(credentials):
        return None
    fitting = schemes_for(credentials.certificate, Version.TLS12)
    return next(
        (each for each in accepted if each in offered and each in fitting and suite.is_signed_by(each)), None
    )


def check_server_hello_12(
    hello: ClientHello, answer: ServerHello, *, needs_extended_main_secret: bool
) -> Suite:
    """Check the server's choices in TLS 1.2 (RFC 5246 7.4.1.3, RFC 5746 3.4, RFC 7627 5.2)."""
    suite = SUITES12.get(answer.cipher_suite)
    if suite is None or answer.cipher_suite not in hello.cipher_suites:
        blame(Fault.UNOFFERED_CIPHER_SUITE, got=spelled(CipherSuite, answer.cipher_suite))
    if answer.legacy_compression_method != CompressionMethod.null:
        blame(Fault.UNOFFERED_COMPRESSION, got=spelled(CompressionMethod, answer.legacy_compression_method))
    extensions = answer.extensions or ()
    renegotiation = ext.find(extensions, ext.RenegotiationInfo)
    if renegotiation is None:
        blame(Fault.NO_SECURE_RENEGOTIATION)
    if renegotiation.renegotiated_connection:
        blame(Fault.BAD_RENEGOTIATION_INFO)
    if needs_extended_main_secret and ext.find(extensions, ext.ExtendedMainSecret) is None:
        blame(Fault.NO_EXTENDED_MAIN_SECRET)
    formats = ext.find(extensions, ext.EcPointFormats)
    if formats is not None and ECPointFormat.uncompressed not in formats.formats:
        blame(Fault.NO_UNCOMPRESSED_POINTS)
    return suite


def chosen_protocol_12(hello: ClientHello, answer: ServerHello) -> bytes | None:
    """Return the application protocol that the server chose (RFC 7301 3.1)."""
    return check_protocol(hello, ext.find(answer.extensions or (), ext.ApplicationProtocols))


def choose_client_credentials_12(
    own: Sequence[Credentials], request: CertificateRequest, accepted: Sequence[int]
) -> ClientChoice:
    """Choose the client's certificate for the server's request (RFC 5246 7.4.4, RFC 8422 5.5)."""
    schemes = request.supported_signature_algorithms
    with_rsa = ClientCertificateType.rsa_sign in request.certificate_types
    with_others = ClientCertificateType.ecdsa_sign in request.certificate_types
    if not (with_rsa and with_others):
        schemes = tuple([each for each in schemes if (with_rsa if is_rsa(each) else with_others)])
    authorities = request.certificate_authorities
    return choose_client_credentials(own, schemes, authorities, accepted, version=Version.TLS12)


def may_decipher(credentials: Credentials) -> bool:
    """Whether the key can be used for RSA key transport: a local RSA key that allows keyEncipherment."""
    return isinstance(credentials.key, RSAPrivateKey) and credentials.allows_key_usage("key_encipherment")


def may_sign(credentials: Credentials) -> bool:
    """Whether the key may be used for signatures."""
    return credentials.allows_key_usage("digital_signature")


def schemes_12(schemes: Sequence[int]) -> tuple[int, ...]:
    """Return those of the schemes that TLS 1.2 supports; ML-DSA is not among them."""
    return tuple(scheme for scheme in schemes if scheme in SCHEMES12)


def is_rsa(scheme: int) -> bool:
    """Whether a scheme uses an RSA key."""
    return scheme in RSA_SCHEMES


def marked_random(random: bytes, best_version: int) -> bytes:
    """Return a server's random with the downgrade value for clients of TLS 1.3 (RFC 9846 4.2.3).

    best_version: the highest one that the server supports; without TLS 1.3 the random stays as it is.
    """
    return random[:24] + DOWNGRADE_TO_12 if best_version > ProtocolVersion.TLSv1_2 else random
