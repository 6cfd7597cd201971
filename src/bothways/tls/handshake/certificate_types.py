"""What each side authenticates itself with in TLS 1.3: a certificate or a raw public key (RFC 7250).

Pure functions: what a client offers, what a server chooses, and the checks of its answer. Without an offer or an answer
it is a certificate.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from bothways.faults import Fault, blame
from bothways.iana import CertificateType
from bothways.iana import name as spelled
from bothways.iana import names as all_spelled
from bothways.tls.handshake.settings import Settings
from bothways.tls.wire import extensions as ext
from bothways.tls.wire.hello import ClientHello
from bothways.tls.wire.tls13 import EncryptedExtensions

X509, RAW = int(CertificateType.X509), int(CertificateType.RawPublicKey)
DEFAULT = (X509,)


class CertificateTypes(NamedTuple):
    """What each side authenticates itself with. client: None where a server cannot ask its client."""

    server: int = X509
    client: int | None = X509


BOTH_BY_CERTIFICATE = CertificateTypes()


def client_offer(own: Sequence[int], accepted: Sequence[int]) -> Iterator[ext.Extension]:
    """Yield the extensions of a ClientHello; each is left out where only certificates are used (RFC 7250 4.1).

    own: what the client has.  accepted: what it accepts of the server, the preferred first.
    """
    if RAW in own:
        yield ext.ClientCertificateTypes(tuple(own))
    if RAW in accepted:
        yield ext.ServerCertificateTypes(tuple(accepted))


def types_offered_for_server(offered: ext.ServerCertificateTypes | None) -> tuple[int, ...]:
    """Return what a client accepts to authenticate the server, the preferred first. offered: in its ClientHello."""
    return DEFAULT if offered is None else offered.types


def client_type(offered: ext.ClientCertificateTypes | None, settings: Settings) -> int | None:
    """Choose what the client is asked for: the first of its types that we accept (RFC 7250 4.2).

    offered: in its ClientHello.  None where it can show nothing that we accept and is accepted without; where it is
    not, it is blamed.
    """
    trust = settings.trust
    if trust is None:
        return None
    types = DEFAULT if offered is None else offered.types
    accepted = trust.types
    for each in types:
        if each in accepted:
            return each
    if trust.requires_certificate:
        refuse_types(types, accepted, "client")
    return None


def refuse_types(offered: Sequence[int], accepted: Sequence[int], whose: str) -> None:
    """Blame a client with which we share no type (RFC 7250 4.2). whose: "client" or "server"."""
    blame(
        Fault.NO_SHARED_CERTIFICATE_TYPE,
        offered=all_spelled(CertificateType, tuple(offered)),
        accepted=all_spelled(CertificateType, tuple(accepted)),
        whose=whose,
    )


def server_answers(find: ext.Find, types: CertificateTypes) -> Iterator[ext.Extension]:
    """Yield the answers for EncryptedExtensions, each only if the client offered a choice (RFC 7250 4.2).

    find: finds the extensions of the ClientHello.
    """
    if types.client is not None and find(ext.ClientCertificateTypes) is not None:
        yield ext.ClientCertificateType(types.client)
    if find(ext.ServerCertificateTypes) is not None:
        yield ext.ServerCertificateType(types.server)


def chosen_types(hello: ClientHello, encrypted: EncryptedExtensions) -> CertificateTypes:
    """Return what the server chose of our offer; blame it for anything else (RFC 7250 4.2)."""
    extensions = hello.extensions or ()
    client = ext.find(encrypted.extensions, ext.ClientCertificateType)
    server = ext.find(encrypted.extensions, ext.ServerCertificateType)
    types = CertificateTypes(X509 if server is None else server.type, X509 if client is None else client.type)
    if server is not None:
        check_server_type(types, types_offered_for_server(ext.find(extensions, ext.ServerCertificateTypes)))
    if client is not None:
        own = ext.find(extensions, ext.ClientCertificateTypes)
        if own is None or client.type not in own.types:
            _refuse_choice(client.type, DEFAULT if own is None else own.types, "client")
    return types


def check_server_type(types: CertificateTypes, accepted: Sequence[int]) -> None:
    """Blame a server that authenticates itself with what we did not offer: a certificate where we have pins alone."""
    if types.server not in accepted:
        _refuse_choice(types.server, accepted, "server")


def _refuse_choice(chosen: int, offered: Sequence[int], whose: str) -> None:
    blame(
        Fault.UNOFFERED_CERTIFICATE_TYPE,
        got=spelled(CertificateType, chosen),
        offered=all_spelled(CertificateType, tuple(offered)),
        whose=whose,
    )
