"""The client behind a proxy that terminates TLS: the headers of RFC 9440, verified here.

A header counts only on a connection whose authenticated peer is that proxy. It contains a certificate chain, which is
verified as in a handshake; that the client holds the private key is asserted by the proxy alone.
"""

from __future__ import annotations

import base64
import binascii
import logging
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

from bothways.errors import ConfigError, logged
from bothways.http.asgi import OWN, TLS, App, Receive, Scope, Send, extensions_of, identity
from bothways.http.caller import CHAIN_LIMIT, Caller
from bothways.http.rules import PeerRules
from bothways.tls.events import Peer
from bothways.trust.access.cel import CelRule
from bothways.trust.access.peer_rules import Rule
from bothways.trust.access.rule import PeerRule
from bothways.trust.anchors import TrustStore
from bothways.trust.revocation import Revocation
from bothways.trust.verdict import Purpose, Trusted
from bothways.trust.verification import verify

logger = logging.getLogger("bothways")

CERTIFICATE, CHAIN = b"client-cert", b"client-cert-chain"
HEADER_LIMIT = 128 * 1024


class FromProxy:
    """An application behind a proxy that is a client of ours: its caller is the one in the proxy's headers.

    app: the application.  proxy: the rule that the proxy's own certificate must match.  anchors: the trust anchors for
    clients.  revocation: how their certificates are checked for revocation.  now: returns the time, with its time
    zone.  The headers of requests of other peers are ignored; a request of the proxy without a header, or with a chain
    that is not accepted, has no caller. Raises ConfigError.
    """

    def __init__(
        self,
        app: App,
        *,
        proxy: Rule,
        anchors: TrustStore,
        revocation: Revocation | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        if not isinstance(proxy, PeerRule | CelRule):
            raise ConfigError("proxy: expected a PeerRule or a CelRule that its certificate matches")
        if not isinstance(anchors, TrustStore):
            raise ConfigError(
                "anchors: expected a TrustStore, by which the certificates of callers are verified"
            )
        self._app = app
        self._proxy = PeerRules(proxy)
        self._anchors = anchors
        self._revocation = revocation
        self._now = now

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        if scope["type"] in ("http", "websocket") and self._is_proxy(identity(scope)):
            told = extensions_of(Caller(self._caller(scope.get("headers", ()))))
            told[TLS] |= {
                "tls_version": None,
                "cipher_suite": None,
            }  # these describe the connection of the proxy
            scope = {**scope, "extensions": {**scope["extensions"], TLS: told[TLS], OWN: told[OWN]}}
        await self._app(scope, receive, send)

    def _is_proxy(self, peer: Peer | None) -> bool:
        return peer is not None and self._proxy.objection(peer) is None

    def _caller(self, headers: Iterable[tuple[bytes, bytes]]) -> Peer | None:
        """Return the client in the headers, if its chain is accepted."""
        try:
            chain = shown_chain(headers)
        except ValueError as error:
            logger.warning("the client certificate in a proxy's header cannot be decoded: %s", error)
            return None
        if not chain:
            return None
        verdict = verify(
            chain,
            self._anchors,
            purpose=Purpose.CLIENT,
            name=None,
            at=self._now(),
            revocation=self._revocation,
        )
        if isinstance(verdict, Trusted):
            return Peer(verdict)
        logger.info("a client in a proxy's header is refused: %s", logged(verdict.reasons[0]))
        return None


def shown_chain(headers: Iterable[tuple[bytes, bytes]]) -> list[bytes]:
    """Return the certificates of Client-Cert and Client-Cert-Chain in DER, the client's first (RFC 9440 2).

    Empty without these headers. Raises ValueError for headers that violate the RFC, such as two with one name.
    """
    found: dict[bytes, bytes] = {}
    for name, value in headers:
        lower = name.lower()
        if lower in (CERTIFICATE, CHAIN):
            if lower == CERTIFICATE and lower in found:
                raise ValueError("several Client-Cert headers")
            found[lower] = b",".join(filter(None, (found.get(lower), value)))
            if len(found[lower]) > HEADER_LIMIT:
                raise ValueError(f"a header of more than {HEADER_LIMIT} bytes")
    if CERTIFICATE not in found:
        return []
    chain = [_octets(found[CERTIFICATE])]
    if CHAIN in found:
        chain += [_octets(each) for each in found[CHAIN].split(b",", CHAIN_LIMIT)]
    if len(chain) > CHAIN_LIMIT:
        raise ValueError(f"a chain of more than {CHAIN_LIMIT} certificates")
    return chain


def _octets(value: bytes) -> bytes:
    """Decode a byte sequence: base64 between colons (RFC 9651 3.3.5)."""
    text = value.strip(b" \t")
    if len(text) < 3 or text[:1] != b":" or text[-1:] != b":":
        raise ValueError("no byte sequence between colons")
    try:
        return base64.b64decode(text[1:-1], validate=True)
    except binascii.Error:
        raise ValueError("no base64 between colons") from None
