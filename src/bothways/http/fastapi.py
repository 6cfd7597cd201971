"""FastAPI: `Require`, a dependency that lets certain clients through and hands over who it is."""

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
from bothways.trust.access import PeerRule, Texts

# The annotations below are read by FastAPI while the application runs, so they are no strings here.


class Require:
    """A dependency: `caller: Annotated[Peer, Depends(Require(uri="spiffe://example.org/billing"))]`.

    Its value is the `Peer`. All others get status 403, also where a WebSocket is opened. The arguments are those of
    `PeerRules`: without any, everybody may who proved who he is.
    """

    def __init__(self, *rules: PeerRule, **kinds: Texts) -> None:
        self._rules = PeerRules(*rules, **kinds)

    def __call__(self, connection: HTTPConnection) -> Peer:
        """Return who calls. Raises HTTPException."""
        peer = identity(connection.scope)
        if peer is None or not self._rules.allows(peer, connection.url.path):
            raise HTTPException(403, REFUSED)
        return peer
