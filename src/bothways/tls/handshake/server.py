"""The start of a server's handshake: the ClientHello, then the script of the version that the server chooses."""

from __future__ import annotations

from bothways.roles import Version
from bothways.tls.handshake.context import HandshakeContext
from bothways.tls.handshake.negotiation import choose_version
from bothways.tls.handshake.outcome import HandshakeResult, Negotiated
from bothways.tls.handshake.script import Agreed, Script, expect
from bothways.tls.handshake.server12 import server_handshake_12
from bothways.tls.handshake.server13 import server_handshake_13
from bothways.tls.handshake.settings import Settings
from bothways.tls.handshake.steps import Step
from bothways.tls.wire.hello import ClientHello


def server_handshake(hs: HandshakeContext, settings: Settings) -> Script[HandshakeResult]:
    """Read the ClientHello, then continue with the script of the chosen version (RFC 9846 2).

    Nothing may follow the ClientHello in its record, since the client has to wait for the answer (RFC 9846 5.1).
    """
    hello = yield from expect(Step.WAIT_CH, ClientHello)
    hs.inbox.check_record_ends()
    version = choose_version(hello, settings.negotiation.versions)
    yield Agreed(Negotiated(version))
    if version is Version.TLS12:
        return (yield from server_handshake_12(hs, settings, hello))
    return (yield from server_handshake_13(hs, settings, hello))
