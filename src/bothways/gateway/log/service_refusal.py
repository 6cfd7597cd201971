"""A service that refuses our certificate in its own words, over an established connection: nginx and HAProxy do.

What is passed on to the client is for the client to read; that it is about us only the log can say.
"""

from __future__ import annotations

from bothways.aio.transport import TLSTransport
from bothways.diagnosis.causes import Cause
from bothways.diagnosis.observer import situation_of
from bothways.diagnosis.replies.reply import ABOUT_CERTIFICATES, read_reply
from bothways.diagnosis.services.refusals import explain_answer
from bothways.gateway.log.causes import shown_by

KEPT = 1024  # bytes of what a service sends first, by which that is told
STATUSES = frozenset(
    (400, 495, 496, 497)
)  # by which TLS servers refuse in HTTP, and no application authenticates


def refusal_of_us(start: bytes, transport: object) -> tuple[str, tuple[Cause, ...]] | None:
    """Return how a service refuses our certificate in the first bytes that it sends, with its likely causes, or None.

    start: at most `KEPT` bytes are read.  transport: of the connection to it; one without TLS has seen no certificate.
    """
    if not isinstance(transport, TLSTransport):
        return None
    reply, facts = read_reply(start[:KEPT]), transport.tls.connection.history.facts()
    if (
        reply is None
        or reply.status not in STATUSES
        or reply.meaning not in ABOUT_CERTIFICATES
        or facts is None
    ):
        return None
    found = explain_answer(start[:KEPT], situation_of(facts))
    name = transport.get_extra_info("peername")
    where = f"{name[0]}:{name[1]}" if isinstance(name, tuple) else "behind us"
    return None if found is None else (f"the service {where} refused us: {reply.text}", shown_by(found))
