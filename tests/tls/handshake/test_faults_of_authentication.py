"""Everything that can be wrong with proofs, and after the handshake: who refuses what, and the alert seen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from bothways import Connection, Fault, PeerAlert, PeerFault
from bothways.iana import Alert
from bothways.roles import Role
from bothways.tls.crypto.signing import CLIENT_CONTEXT, SERVER_CONTEXT, proof_input, sign
from bothways.tls.events import Note
from bothways.tls.handshake.context import HandshakeContext
from bothways.tls.post_handshake.messages import IDLE_MESSAGE_LIMIT
from bothways.tls.wire.tls13 import (
    Certificate,
    CertificateRequest,
    CertificateVerify,
    Finished,
    KeyUpdate,
    NewSessionTicket,
)
from inside import machinery
from pair import FrozenClock, Pair
from tamper import Act, Refusal, assert_reported, changing, instead_of, refused
from tls.handshake.conversations import CONVERSATIONS, client_config, credentials, identity, server_config

CLIENT, SERVER = Role.CLIENT, Role.SERVER
ILLEGAL, DECRYPT = Alert.ILLEGAL_PARAMETER, Alert.DECRYPT_ERROR
P256, P384, RSA = 0x0403, 0x0503, 0x0804


def signed(scheme: int, context: bytes, name: str, *, over: Callable[[bytes], bytes] = lambda h: h) -> Act:
    """Send a CertificateVerify that `name` signs: by any scheme, in any context, over any hash."""

    def act(hs: HandshakeContext) -> None:
        data = proof_input(context, over(hs.transcript.digest()))
        hs.send(CertificateVerify(scheme, sign(P256, identity(name).key, data)))

    return act


def proof(act: Act):
    """Send this CertificateVerify; it comes by `send` again, and is left alone then."""

    def edit(message, nth):
        return (act,) if isinstance(message, CertificateVerify) and nth == 0 else (message,)

    return edit


def flipped(data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 1])


def messages(*those: Any):
    """Send messages when the handshake is done, each in its own record."""

    def then(talk: Pair, sender: Connection) -> None:
        out = machinery(sender).out
        for each in those:
            out.send_after_handshake(each)
            if isinstance(each, KeyUpdate):
                out.change_keys(out.keys.next(), out.epoch)

    return then


FLOOD = IDLE_MESSAGE_LIMIT + 1
TICKET = NewSessionTicket(3600, 0, b"", b"ticket", ())

REFUSALS = (
    Refusal(
        "although it is required",
        CLIENT,
        Fault.NO_CERTIFICATE,
        Alert.CERTIFICATE_REQUIRED,
        client={"credentials": None},
        step="3.1",
    ),
    Refusal(
        "after a retry",
        CLIENT,
        Fault.NO_CERTIFICATE,
        Alert.CERTIFICATE_REQUIRED,
        client={"credentials": None},
        conversation="mutual after a retry",
    ),
    Refusal(
        "of the server",
        SERVER,
        Fault.EMPTY_SERVER_CERTIFICATE,
        Alert.DECODE_ERROR,
        changing(Certificate, certificate_list=()),
        step="2.1",
    ),
    Refusal(
        "in the server's Certificate",
        SERVER,
        Fault.WRONG_REQUEST_CONTEXT,
        ILLEGAL,
        changing(Certificate, certificate_request_context=b"x"),
    ),
    Refusal(
        "in the client's Certificate",
        CLIENT,
        Fault.WRONG_REQUEST_CONTEXT,
        ILLEGAL,
        changing(Certificate, certificate_request_context=b"x"),
    ),
    Refusal(
        "in a CertificateRequest of the handshake",
        SERVER,
        Fault.WRONG_REQUEST_CONTEXT,
        ILLEGAL,
        changing(CertificateRequest, certificate_request_context=b"x"),
    ),
    *(
        Refusal(
            f"the {sender.value}, by one that nobody knows",
            sender,
            Fault.UNOFFERED_SCHEME,
            ILLEGAL,
            changing(CertificateVerify, algorithm=0x7777),
        )
        for sender in Role
    ),
    *(
        Refusal(
            f"the {sender.value}, by PKCS 1, which TLS 1.3 has not",
            sender,
            Fault.SCHEME_DOES_NOT_FIT_KEY,
            ILLEGAL,
            changing(CertificateVerify, algorithm=0x0401),
        )
        for sender in Role
    ),
    Refusal(
        "one that the client did not offer",
        SERVER,
        Fault.UNOFFERED_SCHEME,
        ILLEGAL,
        changing(CertificateVerify, algorithm=P384),
        client={"schemes": ("ecdsa_secp256r1_sha256",)},
    ),
    Refusal(
        "one that the server did not offer",
        CLIENT,
        Fault.UNOFFERED_SCHEME,
        ILLEGAL,
        changing(CertificateVerify, algorithm=P384),
        server={"schemes": ("ecdsa_secp256r1_sha256",)},
        step="3.4",
    ),
    *(
        Refusal(
            f"the {sender.value}, by {what} with a P-256 key",
            sender,
            Fault.SCHEME_DOES_NOT_FIT_KEY,
            ILLEGAL,
            changing(CertificateVerify, algorithm=scheme),
        )
        for sender in Role
        for what, scheme in (("ECDSA P-384", P384), ("RSA-PSS", RSA), ("Ed25519", 0x0807))
    ),
    *(
        Refusal(
            f"the {sender.value}, {what}",
            sender,
            Fault.BAD_CERTIFICATE_VERIFY,
            DECRYPT,
            edit,
            step=step,
        )
        for sender, own, context, others, step in (
            (SERVER, "localhost", SERVER_CONTEXT, CLIENT_CONTEXT, "2.2"),
            (CLIENT, "client.example", CLIENT_CONTEXT, SERVER_CONTEXT, "3.4"),
        )
        for what, edit in (
            ("with one bit turned", changing(CertificateVerify, signature=flipped)),
            ("with no signature", changing(CertificateVerify, signature=b"")),
            ("with bytes that are no signature", changing(CertificateVerify, signature=bytes(64))),
            ("with a key that is not the certificate's", proof(signed(P256, context, "thief.example"))),
            ("in the context of the other side", proof(signed(P256, others, own))),
            ("over another conversation", proof(signed(P256, context, own, over=flipped))),
        )
    ),
    *(
        Refusal(
            f"the {sender.value}, {what}",
            sender,
            Fault.BAD_FINISHED,
            DECRYPT,
            changing(Finished, verify_data=change),
            step=step,
        )
        for sender, step in ((SERVER, "4.2"), (CLIENT, "4.1"))
        for what, change in (("one bit", flipped), ("all zeros", bytes(32)))
    ),
    *(
        Refusal(
            f"a Finished of the {sender.value}, {what}",
            sender,
            Fault.UNDECODABLE,
            Alert.DECODE_ERROR,
            changing(Finished, verify_data=change),
        )
        for sender in Role
        for what, change in (
            ("empty", b""),
            ("of one byte less", lambda data: data[:-1]),
            ("of one byte more", lambda data: data + b"\0"),
        )
    ),
    Refusal(
        "the Finished of an anonymous client",
        CLIENT,
        Fault.BAD_FINISHED,
        DECRYPT,
        changing(Finished, verify_data=flipped),
        conversation="anonymous by request",
    ),
    *(
        Refusal(
            f"the {sender.value}, {value}",
            sender,
            Fault.BAD_KEY_UPDATE,
            ILLEGAL,
            then=messages(KeyUpdate(value)),
            step="4.3",
        )
        for sender in Role
        for value in (2, 255)
    ),
    *(
        Refusal(
            f"the {sender.value}, asking {ask}",
            sender,
            Fault.TOO_MANY_KEY_UPDATES,
            Alert.UNEXPECTED_MESSAGE,
            then=messages(*[KeyUpdate(ask)] * FLOOD),
        )
        for sender in Role
        for ask in (0, 1)
    ),
    Refusal(
        "tickets without an end",
        SERVER,
        Fault.TOO_MANY_KEY_UPDATES,
        Alert.UNEXPECTED_MESSAGE,
        then=messages(*[TICKET] * FLOOD),
    ),
    Refusal(
        "a request after the handshake",
        SERVER,
        Fault.UNEXPECTED_MESSAGE,
        Alert.UNEXPECTED_MESSAGE,
        then=messages(CertificateRequest(b"later", ())),
        step="4.3",
    ),
    Refusal(
        "a ticket of the client",
        CLIENT,
        Fault.UNEXPECTED_MESSAGE,
        Alert.UNEXPECTED_MESSAGE,
        then=messages(TICKET),
    ),
    Refusal(
        "a KeyUpdate in the handshake",
        SERVER,
        Fault.UNEXPECTED_MESSAGE,
        Alert.UNEXPECTED_MESSAGE,
        instead_of(CertificateVerify, KeyUpdate(1)),
        step="2.2",
    ),
)


@pytest.mark.parametrize("case", REFUSALS, ids=str)
def test_proof_or_late_message_is_refused(case: Refusal) -> None:
    """RFC 9846 4.5 to 4.7: each fault of authentication and of what follows, and its alert."""
    settings = CONVERSATIONS[case.conversation]
    refused(
        case, client_config(**settings.client | case.client), server_config(**settings.server | case.server)
    )


TIMEOUTS = (
    Refusal("the server", SERVER, Fault.HANDSHAKE_TIMEOUT, Alert.USER_CANCELED),
    Refusal("the client", CLIENT, Fault.HANDSHAKE_TIMEOUT, Alert.USER_CANCELED),
)


@pytest.mark.parametrize("case", TIMEOUTS, ids=str)
def test_peer_that_stalls_is_given_up(case: Refusal) -> None:
    """RFC 9846 6.1: it is told user_canceled, and close_notify, which ends it."""
    clock = FrozenClock()
    notes: list[Note] = []
    listener = {"client_notes" if case.sender is CLIENT else "server_notes": notes}
    talk = CONVERSATIONS["mutual"].pair({"clock": clock}, {"clock": clock}, **listener)
    end, sender = (talk.client, talk.server) if case.sender is SERVER else (talk.server, talk.client)
    clock.pass_time(31)
    end.tick()
    assert isinstance(end.failure, PeerFault) and end.failure.fault is case.fault
    sender.receive(end.data_to_send())
    assert_reported(end.failure, case.alert, notes, sender)
    assert isinstance(sender.failure, PeerAlert) and sender.failure.alert == Alert.CLOSE_NOTIFY


def test_thief_of_a_certificate_is_refused() -> None:
    """RFC 9846 4.5.2, step 3.4: who shows a certificate without its private key is judged no further."""
    stolen = credentials("client.example")
    case = Refusal(
        "the client's certificate alone",
        CLIENT,
        Fault.BAD_CERTIFICATE_VERIFY,
        DECRYPT,
        changing(
            Certificate,
            certificate_list=lambda those: (replace(those[0], cert_data=stolen.chain[0]), *those[1:]),
        ),
        step="3.4",
    )
    error = refused(case, client_config(credentials=credentials("thief.example")), server_config())
    assert error.reasons == ()
