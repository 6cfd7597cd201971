"""Records that are no larger than their receiver accepts, in both versions and by both roles (RFC 8449)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from bothways import ConfigError, Fault, PeerFault
from bothways.iana import Alert, ContentType
from bothways.roles import Role
from bothways.tls.handshake.context import HandshakeContext
from bothways.tls.wire import extensions as ext
from bothways.tls.wire.flight import Message
from bothways.tls.wire.hello import ClientHello, ServerHello
from bothways.tls.wire.tls13 import Certificate, EncryptedExtensions
from inside import machinery
from pair import Pair, received
from tamper import Outgoing, Refusal, altering, editing, extending, refused
from tls.handshake import conversations, conversations12
from tls.handshake.conversations import client_config, server_config

VERSIONS = ("1.3", "1.2")
COURSES = {"1.3": conversations.CONVERSATIONS, "1.2": conversations12.CONVERSATIONS}
SUITES12 = ("TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256")
LARGEST = {"1.3": 2**14 + 1, "1.2": 2**14}
# What a record adds to its content: the tag, and in TLS 1.2 an explicit nonce of AES-GCM.
ADDED = {"1.3": 16, SUITES12[0]: 24, SUITES12[1]: 16}


def sizes(flight: bytes, version: str = "1.3") -> list[int]:
    """The bodies of the protected records of one direction: in TLS 1.2 those after its ChangeCipherSpec."""
    found, at, is_protected = [], 0, False
    while at < len(flight):
        size = int.from_bytes(flight[at + 3 : at + 5], "big")
        if flight[at] == ContentType.application_data or is_protected:
            found.append(size)
        if version == "1.2" and flight[at] == ContentType.change_cipher_spec:
            is_protected = True
        at += 5 + size
    return found


class Wire:
    """The bytes of one direction."""

    def __init__(self) -> None:
        self.seen = b""

    def __call__(self, data: bytes) -> bytes:
        self.seen += data
        return data


def talk(version: str, client: dict[str, Any], server: dict[str, Any]) -> tuple[Pair, list[int], list[int]]:
    """A mutual handshake, data and a close: the sizes of what each side protected."""
    pair = COURSES[version]["mutual"].pair(client, server)
    up, down = Wire(), Wire()
    pair.to_server, pair.to_client = up, down
    pair.client.send(b"early" * 100)
    pair.exchange()
    assert pair.client.established and pair.server.established, (pair.client.failure, pair.server.failure)
    assert pair.client.version == version
    for end in (pair.client, pair.server):
        end.send(b"c" * 70_000)
    pair.exchange()
    if version == "1.3":
        pair.client.update_keys(ask=True)
        pair.exchange()
        for end in (pair.client, pair.server):
            end.send(b"k" * 3_000)
        pair.exchange()
    assert len(received(pair.server_events)) >= 70_500 and len(received(pair.client_events)) >= 70_000
    return pair, sizes(up.seen, version), sizes(down.seen, version)


@pytest.mark.parametrize("own", [64, 65, 1000, 2**14 - 1])
def test_each_side_keeps_to_the_limit_of_the_other(own: int) -> None:
    """RFC 8449 4: in TLS 1.3 content type and padding count; messages of the handshake are fragmented too."""
    other = min(own + own // 2, 2**14)
    for padding in (0, 7, 4096):
        both = {"record_padding": padding}
        _, up, down = talk("1.3", both | {"record_size_limit": own}, both | {"record_size_limit": other})
        assert max(down) == own + 16 and max(up) == other + 16


@pytest.mark.parametrize("suite", SUITES12)
def test_each_side_keeps_to_the_limit_of_the_other_in_tls_12(suite: str) -> None:
    """RFC 8449 4: there it is the length of the content alone, and holds after ChangeCipherSpec."""
    fields: dict[str, Any] = {"suites": (suite,)}
    _, up, down = talk("1.2", fields | {"record_size_limit": 64}, fields | {"record_size_limit": 2000})
    assert max(down) == 64 + ADDED[suite] and max(up) == 2000 + ADDED[suite]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("silent", Role)
def test_limit_of_one_side_alone_does_not_hold(version: str, silent: Role) -> None:
    """RFC 8449 4: it is negotiated, or nobody keeps to it."""
    small, none = {"record_size_limit": 500}, {"record_size_limit": None}
    client, server = (none, small) if silent is Role.CLIENT else (small, none)
    pair, up, down = talk(version, client, server)
    assert max(up) > 2**14 and max(down) > 2**14
    assert pair.client.failure is None and pair.server.failure is None


@pytest.mark.parametrize("version", VERSIONS)
def test_both_accept_the_most_by_default(version: str) -> None:
    """RFC 8449 4: so a peer with little memory can say so."""
    _, up, down = talk(version, {}, {})
    assert max(up) > 2**14 and max(down) > 2**14
    offered = ext.find(client_config().settings.negotiation.hello, ext.RecordSizeLimit)
    assert offered == ext.RecordSizeLimit(2**14 + 1)
    only_12 = client_config(versions=("1.2",)).settings.negotiation.hello
    assert ext.find(only_12, ext.RecordSizeLimit) == ext.RecordSizeLimit(2**14)
    assert (
        ext.find(client_config(record_size_limit=None).settings.negotiation.hello, ext.RecordSizeLimit)
        is None
    )


@pytest.mark.parametrize("name", ["resumed", "mutual after a retry", "with ALPN", "compressed by both"])
def test_limit_holds_in_every_course(name: str) -> None:
    """RFC 8449 4: it belongs to the connection, and no session remembers it."""
    pair = conversations.CONVERSATIONS[name].pair({"record_size_limit": 100}, {"record_size_limit": 200})
    up, down = Wire(), Wire()
    pair.to_server, pair.to_client = up, down
    pair.exchange()
    assert pair.client.established and pair.server.established, (pair.client.failure, pair.server.failure)
    pair.client.send(bytes(1000))
    pair.server.send(bytes(1000))
    pair.exchange()
    assert max(sizes(up.seen)) == 216 and max(sizes(down.seen)) == 116


@pytest.mark.parametrize("version", VERSIONS)
def test_client_may_offer_more_than_the_version_has(version: str) -> None:
    """RFC 8449 4: a server must not enforce it, since the client may have other versions in mind."""
    with altering(Role.CLIENT, editing(ClientHello, ext.RecordSizeLimit, limit=65_535)):
        pair = COURSES[version]["mutual"].pair()
        pair.exchange()
        pair.server.send(bytes(40_000))
        pair.exchange()
    assert len(received(pair.client_events)) == 40_000


def test_max_fragment_length_is_ignored() -> None:
    """RFC 8449 5: it is not supported; beside record_size_limit it has no meaning."""
    old = ext.UnknownExtension(1, b"\1")
    for version in VERSIONS:
        with altering(Role.CLIENT, extending(ClientHello, old)):
            pair = COURSES[version]["mutual"].pair()
            pair.exchange()
        assert pair.client.established or version == "1.3" or pair.client.failure is None


@pytest.mark.parametrize("limit", [63, 0, -1, 2**14 + 2])
def test_limit_that_nobody_can_have_is_a_config_error(limit: int) -> None:
    for config in (client_config, server_config):
        with pytest.raises(ConfigError, match="record_size_limit: expected 64 to 16385 bytes, or None"):
            config(record_size_limit=limit)


# -- what is refused ------------------------------------------------------------------------------------


def larger(hs: HandshakeContext) -> None:
    """From here on protect more in a record than the other side accepts."""
    hs.out.limit_records(2**14)


def forgetting(message: Message, nth: int) -> Iterable[Outgoing]:
    """Forget the limit before the Certificate."""
    return (larger, message) if isinstance(message, Certificate) else (message,)


def _after(version: str) -> Iterable[Refusal]:
    for liar in Role:
        honest = {"record_size_limit": 400}
        sides = {"client": honest} if liar is Role.SERVER else {"server": honest}

        def then(talk: Pair, end: Any) -> None:
            larger(machinery(end))
            end.send(bytes(400 if version == "1.3" else 401))

        yield Refusal(
            f"one byte more than accepted, in {version} by the {liar.value}",
            liar,
            Fault.RECORD_TOO_LONG,
            Alert.RECORD_OVERFLOW,
            then=then,
            conversation=version,
            **sides,
        )


def _limits(version: str) -> Iterable[Refusal]:
    kind = EncryptedExtensions if version == "1.3" else ServerHello
    for got in (0, 63, LARGEST[version] + 1, 65_535):
        edit = editing(kind, ext.RecordSizeLimit, limit=got)
        bad, must_not = Fault.BAD_RECORD_SIZE_LIMIT, Alert.ILLEGAL_PARAMETER
        yield Refusal(f"{got} in {version}", Role.SERVER, bad, must_not, edit, conversation=version)
    for got in (0, 63):
        edit = editing(ClientHello, ext.RecordSizeLimit, limit=got)
        yield Refusal(
            f"{got} in {version}", Role.CLIENT, bad, must_not, edit, conversation=version, step="1.1"
        )


ROWS = (
    *_after("1.3"),
    *_after("1.2"),
    *_limits("1.3"),
    *_limits("1.2"),
    Refusal(
        "a Certificate in one record",
        Role.SERVER,
        Fault.RECORD_TOO_LONG,
        Alert.RECORD_OVERFLOW,
        forgetting,
        client={"record_size_limit": 400},
        conversation="1.3",
        step="2.1",
    ),
    Refusal(
        "a Certificate in one record",
        Role.CLIENT,
        Fault.RECORD_TOO_LONG,
        Alert.RECORD_OVERFLOW,
        forgetting,
        server={"record_size_limit": 400},
        conversation="1.3",
        step="3.1",
    ),
    Refusal(
        "the EncryptedExtensions that say it, in a larger record",
        Role.SERVER,
        Fault.RECORD_TOO_LONG,
        Alert.RECORD_OVERFLOW,
        lambda message, nth: (larger, message) if isinstance(message, EncryptedExtensions) else (message,),
        client={"record_size_limit": 400},
        conversation="1.3",
    ),
    Refusal(
        "an answer to what was not offered",
        Role.SERVER,
        Fault.UNSOLICITED_EXTENSION,
        Alert.UNSUPPORTED_EXTENSION,
        extending(EncryptedExtensions, ext.RecordSizeLimit(1000)),
        client={"record_size_limit": None},
        conversation="1.3",
    ),
    Refusal(
        "max_fragment_length beside it",
        Role.SERVER,
        Fault.UNSOLICITED_EXTENSION,
        Alert.UNSUPPORTED_EXTENSION,
        extending(EncryptedExtensions, ext.UnknownExtension(1, b"\1")),
        conversation="1.3",
    ),
)


@pytest.mark.parametrize("case", ROWS, ids=lambda case: f"{case} by the {case.sender.value}")
def test_peer_is_refused(case: Refusal) -> None:
    """RFC 8449 4, 5: a larger record is record_overflow, an impossible limit illegal_parameter."""
    conversation = COURSES[case.conversation]["mutual"]
    client = client_config(**conversation.client | case.client)
    server = server_config(**conversation.server | case.server)
    error = refused(case, client, server)
    assert isinstance(error, PeerFault)


@pytest.mark.parametrize("version", VERSIONS)
def test_larger_record_is_refused_by_its_header(version: str) -> None:
    """Nobody has to send the body, and nothing is decrypted."""
    pair, _, _ = talk(version, {}, {"record_size_limit": 64})
    pair.server.receive(b"\x17\3\3" + (64 + 25).to_bytes(2, "big"))
    error = pair.server.failure
    assert isinstance(error, PeerFault) and error.fault is Fault.RECORD_TOO_LONG
