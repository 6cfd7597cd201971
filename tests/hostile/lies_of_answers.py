"""Lies about authentication after the handshake: requests, and the answers to them (RFC 9846 4.7.2)."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from bothways.iana import Alert, ContentType
from bothways.roles import Role
from bothways.tls.handshake.authentication13 import certificate_message
from bothways.tls.handshake.context import HandshakeContext
from bothways.tls.wire import extensions as ext
from bothways.tls.wire.flight import Message, encode_message
from bothways.tls.wire.tls13 import (
    Certificate,
    CertificateRequest,
    CertificateVerify,
    Finished,
    KeyUpdate,
)
from hostile.lies import Lie
from hostile.scenes import KEYED, RAW
from inside import machinery
from pair import Pair
from tamper import (
    Edit,
    Outgoing,
    after,
    before,
    behind,
    both,
    changing,
    instead_of,
    sealed,
)
from tls.handshake.conversations import credentials

ASKED: dict[str, Any] = {
    "authentication": ("later", "anonymous later"),
    "scene": {"protocols": (), "compressed": ()},
}
SHOWN: dict[str, Any] = ASKED | {"authentication": ("later",)}
UNASKED: dict[str, Any] = {"authentication": ("later", "again", "certificates", "anonymous", "one-way")}
UNEXPECTED, ILLEGAL = Alert.UNEXPECTED_MESSAGE, Alert.ILLEGAL_PARAMETER
UPDATE = encode_message(KeyUpdate(0))


def answer(what: str, *alerts: Alert, edit: Edit, **rest: Any) -> Lie:
    return Lie(what, Role.CLIENT, alerts, make=lambda chance: edit, opens=True, **rest)


def _another(certificate: tuple[Any, ...]) -> tuple[Any, ...]:
    """The certificate of somebody else, whose key the client does not have."""
    return certificate_message(credentials("other.example").chain, (), b"").certificate_list


def _turned(data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 1])


LIES: list[Lie] = [
    answer(
        "an answer without a context",
        ILLEGAL,
        edit=changing(Certificate, certificate_request_context=b""),
        **ASKED,
    ),
    answer(
        "an answer with another context",
        ILLEGAL,
        edit=changing(Certificate, certificate_request_context=_turned),
        **ASKED,
    ),
    answer(
        "an answer with a longer context",
        ILLEGAL,
        edit=changing(Certificate, certificate_request_context=lambda old: old + b"\0"),
        **ASKED,
    ),
    answer("a proof of nothing", UNEXPECTED, edit=changing(Certificate, certificate_list=()), **SHOWN),
    answer(
        "somebody else's certificate",
        Alert.DECRYPT_ERROR,
        edit=changing(Certificate, certificate_list=_another),
        **SHOWN,
    ),
    answer(
        "the chain in another order",
        Alert.DECRYPT_ERROR,
        ILLEGAL,
        edit=changing(Certificate, certificate_list=lambda old: old[::-1]),
        **SHOWN,
    ),
    answer("no proof", UNEXPECTED, edit=instead_of(CertificateVerify), **SHOWN),
    answer(
        "a proof twice",
        UNEXPECTED,
        edit=after(CertificateVerify, encode_message(CertificateVerify(0x0403, bytes(70)))),
        **SHOWN,
    ),
    answer(
        "an altered signature",
        Alert.DECRYPT_ERROR,
        edit=changing(CertificateVerify, signature=_turned),
        **SHOWN,
    ),
    answer(
        "a scheme that does not fit", ILLEGAL, edit=changing(CertificateVerify, algorithm=0x0804), **SHOWN
    ),
    answer(
        "an altered Finished",
        Alert.DECRYPT_ERROR,
        edit=changing(Finished, nth=1, verify_data=_turned),
        **ASKED,
    ),
    answer(
        "a short Finished",
        Alert.DECODE_ERROR,
        Alert.DECRYPT_ERROR,
        edit=changing(Finished, nth=1, verify_data=lambda old: old[:-1]),
        **ASKED,
    ),
    answer(
        "two certificates",
        UNEXPECTED,
        edit=after(Certificate, lambda hs: behind(encode_message(Certificate(b"", ())))(hs)),
        **SHOWN,
    ),
    answer(
        "data behind the certificate",
        UNEXPECTED,
        edit=after(Certificate, sealed(ContentType.application_data, b"x")),
        **ASKED,
    ),
    answer(
        "data in front of the Finished",
        UNEXPECTED,
        edit=before(Finished, sealed(ContentType.application_data, b"x"), nth=1),
        **ASKED,
    ),
    answer("new keys within the answer", UNEXPECTED, edit=before(Finished, behind(UPDATE), nth=1), **ASKED),
    answer(
        "nothing but a certificate, and data",
        UNEXPECTED,
        edit=both(
            instead_of(CertificateVerify),
            instead_of(Finished, sealed(ContentType.application_data, b"x"), nth=1),
        ),
        **ASKED,
    ),
    answer(
        "an extension that was not requested",
        Alert.UNSUPPORTED_EXTENSION,
        edit=changing(Certificate, certificate_list=lambda old: tuple([_with_status(each) for each in old])),
        **SHOWN,
    ),
]


def _with_status(entry: Any) -> Any:
    return type(entry)(entry.cert_data, (ext.SignedCertificateTimestamps((b"sct",)),))


# -- what nobody asked for -------------------------------------------------------------------------------


def sent_by(role: Role, *those: Outgoing) -> Callable[[Pair, random.Random], None]:
    """On the open connection one side sends these messages, each in its own record, outside of any transcript."""

    def then(talk: Pair, chance: random.Random) -> None:
        _send(talk, role, those)

    return then


def _send(talk: Pair, role: Role, those: Iterable[Outgoing]) -> None:
    hs = machinery(talk.client if role is Role.CLIENT else talk.server)
    for each in those:
        if callable(each):
            each(hs)
        else:
            behind(each if isinstance(each, bytes) else encode_message(each))(hs)
        hs.out.flush()


def request(context: bytes = b"context", *extensions: Any) -> CertificateRequest:
    return CertificateRequest(context, extensions or (ext.SignatureAlgorithms((0x0403,)),))


def renewing(hs: HandshakeContext) -> None:
    """New keys of the sender, announced as they must be."""
    hs.out.send_after_handshake(KeyUpdate(0))
    hs.out.change_keys(hs.out.keys.next(), hs.out.epoch)  # type: ignore[union-attr]


def _answer_without_request(talk: Pair, chance: random.Random) -> None:
    """The whole of an answer, as it is for nobody's request."""
    own = certificate_message(credentials("client.example").chain, (), b"")
    _send(talk, Role.CLIENT, (own, CertificateVerify(0x0403, bytes(70)), Finished(bytes(32))))


def _replayed(talk: Pair, chance: random.Random) -> None:
    """The first answer once more, to the second request."""
    kept: list[Message] = []
    send = HandshakeContext.send

    def keep(hs: HandshakeContext, message: Message, *rest: Any, **more: Any) -> None:
        if hs.role is Role.CLIENT:
            kept.append(message)
        send(hs, message, *rest, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(HandshakeContext, "send", keep)
        talk.server.authenticate_client()
        talk.exchange(400)
    assert kept and talk.server.peer is not None
    talk.server.authenticate_client()
    _send(talk, Role.CLIENT, kept)


def _after_the_close(talk: Pair, chance: random.Random) -> None:
    """The client closes with the request under way, and then answers."""
    talk.server.authenticate_client(required=chance.random() < 0.5)
    talk.client.close()
    talk.server.receive(talk.client.data_to_send())
    _send(talk, Role.CLIENT, (Certificate(b"", ()),))


def _asked_among(talk: Pair, chance: random.Random) -> None:
    """Requests, new keys of both sides and data, in any order; each answer fits."""
    for _ in range(6):
        match chance.randrange(5):
            case 0 if not talk.server.awaits_certificate:
                talk.server.authenticate_client(required=False)
            case 1:
                talk.client.update_keys(ask=chance.random() < 0.5)
            case 2:
                talk.server.update_keys(ask=chance.random() < 0.5)
            case 3:
                talk.client.send(b"before")
            case _:
                talk.exchange(400)


CLIENTS = {"authentication": ("certificates", "anonymous", "one-way", *RAW, *KEYED)}
H2 = {"authentication": ("later", "again", "anonymous later"), "scene": {"protocols": ("h2",)}}
CAREFUL: dict[str, Any] = {
    "authentication": ("later", "again", "anonymous later"),
    "scene": {"protocols": ()},
    "careless": True,
}
SCHEMES = ext.SignatureAlgorithms((0x0403,))


def client(what: str, *alerts: Alert, **rest: Any) -> Lie:
    return Lie(what, Role.CLIENT, alerts, **rest)


def server(what: str, *alerts: Alert, **rest: Any) -> Lie:
    return Lie(what, Role.SERVER, alerts, **rest)


LIES += [
    client("an answer that nobody asked for", UNEXPECTED, then=_answer_without_request),
    client(
        "an empty answer that nobody asked for", UNEXPECTED, then=sent_by(Role.CLIENT, Certificate(b"", ()))
    ),
    client("an answer a second time", ILLEGAL, then=_replayed, **SHOWN),
    client(
        "an answer after close_notify",
        Alert.CERTIFICATE_REQUIRED,
        may_pass=True,
        then=_after_the_close,
        **SHOWN,
    ),
    client("a request of a client", UNEXPECTED, then=sent_by(Role.CLIENT, request())),
    client("everything in any order", then=_asked_among, **SHOWN),
    server("a request to who did not offer it", UNEXPECTED, then=sent_by(Role.SERVER, request()), **CLIENTS),
    server("a request with HTTP/2", UNEXPECTED, then=sent_by(Role.SERVER, request()), **H2),
    server("a certificate of a server", UNEXPECTED, then=sent_by(Role.SERVER, Certificate(b"", ()))),
    server("a Finished of a server", UNEXPECTED, then=sent_by(Role.SERVER, Finished(bytes(32)))),
    server(
        "a request without schemes",
        Alert.MISSING_EXTENSION,
        then=sent_by(Role.SERVER, request(b"c", ext.CertificateAuthorities((b"\x30\x00",)))),
        **CAREFUL,
    ),
    server(
        "a request with an extension twice",
        ILLEGAL,
        then=sent_by(Role.SERVER, request(b"c", SCHEMES, SCHEMES)),
        **CAREFUL,
    ),
    server(
        "a request in the record of new keys",
        UNEXPECTED,
        then=sent_by(Role.SERVER, UPDATE + encode_message(request())),
        **CAREFUL,
    ),
    server(
        "requests without an end",
        UNEXPECTED,
        then=sent_by(Role.SERVER, *[request(bytes([number])) for number in range(40)]),
        **CAREFUL,
    ),
    server(
        "requests without an end, and data",
        UNEXPECTED,
        then=sent_by(
            Role.SERVER,
            *[each for number in range(40) for each in (request(bytes([number])), sealed(23, b"x"))],
        ),
        **CAREFUL,
    ),
    server("a request without a context", then=sent_by(Role.SERVER, request(b"")), **CAREFUL),
    server("requests with one context", then=sent_by(Role.SERVER, request(), request()), **CAREFUL),
    server(
        "a request under new keys",
        then=sent_by(Role.SERVER, renewing, request(), renewing, request(b"next")),
        **CAREFUL,
    ),
]
