"""Which of our credentials the peer gets, and the signature scheme: pure functions."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from bothways.faults import Fault, blame
from bothways.iana import SignatureScheme
from bothways.iana import names as all_spelled
from bothways.roles import Version
from bothways.tls.crypto.signing import schemes_for
from bothways.tls.events import Caution
from bothways.tls.handshake.certificate_types import RAW, X509
from bothways.tls.handshake.negotiation import request_schemes
from bothways.tls.handshake.oid_filters import holds
from bothways.tls.handshake.own_credentials import OwnCredentials
from bothways.tls.wire import extensions as ext
from bothways.tls.wire.tls13 import CertificateRequest
from bothways.trust.own_identity.credentials import Credentials
from bothways.trust.own_identity.raw_key import RawKeyCredentials

Own = Credentials | RawKeyCredentials


def choose_server_credentials(
    named: Sequence[Own], offered: Sequence[int], accepted: Sequence[int]
) -> tuple[Own, int]:
    """Choose the first credentials whose key fits a scheme of the client, and that scheme (RFC 9846 4.5.1.2).

    named: the candidates.  offered: the client's schemes.  accepted: ours, the preferred first.
    """
    shared = frozenset(accepted).intersection(offered)
    for credentials in named:
        scheme = choose_scheme(credentials, shared, accepted)
        if scheme is not None:
            return credentials, scheme
    makeable = {scheme for each in named for scheme in schemes_for(each.verifier, Version.TLS13)}
    blame(
        Fault.NO_SHARED_SCHEME,
        offered=all_spelled(SignatureScheme, tuple(offered)),
        accepted=all_spelled(SignatureScheme, sorted(makeable & set(accepted))),
    )


def credentials_for(
    own: OwnCredentials, server_name: str | None, refuse_unknown: bool
) -> tuple[Sequence[Credentials], bool]:
    """Return the credentials for the server name that the client sent, and whether there are any (RFC 6066 3).

    Without a match, those that differ by their kind of key are returned.
    refuse_unknown: blame a client whose server name matches no credentials.
    """
    named = () if server_name is None else own.named(server_name)
    if server_name is not None and not named and refuse_unknown:
        blame(Fault.UNKNOWN_SERVER_NAME, name=server_name)
    return (named, True) if named else (own.of_each_kind, False)


def choose_scheme(
    credentials: Own,
    offered: Collection[int],
    accepted: Sequence[int],
    version: Version = Version.TLS13,
) -> int | None:
    """Choose the first of our schemes that the peer offers and that fits the key (RFC 9846 4.3.3).

    offered: preferably a set, since a peer may offer thousands, and a server may have many credentials.
    """
    fitting = schemes_for(credentials.verifier, version)
    for scheme in accepted:
        if scheme in offered and scheme in fitting:
            return scheme
    return None


@dataclass(frozen=True, slots=True)
class ClientChoice:
    """Which certificate or raw public key a client sends, its signature scheme, and a warning about the choice."""

    credentials: Own | None = None
    scheme: int = 0
    warning: Caution | None = None

    @property
    def cautions(self) -> tuple[Caution, ...]:
        """The warning as a tuple, empty without one."""
        return () if self.warning is None else (self.warning,)


def choose_for_request(
    own: Sequence[Own], request: CertificateRequest, accepted: Sequence[int], kind: int | None = X509
) -> ClientChoice:
    """Choose the client's certificate or raw public key for a CertificateRequest of TLS 1.3 (RFC 9846 4.4.2).

    own: those of the kind that the server asks for.
    """
    if kind == RAW:
        return choose_raw_key(own, request, accepted)
    authorities = ext.find(request.extensions, ext.CertificateAuthorities)
    oid_filters = ext.find(request.extensions, ext.OidFilters)
    return choose_client_credentials(
        [each for each in own if isinstance(each, Credentials)],
        request_schemes(request),
        None if authorities is None else authorities.authorities,
        accepted,
        () if oid_filters is None else oid_filters.filters,
    )


def choose_raw_key(own: Sequence[Own], request: CertificateRequest, accepted: Sequence[int]) -> ClientChoice:
    """Choose whether our raw public key is sent for a CertificateRequest that asks for one (RFC 7250 4.2).

    It fits no oid_filters, which are about certificates, and needs no certificate_authorities.
    """
    schemes, filters = request_schemes(request), ext.find(request.extensions, ext.OidFilters)
    raw_key = next(iter(own), None)
    if raw_key is None:
        return ClientChoice(warning=Caution.NO_CREDENTIALS)
    if filters is not None and filters.filters:
        return ClientChoice(warning=Caution.NO_USAGE_AS_ASKED)
    scheme = choose_scheme(raw_key, frozenset(accepted).intersection(schemes), accepted)
    return (
        ClientChoice(warning=Caution.NO_FITTING_SCHEME) if scheme is None else ClientChoice(raw_key, scheme)
    )


def choose_client_credentials(
    own: Sequence[Credentials],
    schemes: Sequence[int],
    authorities: Sequence[bytes] | None,
    accepted: Sequence[int],
    filters: Sequence[ext.OidFilter] = (),
    *,
    version: Version = Version.TLS13,
) -> ClientChoice:
    """Choose the client's certificate for the server's request (RFC 9846 4.3.4, 4.3.5, 4.5.1.3).

    It is the first that matches the filters, whose key fits a scheme and whose chain leads to one of the `authorities`.
    If no chain does: with a single certificate it is sent nevertheless, since the lists of servers are often
    incomplete; with several none is sent, since the wrong identity might be disclosed.
    """
    if not own:
        return ClientChoice(warning=Caution.NO_CREDENTIALS)
    shared = frozenset(accepted).intersection(schemes)
    holding = [each for each in own if holds(each.certificate, filters)]
    if not holding:
        return ClientChoice(warning=Caution.NO_USAGE_AS_ASKED)
    fitting = [
        (each, scheme)
        for each in holding
        if (scheme := choose_scheme(each, shared, accepted, version)) is not None
    ]
    if not fitting:
        return ClientChoice(warning=Caution.NO_FITTING_SCHEME)
    for credentials, scheme in fitting:
        if not authorities or credentials.is_issued_by(authorities):
            return ClientChoice(credentials, scheme)
    if len(own) > 1:
        return ClientChoice(warning=Caution.NO_MATCHING_AUTHORITY_OF_SEVERAL)
    return ClientChoice(*fitting[0], Caution.NO_MATCHING_AUTHORITY)
