"""What a client has offered in its ClientHello, and keeps until the server has answered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from bothways.tls.crypto.groups import KeyOffer
from bothways.tls.crypto.hpke import Context, HpkeSuite
from bothways.tls.ech.configs import ECHConfig
from bothways.tls.handshake.client.psks import OfferedPSK
from bothways.tls.keys.transcript import Transcript
from bothways.tls.resumption.session_store import SessionKey
from bothways.tls.wire.hello import ClientHello


class EncryptedOffer(NamedTuple):
    """The two ClientHellos of an encrypted one: which of them counts is the server's choice (RFC 9849 6.1).

    context: with it the second one is encrypted after a HelloRetryRequest.  transcript: that of the inner ClientHello.
    """

    config: ECHConfig
    suite: HpkeSuite
    context: Context
    outer: ClientHello
    transcript: Transcript


class Offered(NamedTuple):
    """A ClientHello, the private keys of its key shares, and the PSKs that it offers, in its order.

    kept_by: the key under which the client stores its sessions; None if it stores none.  encrypted: the other of two
    ClientHellos, if it was encrypted.  is_rejected: the server did not decrypt it, and `hello` is the outer one.
    """

    hello: ClientHello
    shares: Sequence[KeyOffer]
    psks: tuple[OfferedPSK, ...]
    kept_by: SessionKey | None
    encrypted: EncryptedOffer | None = None
    is_rejected: bool = False

    def share_of(self, group: int) -> KeyOffer | None:
        """Return our share for `group`, if we sent one."""
        for share in self.shares:
            if share.group == group:
                return share
        return None
