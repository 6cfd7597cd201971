"""Two objects of `ssl`, ours or OpenSSL's, over memory BIOs: what an event loop does, without one."""

from __future__ import annotations

import contextlib
import ssl
from typing import Any

import identities
from bothways.ssl import SSLContext

AGAIN = (ssl.SSLWantReadError, ssl.SSLWantWriteError)


class End:
    """One side: its object and its two BIOs."""

    def __init__(self, context: ssl.SSLContext, **side: Any) -> None:
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, **side)
        self.failure: Exception | None = None
        self.done = False

    def step(self) -> None:
        """Go on with the handshake; a failure is kept."""
        if self.done or self.failure:
            return
        try:
            self.tls.do_handshake()
            self.done = True
        except AGAIN:
            pass
        except Exception as error:  # noqa: BLE001 - a test looks at it
            self.failure = error


class Pair:
    """A client and a server; `carry` brings what each has said to the other."""

    def __init__(
        self, client: ssl.SSLContext, server: ssl.SSLContext, name: str | bytes | None = "localhost"
    ) -> None:
        self.client = End(client, server_hostname=name)
        self.server = End(server, server_side=True)

    def carry(self) -> bool:
        """Bring what was said; False when nothing was."""
        said = [(self.client, self.server), (self.server, self.client)]
        moved = False
        for speaker, hearer in said:
            if data := speaker.outgoing.read():
                hearer.incoming.write(data)
                moved = True
        return moved

    def shake_hands(self) -> Pair:
        """Do the handshake, as far as both sides go."""
        for _ in range(20):
            self.client.step()
            self.server.step()
            if not self.carry() and (self.server.done or self.server.failure):
                break
        return self

    def talk(self, data: bytes = b"hello") -> bytes:
        """Send data from the client to the server and back; return what came."""
        self.client.tls.write(data)
        self.carry()
        self.server.tls.write(self.read(self.server, len(data)))
        self.carry()
        return self.read(self.client, len(data))

    @staticmethod
    def read(end: End, size: int) -> bytes:
        """Read exactly so many bytes."""
        data = b""
        while len(data) < size:
            data += end.tls.read(size - len(data))
        return data

    def late_refusal(self) -> Exception | None:
        """What the client meets when it reads after a server has refused it."""
        self.carry()
        with contextlib.suppress(*AGAIN):
            try:
                self.client.tls.read()
            except ssl.SSLError as error:
                if isinstance(error, AGAIN):
                    raise
                return error
        return None


def client_context(who: Any = None, **options: Any) -> SSLContext:
    """A context of Ada's, unless it is for somebody else; `who=False` has no certificate."""
    issued = None if who is False else who or identities.client()
    return SSLContext(identities.client_config(issued, **options))


def server_context(**options: Any) -> SSLContext:
    return SSLContext(identities.server_config(**options))
