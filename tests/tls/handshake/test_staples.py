"""Staples in the handshake: OCSP responses that come with the certificates, from servers and from clients.

In TLS 1.3 both sides may staple to every certificate (RFC 9846 4.5.1.1); in TLS 1.2 the server to its leaf
(RFC 6066 8).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bothways import ConfigError, Fault
from bothways.iana import Alert
from bothways.roles import Role
from bothways.tls.events import MessageSeen, Note
from bothways.tls.wire import extensions as ext
from bothways.tls.wire import tls12
from bothways.tls.wire.flight import Message
from bothways.tls.wire.hello import ClientHello
from bothways.tls.wire.tls13 import Certificate, CertificateRequest
from bothways.trust.crl_store import CRLStore
from bothways.trust.evidence.http_exchange import TOLERANCE
from bothways.trust.ocsp.response import OCSPResponse
from bothways.trust.ocsp_store import OCSPStore
from bothways.trust.revocation import Revocation
from bothways.trust.verdict import Outcome
from pair import FrozenClock, pair
from pki import DAY, NOW, Issued, ocsp_response, responder, root
from tamper import Edit, Refusal, refused
from tls.handshake import conversations12
from tls.handshake.conversations import (
    asking,
    authority,
    client_config,
    credentials,
    good_status,
    responses,
    server_config,
)

NAMES = {Role.SERVER: "localhost", Role.CLIENT: "client.example"}
LEAF_ALONE = Revocation(staples="use", covers="leaf")
STATUS_ALERT = Alert.BAD_CERTIFICATE_STATUS_RESPONSE
BOTH = {
    "client": {"staples": good_status(credentials(NAMES[Role.CLIENT]))},
    "server": {"staples": good_status(credentials(NAMES[Role.SERVER]))},
}


def issued(role: Role) -> Issued:
    """The leaf of that side."""
    own = credentials(NAMES[role])
    return Issued(own.certificate, own.key, (authority(), *authority().above))


def stapling(response: bytes | None) -> Edit:
    """Staple this to the leaf instead, or nothing: in TLS 1.3, and in 1.2 where a response is sent anyway."""

    def edit(message: Message, nth: int) -> tuple[Message, ...]:
        if isinstance(message, ext.CertificateStatus):
            return () if response is None else (ext.CertificateStatus(response),)
        if not isinstance(message, Certificate):
            return (message,)
        leaf, *above = message.certificate_list
        status = () if response is None else (ext.CertificateStatus(response),)
        return (replace(message, certificate_list=(replace(leaf, extensions=status), *above)),)

    return edit


def altered(response: bytes) -> bytes:
    return response[:-1] + bytes([response[-1] ^ 1])


def cases(sender: Role) -> tuple[tuple[str, Fault, Alert, bytes | None, Revocation], ...]:
    """What is wrong with the staple, and what its receiver wants of one."""
    mine, other = issued(sender), issued(sender.other)
    stranger = root("Stranger")
    good = ocsp_response(mine)
    unknown = Fault.REVOCATION_UNKNOWN, Alert.CERTIFICATE_UNKNOWN
    return (
        ("one bit of its signature", Fault.BAD_STAPLE, STATUS_ALERT, altered(good), asking()),
        ("not even DER", Fault.BAD_STAPLE, STATUS_ALERT, b"garbage", asking()),
        ("cut short", Fault.BAD_STAPLE, STATUS_ALERT, good[:-1], asking()),
        ("about the other side", Fault.BAD_STAPLE, STATUS_ALERT, ocsp_response(other), asking()),
        ("of a stranger", Fault.BAD_STAPLE, STATUS_ALERT, ocsp_response(mine, signer=stranger), asking()),
        (
            "of a stranger's responder",
            Fault.BAD_STAPLE,
            STATUS_ALERT,
            ocsp_response(mine, signer=responder(stranger)),
            asking(),
        ),
        (
            "revoked, though a list says good",
            Fault.REVOKED,
            Alert.CERTIFICATE_REVOKED,
            ocsp_response(mine, status="revoked"),
            asking(),
        ),
        ("of last week", *unknown, ocsp_response(mine, next_update=NOW - DAY), LEAF_ALONE),
        ("of a responder that knows it not", *unknown, ocsp_response(mine, status="unknown"), LEAF_ALONE),
        ("required, and none comes", Fault.STAPLE_REQUIRED, STATUS_ALERT, None, asking("require")),
        (
            "required, and out of date",
            Fault.STAPLE_REQUIRED,
            STATUS_ALERT,
            ocsp_response(mine, next_update=NOW - DAY),
            asking("require"),
        ),
    )


REFUSALS = tuple(
    Refusal(
        f"the {sender.value}'s staple, {what}",
        sender,
        fault,
        alert,
        stapling(response),
        step={Role.SERVER: "2.3c", Role.CLIENT: "3.3c"}[sender],
        **{sender.other.value: {"revocation": policy}},
    )
    for sender in Role
    for what, fault, alert, response, policy in cases(sender)
)


@pytest.mark.parametrize("case", REFUSALS, ids=str)
def test_staple_that_does_not_count_is_refused_with_its_alert(case: Refusal) -> None:
    """RFC 6066 8, RFC 9846 4.5.1.1: both ways."""
    refused(
        case, client_config(**BOTH["client"] | case.client), server_config(**BOTH["server"] | case.server)
    )


OF_SERVER = {str(case): case for case in REFUSALS if case.sender is Role.SERVER}


@pytest.mark.parametrize("what", OF_SERVER)
def test_staple_of_tls_12_that_does_not_count_is_refused(what: str) -> None:
    """RFC 6066 8: the same in the message of its own."""
    case = OF_SERVER[what]
    client = conversations12.client_config(**BOTH["client"] | case.client)
    refused(case, client, conversations12.server_config(**BOTH["server"] | case.server))


def seen(notes: list[Note], kind: type, *, sent: bool) -> list[Any]:
    return [
        each.message
        for each in notes
        if isinstance(each, MessageSeen) and each.sent is sent and isinstance(each.message, kind)
    ]


def staples_in(notes: list[Note], *, sent: bool) -> list[bytes | None]:
    """What came or went with each certificate of TLS 1.3."""
    [certificate] = seen(notes, Certificate, sent=sent)
    statuses = [ext.find(each.extensions, ext.CertificateStatus) for each in certificate.certificate_list]
    return [None if status is None else status.response for status in statuses]


def test_client_and_server_staple_to_every_certificate_where_both_ask() -> None:
    """RFC 9846 4.5.1.1: what a staple covers needs no list."""
    whole = Revocation(staples="require")
    above = ocsp_response(authority())
    stores = {role: responses(ocsp_response(issued(role)), above) for role in Role}
    notes: list[Note] = []
    talk = pair(
        client_config(revocation=whole, staples=stores[Role.CLIENT]),
        server_config(revocation=whole, staples=stores[Role.SERVER]),
        client_notes=notes,
    )
    talk.exchange()
    assert talk.client.established and talk.server.established
    assert staples_in(notes, sent=True) == [ocsp_response_of(stores[Role.CLIENT], Role.CLIENT), above]
    assert staples_in(notes, sent=False) == [ocsp_response_of(stores[Role.SERVER], Role.SERVER), above]
    for peer in (talk.client.peer, talk.server.peer):
        assert peer is not None
        assert peer.verdict.findings[2].outcome is Outcome.PASSED
        assert peer.verdict.valid_until == NOW + DAY + TOLERANCE


def ocsp_response_of(store: OCSPStore, role: Role) -> bytes | None:
    return store.staples([issued(role).certificate], NOW)[0]


@pytest.mark.parametrize("asks", [False, True])
def test_no_staple_without_a_request(asks: bool) -> None:
    """RFC 9846 4.3: a staple answers status_request, in the ClientHello or the CertificateRequest."""
    notes: list[Note] = []
    options = {"revocation": asking()} if asks else {}
    talk = pair(
        client_config(**BOTH["client"] | options),
        server_config(**BOTH["server"] | options),
        client_notes=notes,
    )
    talk.exchange()
    assert talk.client.established and talk.server.established
    [hello], [request] = seen(notes, ClientHello, sent=True), seen(notes, CertificateRequest, sent=False)
    assert (ext.find(hello.extensions, ext.StatusRequest) is not None) is asks
    assert (ext.find(request.extensions, ext.EmptyStatusRequest) is not None) is asks
    for sent in (False, True):
        assert [each is not None for each in staples_in(notes, sent=sent)] == [asks, False]


def test_lists_alone_ask_for_no_staple() -> None:
    """The policy says whether staples count."""
    notes: list[Note] = []
    lists = replace(asking(), staples="ignore")
    talk = pair(client_config(revocation=lists), server_config(**BOTH["server"]), client_notes=notes)
    talk.exchange()
    assert talk.client.established
    [hello] = seen(notes, ClientHello, sent=True)
    assert ext.find(hello.extensions, ext.StatusRequest) is None


def test_staples_come_after_a_retry_too() -> None:
    """RFC 9846 4.2.2: the second ClientHello asks as the first did."""
    notes: list[Note] = []
    server = server_config(groups=("secp256r1",), **BOTH["server"])
    talk = pair(client_config(revocation=asking("require")), server, client_notes=notes)
    talk.exchange()
    assert talk.client.established
    assert len(seen(notes, ClientHello, sent=True)) == 2


@pytest.mark.parametrize("mutual", [False, True])
@pytest.mark.parametrize("transport", [False, True])
def test_server_of_tls_12_staples_to_its_leaf(transport: bool, mutual: bool) -> None:
    """RFC 6066 8: in a message after its Certificate, announced in its ServerHello."""
    own = conversations12.deciphering() if transport else credentials("localhost")
    more = conversations12.classic() if transport else {}
    mode = {} if mutual else {"client_auth": "none"}
    notes: list[Note] = []
    talk = pair(
        conversations12.client_config(revocation=asking("require"), **more),
        conversations12.server_config(**more | mode | {"credentials": own, "staples": good_status(own)}),
        client_notes=notes,
    )
    talk.exchange()
    assert talk.client.established and talk.server.established
    kinds = conversations12.kinds(notes, sent=False)
    assert kinds[:3] == ["ServerHello", "Certificate", "CertificateStatus"]


def test_client_of_tls_12_asks_in_vain_where_the_server_has_no_staple() -> None:
    """RFC 6066 8: the server then announces none; what the client wants decides."""
    for staples, established in (("use", True), ("require", False)):
        notes: list[Note] = []
        client = conversations12.client_config(revocation=asking(staples))
        talk = pair(client, conversations12.server_config(), client_notes=notes)
        talk.exchange()
        assert talk.client.established is established
        assert not seen(notes, ext.CertificateStatus, sent=False)
        assert not seen(notes, tls12.CertificateRequest, sent=True)


def test_server_without_a_response_that_holds_staples_none() -> None:
    """An old staple would have every client refuse that asks."""
    old = responses(ocsp_response(issued(Role.SERVER), next_update=NOW - DAY))
    for versions in (conversations12, None):
        make = (client_config, server_config)
        if versions is not None:
            make = (conversations12.client_config, conversations12.server_config)
        talk = pair(make[0](revocation=asking()), make[1](staples=old))
        talk.exchange()
        assert talk.client.established


def test_staple_is_renewed_while_handshakes_go_on() -> None:
    """What is added counts for the next connection of the same configuration."""
    clock = FrozenClock()
    store = responses(ocsp_response(issued(Role.SERVER)))
    server = server_config(staples=store, clock=clock)
    client = client_config(revocation=replace(asking("require"), crls=CRLStore(), unknown="accept"))
    for renewed in (None, ocsp_response(issued(Role.SERVER), this_update=NOW)):
        if renewed is not None:
            store.add(OCSPResponse(renewed))
        notes: list[Note] = []
        talk = pair(client, server, client_notes=notes)
        talk.exchange()
        assert talk.client.established
        newest = staples_in(notes, sent=False)[0]
    assert newest == renewed


def test_staples_are_given_as_a_store() -> None:
    """ConfigError when the config is made."""
    with pytest.raises(ConfigError, match="staples: expected an OCSPStore"):
        server_config(staples=[b"response"])
