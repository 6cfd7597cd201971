"""The key schedule of TLS 1.2: the main secret, and what is derived from it. No secret appears in a repr."""

from __future__ import annotations

from bothways.tls.crypto.aead import TrafficKeys
from bothways.tls.crypto.prf import Prf, prf
from bothways.tls.crypto.suites import Suite

MAIN_SECRET_SIZE = 48
VERIFY_DATA_SIZE = 12


class MainSecret:
    """The main secret of one connection (RFC 5246 8.1; RFC 7627 4).

    suite: of the connection.  premaster: the result of the key exchange.  session_hash: the hash of the messages up to
    ClientKeyExchange, for the extended main secret; None for a peer without it.
    """

    __slots__ = ("_client_keys", "_prf", "_randoms", "_server_keys", "secret", "suite")

    def __init__(
        self,
        suite: Suite,
        premaster: bytes,
        session_hash: bytes | None,
        client_random: bytes,
        server_random: bytes,
    ) -> None:
        if session_hash is None:
            label, seed = b"master secret", client_random + server_random
        else:
            label, seed = b"extended master secret", session_hash
        self._begin(
            suite, prf(suite.hash, premaster, label, seed, MAIN_SECRET_SIZE), client_random, server_random
        )

    @classmethod
    def of_session(
        cls, suite: Suite, secret: bytes, client_random: bytes, server_random: bytes
    ) -> MainSecret:
        """Return the secret of an earlier session, from which the new randoms make other keys (RFC 5246 7.3)."""
        resumed = cls.__new__(cls)
        resumed._begin(suite, secret, client_random, server_random)
        return resumed

    def _begin(self, suite: Suite, secret: bytes, client_random: bytes, server_random: bytes) -> None:
        self.suite = suite
        self.secret = secret
        self._randoms = client_random, server_random
        self._prf = Prf(suite.hash, secret)
        self._client_keys, self._server_keys = self._expanded()

    @property
    def client_keys(self) -> TrafficKeys:
        """The keys of the records that the client sends (RFC 5246 6.3)."""
        return self._client_keys

    @property
    def server_keys(self) -> TrafficKeys:
        """The keys of the records that the server sends (RFC 5246 6.3)."""
        return self._server_keys

    def verify_data(self, role: str, transcript_hash: bytes) -> bytes:
        """Return the verify_data in the Finished of `role`, "client" or "server" (RFC 5246 7.4.9)."""
        label = b"client finished" if role == "client" else b"server finished"
        return self._prf.expand(label, transcript_hash, VERIFY_DATA_SIZE)

    def exporter(self, label: str, context: bytes | None, length: int) -> bytes:
        """Return `length` bytes of keying material; None and an empty context differ (RFC 5705 4)."""
        client_random, server_random = self._randoms
        seed = client_random + server_random
        if context is not None:
            seed += len(context).to_bytes(2, "big") + context
        return self._prf.expand(label.encode("ascii"), seed, length)

    def _expanded(self) -> tuple[TrafficKeys, TrafficKeys]:
        """Split the key block into keys and IVs; an AEAD needs no MAC keys (RFC 5246 6.3)."""
        client_random, server_random = self._randoms
        size, iv_size = self.suite.key_size, self.suite.iv_size
        seed = server_random + client_random
        block = self._prf.expand(b"key expansion", seed, 2 * (size + iv_size))
        ivs = block[2 * size :]
        client = TrafficKeys(block[:size], ivs[:iv_size])
        return client, TrafficKeys(block[size : 2 * size], ivs[iv_size:])
