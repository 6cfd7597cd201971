"""A client's certificate after the handshake, for servers that ask for it only then (RFC 9846 4.7.2).

Each answer covers the handshake, the request and itself, under the keys of the moment; its three messages go out
together. A request that nothing of ours suits is answered too, by an empty Certificate.
"""

from __future__ import annotations

from bothways.faults import Fault, blame
from bothways.iana import HandshakeType
from bothways.tls.crypto.signing import CLIENT_CONTEXT, proof_input
from bothways.tls.handshake.authentication13 import certificate_message
from bothways.tls.handshake.config import ClientTerms
from bothways.tls.handshake.context import HandshakeContext
from bothways.tls.handshake.credentials import (
    ClientChoice,
    choose_for_request,
)
from bothways.tls.keys.schedule13 import finished_mac
from bothways.tls.keys.transcript import Transcript
from bothways.tls.record.protection import Protection
from bothways.tls.wire import extensions as ext
from bothways.tls.wire.flight import Message, encode_message
from bothways.tls.wire.tls13 import CertificateRequest, CertificateVerify, Finished

REQUEST_LIMIT = 32


class LateAuthentication:
    """Answers requests on one established connection; `asked` counts them. Made when the handshake is done."""

    def __init__(self, hs: HandshakeContext, terms: ClientTerms) -> None:
        self._hs = hs
        self._terms = terms
        self._handshake = hs.transcript.branch()
        self.asked = 0

    def answer(self, request: CertificateRequest) -> ClientChoice:
        """Send what the request asks for, or that we have none; return what was chosen."""
        self.asked += 1
        if self.asked > REQUEST_LIMIT:
            blame(
                Fault.UNEXPECTED_MESSAGE,
                got=HandshakeType.certificate_request.name,
                expected="no further one",
            )
        transcript = self._handshake.branch()
        transcript.add(encode_message(request))
        choice = choose_for_request(self._terms.own, request, self._terms.scheme_codes)
        messages = [*self._proof(request, choice, transcript)]
        keys = self._hs.out.keys
        if not isinstance(keys, Protection):
            raise TypeError("there are no keys to answer under before the handshake is done")
        messages.append(Finished(finished_mac(keys.finished_key(), transcript.digest(), keys.suite)))
        self._hs.out.send_after_handshake(*messages)
        return choice

    def _proof(
        self, request: CertificateRequest, choice: ClientChoice, transcript: Transcript
    ) -> list[Message]:
        """Return Certificate and, unless it is empty, CertificateVerify, and add them to the transcript."""
        context, credentials = request.certificate_request_context, choice.credentials
        if credentials is None or credentials.key is None:
            empty = certificate_message((), (), context)
            transcript.add(encode_message(empty))
            return [empty]
        asked = ext.find(request.extensions, ext.EmptyStatusRequest) is not None
        staples = self._hs.own_staples(credentials) if asked else ()
        certificate = certificate_message(credentials.chain, staples, context)
        transcript.add(encode_message(certificate))
        data = proof_input(CLIENT_CONTEXT, transcript.digest())
        proof = CertificateVerify(choice.scheme, self._hs.draws.sign(choice.scheme, credentials.key, data))
        transcript.add(encode_message(proof))
        return [certificate, proof]
