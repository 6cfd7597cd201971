"""Post-handshake client authentication: a client's certificate on request after the handshake (RFC 9846 4.7.2).

Each answer covers the handshake, the request and its own messages, under the current keys; its three messages are sent
together. If no certificate fits the request, an empty Certificate is sent.
"""

from __future__ import annotations

from collections.abc import Sequence

from bothways.faults import Fault, blame
from bothways.iana import HandshakeType
from bothways.tls.crypto.signing import CLIENT_CONTEXT, proof_input
from bothways.tls.events import Event
from bothways.tls.handshake.authentication13 import certificate_message, own_staples
from bothways.tls.handshake.certificate_compression import Compressed
from bothways.tls.handshake.context import HandshakeContext
from bothways.tls.handshake.credentials import Own, choose_for_request
from bothways.tls.handshake.script import Script, signing_elsewhere
from bothways.tls.handshake.settings import Settings
from bothways.tls.keys.schedule13 import finished_mac
from bothways.tls.keys.transcript import Transcript
from bothways.tls.lifecycle import Lifecycle
from bothways.tls.record.protection import Protection
from bothways.tls.runner import ScriptRunner
from bothways.tls.wire.flight import Message, encode_message, encoded
from bothways.tls.wire.tls13 import CertificateRequest, CertificateVerify, Finished
from bothways.trust.own_identity.credentials import Credentials

REQUEST_LIMIT = 32
# Requests of HTTP/2 share a connection, so that a certificate could not be assigned to one of them (RFC 9113 9.2.3).
PROTOCOLS_WITHOUT = frozenset({b"h2"})

_Answer = tuple[Message | Compressed, ...]


class ClientAuthentication:
    """Answers the requests of the server on one connection. asked: the number of requests so far.

    runners: the answers that wait for a signature with a key that is held elsewhere, while data is still sent and
    received.
    """

    def __init__(self, hs: HandshakeContext, settings: Settings, life: Lifecycle) -> None:
        self._hs = hs
        self._life = life
        self._settings = settings
        self._handshake = hs.transcript.branch()
        self.asked = 0
        self.runners: list[ScriptRunner[None]] = []

    def answer(self, request: CertificateRequest) -> Sequence[Event]:
        """Send our certificate, or an empty Certificate; return the requests for signatures that this needs."""
        self.asked += 1
        if self.asked > REQUEST_LIMIT:
            blame(
                Fault.UNEXPECTED_MESSAGE,
                got=HandshakeType.certificate_request.name,
                expected="no further one",
            )
        runner = ScriptRunner(
            self._answered(request),
            self._hs.clock,
            self._sent,
            patience=self._settings.limits.handshake_timeout,
        )
        self.runners.append(runner)
        return runner.resume()

    def _answered(self, request: CertificateRequest) -> Script[None]:
        """Send Certificate, CertificateVerify and Finished, with their own transcript and the current keys."""
        schemes, kind = self._settings.negotiation.schemes, self._hs.history.types.client
        choice = choose_for_request(self._settings.identity.shown_as(kind), request, schemes, kind)
        asked = self._handshake.branch()
        asked.add(encode_message(request))
        answer: _Answer | None = None
        if choice.credentials is not None:
            answer = yield from self._proved(request, choice.credentials, choice.scheme, asked)
        if self._life.writes:
            self._send(answer or _declined(request), asked)

    def _send(self, answer: _Answer, asked: Transcript) -> None:
        """Send an answer and the Finished over it, with nothing between them (RFC 9846 4.7.2)."""
        hs, keys = self._hs, self._hs.out.keys
        if not isinstance(keys, Protection):
            raise TypeError("there are no keys to answer under before the handshake is done")
        hs.transcript = asked
        for message in answer:
            if isinstance(message, Compressed):
                hs.send_compressed(message)
            else:
                hs.send(message)
        hs.send(Finished(finished_mac(keys.finished_key(), hs.transcript.digest(), keys.suite)))
        hs.out.flush()
        hs.transcript.forget()

    def _proved(
        self, request: CertificateRequest, credentials: Own, scheme: int, asked: Transcript
    ) -> Script[_Answer | None]:
        """Return Certificate and CertificateVerify; None if there was no signature from elsewhere."""
        staples = own_staples(self._hs, credentials, request.extensions)
        plain = encoded(
            certificate_message(credentials.entries, staples, request.certificate_request_context)
        )
        compressed = self._settings.identity.compressed.once(plain, request.extensions)
        certificate = compressed or plain.message
        transcript = asked.branch()
        transcript.add(plain.raw if compressed is None else compressed.raw)
        data = proof_input(CLIENT_CONTEXT, transcript.digest())
        signature: bytes | None
        if isinstance(credentials, Credentials) and credentials.key is None:
            signature = yield signing_elsewhere(credentials, scheme, data)
        else:
            signature = self._hs.randomness.sign(scheme, credentials.key, data)
        if signature is None:
            return None
        return certificate, CertificateVerify(scheme, signature)

    def _sent(self, nothing: None) -> Sequence[Event]:
        del nothing
        self.runners = [each for each in self.runners if not each.is_done]
        return ()


def _declined(request: CertificateRequest) -> _Answer:
    """Return an empty Certificate (RFC 9846 4.5.1.3)."""
    return (certificate_message((), (), request.certificate_request_context),)
