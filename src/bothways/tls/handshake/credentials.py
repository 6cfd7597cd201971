"""Which of our credentials the peer is shown, and by which scheme their key signs: pure choices among what fits."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from bothways.faults import Fault, blame
from bothways.iana import SignatureScheme
from bothways.iana import names as all_spelled
from bothways.roles import Version
from bothways.tls.crypto.signing import schemes_for
from bothways.tls.events import Caution
from bothways.tls.handshake.negotiation import request_schemes
from bothways.tls.handshake.oid_filters import holds
from bothways.tls.wire import extensions as ext
from bothways.tls.wire.tls13 import CertificateRequest
from bothways.trust.credentials import Credentials


def choose_server_credentials(
    named: Sequence[Credentials], offered: Sequence[int], accepted: Sequence[int]
) -> tuple[Credentials, int]:
    """Choose the first of the credentials for a name whose key fits, and the scheme to sign with.

    RFC 9846 4.5.1.2.
    """
    asked = frozenset(accepted).intersection(offered)
    for credentials in named:
        scheme = choose_scheme(credentials, asked, accepted)
        if scheme is not None:
            return credentials, scheme
    makeable = {scheme for each in named for scheme in schemes_for(each.certificate, Version.TLS13)}
    blame(
        Fault.NO_SHARED_SCHEME,
        offered=all_spelled(SignatureScheme, tuple(offered)),
        accepted=all_spelled(SignatureScheme, sorted(makeable & set(accepted))),
    )


def credentials_for(
    own: Sequence[Credentials], server_name: str | None, refuse_unknown: bool
) -> Sequence[Credentials]:
    """Return the credentials that stand for the name that the client asks for, else `own` (RFC 6066 3)."""
    named = [each for each in own if server_name is not None and each.matches(server_name)]
    if server_name is not None and not named and refuse_unknown:
        blame(Fault.UNKNOWN_SERVER_NAME, name=server_name)
    return named or own


def choose_scheme(
    credentials: Credentials,
    offered: Collection[int],
    accepted: Sequence[int],
    version: Version = Version.TLS13,
) -> int | None:
    """Choose the first scheme of ours that the peer offers and that fits the key (RFC 9846 4.3.3).

    offered: best a set, since a peer may offer many thousands, and some servers have many credentials.
    """
    fitting = schemes_for(credentials.certificate, version)
    return next((scheme for scheme in accepted if scheme in offered and scheme in fitting), None)


@dataclass(frozen=True, slots=True)
class ClientChoice:
    """Which certificate a client sends, how it signs, and what its user should know."""

    credentials: Credentials | None = None
    scheme: int = 0
    warning: Caution | None = None

    @property
    def cautions(self) -> tuple[Caution, ...]:
        """The warning, if there is one."""
        return () if self.warning is None else (self.warning,)


def choose_for_request(
    own: Sequence[Credentials], request: CertificateRequest, accepted: Sequence[int]
) -> ClientChoice:
    """Choose the client's certificate by a request of TLS 1.3 (RFC 9846 4.4.2)."""
    authorities = ext.find(request.extensions, ext.CertificateAuthorities)
    asked = ext.find(request.extensions, ext.OidFilters)
    return choose_client_credentials(
        own,
        request_schemes(request),
        None if authorities is None else authorities.authorities,
        accepted,
        () if asked is None else asked.filters,
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
    """Choose the client's certificate by what the server asked for (RFC 9846 4.3.4, 4.3.5, 4.5.1.3).

    The first that holds what it filters by, whose key fits and whose chain leads to an authority that it
    named. When none leads there, the only one there is goes all the same, since servers' lists are often
    incomplete, and of several none, since a wrong identity would be shown.
    """
    if not own:
        return ClientChoice(warning=Caution.NO_CREDENTIALS)
    asked = frozenset(accepted).intersection(schemes)
    holding = [each for each in own if holds(each.certificate, filters)]
    if not holding:
        return ClientChoice(warning=Caution.NO_USAGE_AS_ASKED)
    fitting = [
        (each, scheme)
        for each in holding
        if (scheme := choose_scheme(each, asked, accepted, version)) is not None
    ]
    if not fitting:
        return ClientChoice(warning=Caution.NO_FITTING_SCHEME)
    for credentials, scheme in fitting:
        if not authorities or credentials.is_issued_by(authorities):
            return ClientChoice(credentials, scheme)
    if len(own) > 1:
        return ClientChoice(warning=Caution.NO_MATCHING_AUTHORITY_OF_SEVERAL)
    return ClientChoice(*fitting[0], Caution.NO_MATCHING_AUTHORITY)
