"""The start of a server's handshake: the ClientHello, a configuration chosen by it, the script of a version."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bothways.faults import Fault, blame
from bothways.roles import Version
from bothways.tls.handshake.context import HandshakeContext
from bothways.tls.handshake.negotiation import asked_name, choose_version, refuse_protocols
from bothways.tls.handshake.outcome import HandshakeResult, Negotiated
from bothways.tls.handshake.script import Agreed, Script, expect
from bothways.tls.handshake.server.ech import decrypt_hello
from bothways.tls.handshake.server.script12 import server_handshake_12
from bothways.tls.handshake.server.script13 import server_handshake_13
from bothways.tls.handshake.settings import Settings
from bothways.tls.handshake.steps import Step
from bothways.tls.wire import extensions as ext
from bothways.tls.wire.hello import ClientHello


@dataclass(frozen=True, slots=True)
class ServiceRequest:
    """What a client requests in its ClientHello; it is not authenticated yet.

    server_name: the requested server name, None without one (RFC 6066 3).  protocols: the application protocols that it
    offers (RFC 7301), the preferred one first; None without an offer.
    """

    server_name: str | None
    protocols: tuple[bytes, ...] | None


@dataclass(frozen=True, slots=True)
class ProtocolRequired:
    """In place of settings: a client has to offer one of these application protocols, and offers none of them."""

    protocols: tuple[bytes, ...]


Select = Callable[[ServiceRequest], Settings | ProtocolRequired | None]


def server_handshake(
    hs: HandshakeContext, settings: Settings, select: Select | None = None
) -> Script[HandshakeResult]:
    """Read the ClientHello, then continue with the script of the chosen version (RFC 9846 2).

    Nothing may follow the ClientHello in its record, since the client has to wait for the answer (RFC 9846 5.1).
    select: returns the settings for this request; None or the required protocols refuse it, before any key is computed.
    """
    hello = yield from expect(Step.WAIT_CH, ClientHello)
    hs.inbox.check_record_ends()
    received = decrypt_hello(hs, settings.ech_keys, hello)
    hello = received.hello
    if select is not None:
        settings = _selected(hs, hello, select)
    version = choose_version(hello, settings.negotiation.versions)
    yield Agreed(Negotiated(version))
    if version is Version.TLS12:
        result = yield from server_handshake_12(hs, settings, hello)
    else:
        result = yield from server_handshake_13(hs, settings, received)
    return result if select is None else result._replace(settings=settings)


def _selected(hs: HandshakeContext, hello: ClientHello, select: Select) -> Settings:
    extensions = hello.extensions or ()
    protocols = ext.find(extensions, ext.ApplicationProtocols)
    asked = ServiceRequest(asked_name(extensions), None if protocols is None else protocols.protocols)
    settings = select(asked)
    if settings is None:
        blame(Fault.UNKNOWN_SERVER_NAME, name=asked.server_name or "(none)")
    if isinstance(settings, ProtocolRequired):
        refuse_protocols(asked.protocols or (), settings.protocols)
    hs.belongs_to(settings)
    return settings
