"""What a client keeps of its offer."""

from __future__ import annotations

from bothways.iana import HandshakeType
from bothways.tls.handshake.client.offered import Offered
from bothways.tls.wire.hello import ClientHello
from tls.handshake.conversations import EXAMPLES


def test_an_offer_is_not_encrypted_unless_it_says_so() -> None:
    hello = EXAMPLES[HandshakeType.client_hello]
    assert isinstance(hello, ClientHello)
    offered = Offered(hello, (), None, None)
    assert offered.encrypted is None and not offered.is_rejected
