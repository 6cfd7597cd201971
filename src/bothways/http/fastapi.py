"""FastAPI: `Require`, a dependency that allows certain clients and returns the client."""

try:
    from starlette.exceptions import HTTPException
    from starlette.requests import HTTPConnection
except ModuleNotFoundError as missing:
    raise ModuleNotFoundError(
        "bothways.http.fastapi needs FastAPI: pip install fastapi", name=missing.name
    ) from None

from bothways.http.asgi import identity
from bothways.http.rules import REFUSED, PeerRules
from bothways.tls.events import Peer
from bothways.trust.access.peer_rules import Rule
from bothways.trust.access.rule import Texts

# No `from __future__ import annotations` here: FastAPI evaluates the annotations at run time.


class Require:
    """A dependency: `caller: Annotated[Peer, Depends(Require(uri="spiffe://example.org/billing"))]`.

    Its value is the `Peer`. All others get status 403, also when they open a WebSocket. The arguments are those of
    `PeerRules`: without any, every authenticated client is allowed.
    """

    def __init__(self, *rules: Rule, **kinds: Texts) -> None:
        self._rules = PeerRules(*rules, **kinds)

    def __call__(self, connection: HTTPConnection) -> Peer:
        """Return the authenticated client. Raises HTTPException."""
        peer = identity(connection.scope)
        if peer is None or not self._rules.allows(peer, connection.url.path):
            raise HTTPException(403, REFUSED)
        return peer
