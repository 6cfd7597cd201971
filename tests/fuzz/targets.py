"""What is fuzzed: one target for each decoder, and one for each side of a connection.

A target takes bytes and tells whether they were accepted. What it asserts is its list of documented
exceptions: anything else escapes and is a finding. For messages it asserts more: what is accepted encodes
to the same bytes, and no proper prefix of it is accepted.
"""

from __future__ import annotations

import tempfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from h2.config import H2Configuration
from h2.connection import H2Connection

import pki
from bothways import (
    ConfigError,
    Credentials,
    Established,
    ExternalPSKs,
    Failed,
    InternalError,
    PinnedKeys,
    RawKeyCredentials,
    TrustStore,
)
from bothways.doctor.chain import cards, certificate_rows
from bothways.doctor.probes import GOOD_SUITES_12, ProbeOffer, offer_record
from bothways.doctor.replies import SHOWN, ReplyReader
from bothways.errors import StartTLSFailed
from bothways.faults import Blame, Fault, sentence
from bothways.iana import CertificateCompressionAlgorithm, HandshakeType, name
from bothways.roles import Role, Version
from bothways.spiffe.identities import identities_in
from bothways.spiffe.stream import StreamEnded, SVIDStream
from bothways.starttls import ACCEPTED, PROTOCOLS, AcceptTLS, StartTLS
from bothways.tls.crypto.signing import schemes_for
from bothways.tls.crypto.suites import SUITES13
from bothways.tls.keys.psk_importer import find_psk, usable_psks
from bothways.tls.record.framing import Framing
from bothways.tls.resumption.session import decoded_content, encoded_content, new_content
from bothways.tls.wire import extensions as ext
from bothways.tls.wire import tls12, tls13
from bothways.tls.wire.alert import ALERT
from bothways.tls.wire.codec import Codec, decode, encode
from bothways.tls.wire.compression import compress, decompress, installed
from bothways.tls.wire.decode_errors import DecodeError
from bothways.tls.wire.extension_table import ExtensionContext, extension_block
from bothways.tls.wire.flight import (
    MESSAGES_12,
    MESSAGES_13,
    Flight,
    Message,
    check_extensions,
    encode_message,
    fields_of,
)
from bothways.tls.wire.hello import RETRY_RANDOM, ClientHello, ServerHello
from bothways.trust.certificate.raw_public_key import read_raw_key
from bothways.trust.decoding.parsing import EncodingError
from bothways.trust.path.constraints import key_weakness
from bothways.trust.path.name_matching import server_name
from bothways.trust.verdict import Purpose, Refused, Trusted
from bothways.trust.verification import verify
from inside import machinery
from openssl_hello import client_hello
from pair import NOON, Pair, pair, received, untouched
from spiffe import encoded
from starttls.clients_that_ask import ASKS, HELLO
from starttls.conversations import TURNS
from tls.handshake.conversations import (
    CONVERSATIONS,
    anchors,
    client_config,
    identity,
    psks,
    raw_key,
    server_config,
)


@dataclass(frozen=True)
class Target:
    """Half of `count` mutants run in `make test`, a hundred times as many in `make test-all`."""

    run: Callable[[bytes], bool]
    seeds: Callable[[], list[bytes]]
    count: int = 2000


# -- the wire --------------------------------------------------------------------------------------------

RANDOM = bytes(range(32))
SHARE = ext.KeyShareEntry(29, RANDOM)
GREASE = ext.UnknownExtension(0x0A0A, b"")
KEYS = ext.PreSharedKeys((ext.PskIdentity(b"id", 7),), (RANDOM,))
VERSION = ext.SelectedVersion(0x0304)
SCHEMES = ext.SignatureAlgorithms((0x0403, 0x0804))
ENTRY = tls13.CertificateEntry(b"leaf", (ext.CertificateStatus(b"ocsp"),))
TYPES = (ext.ClientCertificateTypes((2, 0)), ext.ServerCertificateTypes((2,)))
OFFER: ext.Extensions = (GREASE, ext.ServerName("a.example"), SCHEMES, *TYPES, ext.KeyShares((SHARE,)), KEYS)

SAMPLES: list[Message] = [
    ClientHello(0x0303, RANDOM, RANDOM, (0x1301, 0x0A0A), b"\0", OFFER),
    ClientHello(0x0303, RANDOM, b"", (0xC02B,), b"\0", None),
    ServerHello(0x0303, RANDOM, RANDOM, 0x1301, 0, (VERSION, ext.ServerShare(SHARE))),
    ServerHello(0x0303, RETRY_RANDOM, b"", 0x1301, 0, (VERSION, ext.RetryGroup(23), ext.Cookie(b"c"))),
    ServerHello(0x0303, RANDOM, b"", 0xC02B, 0, (ext.ExtendedMainSecret(), ext.RenegotiationInfo())),
    tls13.EncryptedExtensions((ext.ServerName(), ext.ApplicationProtocols((b"h2",)))),
    tls13.CertificateRequest(b"", (SCHEMES, ext.CertificateAuthorities((b"\x30\0",)))),
    tls13.CertificateRequest(b"c", (ext.OidFilters((ext.OidFilter(b"\6\1*", b""),)), GREASE)),
    tls13.Certificate(b"", (ENTRY, tls13.CertificateEntry(b"ca", ()))),
    tls13.CompressedCertificate(1, 20, zlib.compress(bytes(20))),
    tls13.CertificateVerify(0x0403, b"signature"),
    tls13.Finished(RANDOM),
    tls13.NewSessionTicket(7200, 1, b"n", b"ticket", (ext.MaxEarlyData(16),)),
    tls13.KeyUpdate(1),
    tls12.HelloRequest(),
    tls12.Certificate((b"leaf", b"ca")),
    tls12.ServerKeyExchange(29, RANDOM, 0x0403, b"signature"),
    tls12.CertificateRequest((1, 64), (0x0403, 0x0804), (b"\x30\0",)),
    tls12.ServerHelloDone(),
    tls12.ecdh_key_exchange(RANDOM),
    tls12.NewSessionTicket(7200, b"ticket"),
    ext.CertificateStatus(b"ocsp"),
]

# What ends with "all the rest" has prefixes of the same form; a ClientHello may end before its extensions.
OPEN_ENDED = (tls13.Finished, tls12.ClientKeyExchange, ClientHello, ServerHello)
PREFIXES = 32


def read_exactly(codec: Codec[Any], data: bytes) -> bool:
    """Documented: DecodeError."""
    try:
        value = decode(codec, data, "it")
    except DecodeError as error:
        assert sentence(error.fault.sentence, error.facts).isascii()
        return False
    assert encode(codec, value) == data, "a second spelling"
    if not isinstance(value, OPEN_ENDED):
        for end in range(0, len(data), 1 + len(data) // PREFIXES):
            refuse(codec, data[:end])
    return True


def refuse(codec: Codec[Any], data: bytes) -> None:
    """A part of something accepted must not be accepted too."""
    try:
        decode(codec, data, "it")
    except DecodeError:
        return
    raise AssertionError(f"a prefix of {len(data)} bytes is accepted")


def read_message(codec: Codec[Any], data: bytes) -> bool:
    """Documented: DecodeError; of the extensions, three faults of placement."""
    if not read_exactly(codec, data):
        return False
    message = decode(codec, data, "it")
    assert encode_message(message)[4:] == data
    for field in fields_of(message):
        assert field.text.isascii() and field.text.isprintable()
    try:
        check_extensions(message, frozenset({0, 5, 43, 51}))
    except Blame as blamed:
        assert blamed.fault in (
            Fault.DUPLICATE_EXTENSION,
            Fault.MISPLACED_EXTENSION,
            Fault.UNSOLICITED_EXTENSION,
            Fault.BINDER_NOT_LAST,
        )
    return True


CHAIN = bytes(range(200)) * 3 + b"a chain" * 60


def read_compressed(algorithm: int, data: bytes) -> bool:
    """Documented: two faults, and never another length than the one stated."""
    try:
        content = decompress(algorithm, data, len(CHAIN), 2**16)
    except Blame as blamed:
        assert blamed.fault is Fault.BAD_COMPRESSED_CERTIFICATE
        assert sentence(blamed.fault.sentence, blamed.facts).isascii()
        return False
    assert len(content) == len(CHAIN)
    return True


def compressed_seeds(algorithm: int) -> list[bytes]:
    return [compress(algorithm, CHAIN)]


def bodies_of(cls: type[Any]) -> list[bytes]:
    seeds = [encode_message(each)[4:] for each in SAMPLES if isinstance(each, cls)]
    if cls is ClientHello:
        seeds += [client_hello()[4:], client_hello(newest=False)[4:]]
    return seeds if cls is not tls13.Finished else [bytes(12), *seeds]


def read_flight(data: bytes) -> bool:
    """Documented: MESSAGE_TOO_LONG. Every cut of the bytes gives the same messages."""
    size = 1 + (data[0] if data else 0)
    whole, cut = messages_in(data[1:], len(data) or 1), messages_in(data[1:], size)
    assert whole == cut
    messages, blamed = whole
    assert data[1:].startswith(b"".join(messages))
    return not blamed and bool(messages)


def messages_in(data: bytes, size: int) -> tuple[list[bytes], bool]:
    flight = Flight(max_certificate_bytes=1000)
    found = []
    for at in range(0, len(data), size):
        flight.feed(data[at : at + size])
        try:
            while (message := flight.next()) is not None:
                found.append(message[1])
        except Blame as blamed:
            assert blamed.fault is Fault.MESSAGE_TOO_LONG
            return found, True
    return found, False


def read_ticket(data: bytes) -> bool:
    """Documented: nothing; what another release sealed is no session."""
    content = decoded_content(data)
    if content is None:
        return False
    assert encoded_content(content).startswith(data)
    return True


def tickets() -> list[bytes]:
    chain = (b"leaf", b"issuer")
    return [encoded_content(new_content(SUITES13[0x1301], RANDOM, chain, (1, 2, 3), bytes))]


# -- records ---------------------------------------------------------------------------------------------

FRAMING_FAULTS = (Fault.NOT_TLS, Fault.UNEXPECTED_RECORD, Fault.RECORD_TOO_LONG)


def read_records(data: bytes) -> bool:
    """Documented: three faults of framing. Every cut of the bytes gives the same records and fault."""
    size = 1 + (data[0] if data else 0)
    whole, cut = records_in(data[1:], len(data) or 1), records_in(data[1:], size)
    assert whole == cut
    records, fault = whole
    assert data[1:].startswith(b"".join(records))
    return fault is None and bool(records)


def records_in(data: bytes, size: int) -> tuple[list[bytes], Fault | None]:
    framing = Framing()
    found = []
    for at in range(0, len(data), size):
        framing.feed(data[at : at + size])
        try:
            while (framed := framing.next()) is not None:
                found.append(framed[0] + bytes(framed[1]))
        except Blame as blamed:
            assert blamed.fault in FRAMING_FAULTS
            return found, blamed.fault
    return found, None


# -- trust -----------------------------------------------------------------------------------------------

WEB = TrustStore.from_certificates(anchors().certificates, profile="web")


def judge_leaf(data: bytes) -> bool:
    """Documented: nothing; the answer is a verdict. Never a trusted one, for nobody signed the mutant."""
    chain = [data, *identity("localhost").chain[1:]]
    verdict = verify(chain, anchors(), purpose=Purpose.SERVER, name="localhost", at=NOON)
    by_web = verify(chain, WEB, purpose=Purpose.SERVER, name="localhost", at=NOON)
    assert isinstance(by_web, Refused) or isinstance(verdict, Trusted)
    assert all(str(reason).isascii() for reason in getattr(by_web, "reasons", ()))
    trusted = isinstance(verdict, Trusted)
    assert not trusted or data == identity("localhost").der
    assert trusted or all(str(reason).isascii() for reason in verdict.reasons)
    return trusted


def read_anchors(data: bytes) -> bool:
    """Documented: ConfigError."""
    try:
        return len(TrustStore.from_pem(data)) > 0
    except ConfigError as error:
        assert str(error)
        return False


def read_credentials(data: bytes) -> bool:
    """Documented: ConfigError."""
    try:
        return bool(Credentials.from_pem(data).chain)
    except ConfigError as error:
        assert str(error)
        return False


def answer_doctor(data: bytes) -> bool:
    """Documented: nothing; whatever comes back to a question is some answer. The first byte says in which pieces."""
    size, data = sum(data[:1]) + 1, data[1:]
    ear = ReplyReader(until_key_exchange=True)
    pieces = (ear.feed(data[at : at + size]) for at in range(0, len(data), size))
    answer = next((each for each in pieces if each is not None), None) or ear.end()
    assert answer.start.isprintable() and len(answer.start) <= SHOWN
    return answer.kind == "choice"


def examine_chain(data: bytes) -> bool:
    """Documented: nothing; what a certificate is like can always be told, in printable words."""
    chain = [data, *identity("localhost").chain[1:]]
    verdict = verify(chain, anchors(), purpose=Purpose.SERVER, name="localhost", at=NOON)
    rows = list(certificate_rows(chain, verdict, anchors(), NOON))
    shown = [row.text for row in rows] + [card.title for card in cards("server", chain, NOON)]
    assert rows and all(text.isprintable() for text in shown)
    return not any(row.level == "problem" for row in rows)


# -- whole connections ------------------------------------------------------------------------------------


def talk_through(data: bytes, course: str = "") -> bool:
    """Both sides connect while bytes on the wire are changed: places and values are in `data`, four bytes each.

    Documented: an event Failed on either side, never for a defect of ours. Who established agrees with
    the other on every byte, so data goes through.
    """
    talk = CONVERSATIONS[course].pair() if course else pair(client_config(), server_config())
    edits = [data[at : at + 4] for at in range(0, len(data) - 3, 4)]
    seen = {True: 0, False: 0}

    def edited(to_server: bool, flight: bytes) -> bytes:
        start, end = seen[to_server], seen[to_server] + len(flight)
        seen[to_server] = end
        changed = bytearray(flight)
        for edit in edits:
            at = int.from_bytes(edit[:2], "big") & 0x7FFF
            if (edit[0] >= 0x80) == to_server and start <= at < end:
                changed[at - start] = edit[2]
        return bytes(changed)

    talk.to_server, talk.to_client = partial(edited, True), partial(edited, False)
    return came_through(talk)


def mutated_message(by_server: bool, data: bytes, course: str = "") -> bool:
    """One side sends, under the right keys, a message of which bytes were changed, and believes in it itself.

    `data` is the number of the message, then changes of its body, four bytes each.
    """
    talk = CONVERSATIONS[course].pair() if course else pair(client_config(), server_config())
    out = machinery(talk.server if by_server else talk.client).out
    sent = iter(range(64))
    which, edits = (data[0] % 6 if data else 0), [data[at : at + 4] for at in range(1, len(data) - 3, 4)]
    put = out.put_message

    def altering(message: Message, raw: bytes | None = None) -> bytes:
        if next(sent) != which:
            return put(message, raw)
        raw = raw or encode_message(message)
        body = bytearray(raw[4:])
        for edit in edits:
            change(body, edit)
        changed = raw[:1] + len(body).to_bytes(3, "big") + body
        out.put_encoded(changed)
        return changed

    out.put_message = altering  # type: ignore[method-assign]
    return came_through(talk)


def change(body: bytearray, edit: bytes) -> None:
    """Overwrite, insert or remove a byte."""
    at = int.from_bytes(edit[:2], "big") % (len(body) + 1)
    match edit[3] % 4:
        case 0:
            body[at:at] = edit[2:3]
        case 1:
            del body[at : at + 1]
        case _:
            body[at : at + 1] = edit[2:3]


def came_through(talk: Pair) -> bool:
    talk.exchange()
    for events in (talk.client_events, talk.server_events):
        for event in events:
            if isinstance(event, Failed):
                assert not isinstance(event.error, InternalError), "a defect"
                assert str(event.error).isascii()
        assert [type(event) for event in events].count(Established) <= 1
    if not (talk.client.established and talk.server.established):
        return False
    talk.to_server = talk.to_client = untouched  # a data record of another length would only be waited for
    talk.client.send(b"ping")
    talk.exchange()
    assert received(talk.server_events) == b"ping" or talk.server_failure is not None
    return talk.server_failure is None


def edits(*sets: tuple[tuple[int, int], ...]) -> list[bytes]:
    """Seeds of places and values."""
    return [b"".join(at.to_bytes(2, "big") + bytes((value, 3)) for at, value in each) for each in sets]


@cache
def pem() -> bytes:
    return identity("localhost").chain_pem


def flights() -> list[bytes]:
    return [bytes((size,)) + b"".join(map(encode_message, SAMPLES)) for size in (0, 6, 255)]


def records() -> list[bytes]:
    kinds = (b"\x16\3\1", b"\x14\3\3", b"\x15\3\3", b"\x17\3\3")
    sizes = (0, 1, 2, 40)
    return [
        b"\7" + b"".join(kind + size.to_bytes(2, "big") + bytes(size) for kind in kinds for size in sizes)
    ]


def answers() -> list[bytes]:
    """What a server of TLS 1.2 says to a question, in pieces of three sizes; and an alert, and a banner."""
    connection = server_config(versions=("1.2",)).connection()
    connection.receive(offer_record(server_name("localhost"), ProbeOffer((0x0303,), GOOD_SUITES_12)))
    said = (connection.data_to_send(), bytes.fromhex("15030300020228"), b"220 mail ESMTP\r\n")
    return [bytes((size,)) + each for size in (0, 20, 255) for each in said]


def ask_for_tls(data: bytes) -> bool:
    """Documented: StartTLSFailed. The first byte names the protocol, the second the size of the pieces."""
    exchange = StartTLS(tuple(PROTOCOLS.values())[(data[0] if data else 0) % len(PROTOCOLS)], "mail.example")
    size = 1 + (data[1] if len(data) > 1 else 0)
    try:
        for at in range(2, len(data), size):
            exchange.receive(data[at : at + size])
            exchange.data_to_send()
    except StartTLSFailed as failed:
        assert str(failed).isascii() and str(failed).isprintable() and len(str(failed)) < 500
        return False
    return exchange.is_done


def be_asked_for_tls(data: bytes) -> bool:
    """Documented: StartTLSFailed. The first byte names the protocol, the second the size of the pieces."""
    exchange = AcceptTLS(tuple(ACCEPTED.values())[(data[0] if data else 0) % len(ACCEPTED)])
    size = 1 + (data[1] if len(data) > 1 else 0)
    try:
        for at in range(2, len(data), size):
            exchange.data_to_send()
            exchange.receive(data[at : at + size])
    except StartTLSFailed as failed:
        assert failed.peer == "client"
        assert str(failed).isascii() and str(failed).isprintable() and len(str(failed)) < 500
        return False
    return exchange.is_done


def requests_for_tls() -> list[bytes]:
    """Requests for TLS in single bytes, since a client that does not wait for replies is refused."""
    names = list(ACCEPTED)
    asked = [each for each in ASKS if HELLO not in each.said]
    return [bytes((names.index(each.protocol), 0)) + b"".join(each.said) for each in asked]


def hear_an_agent(data: bytes) -> bool:
    """Documented: StreamEnded. The first byte is the size of the pieces."""
    stream, size = SVIDStream(), 1 + (data[0] if data else 0)
    try:
        for at in range(1, len(data), size):
            stream.data_to_send()
            stream.receive(data[at : at + size])
    except StreamEnded as ended:
        assert str(ended).isprintable() and len(str(ended)) < 500
        return False
    return True


def words_of_agents() -> list[bytes]:
    """A server of h2 that answers with a response, and one that refuses."""
    found = []
    for status in (None, b"7"):
        client, server = SVIDStream(), H2Connection(H2Configuration(client_side=False))
        server.initiate_connection()
        server.receive_data(client.data_to_send())
        head = [(":status", "200"), ("content-type", "application/grpc")]
        ended = [] if status is None else [("grpc-status", "7"), ("grpc-message", "no%20one")]
        server.send_headers(1, [*head, *ended])
        server.send_data(1, b"\0" + len(PLAIN_SVIDS).to_bytes(4) + PLAIN_SVIDS)
        found.append(b"\xff" + bytes(server.data_to_send()))
    return found


def read_svids(data: bytes) -> bool:
    """Documented: ConfigError, of which none has a text of the key."""
    try:
        identities_in(data, "agent")
    except ConfigError as error:
        assert "secret" not in str(error)
        return False
    return True


PLAIN_SVIDS = encoded.response(
    encoded.svid(f3=b"secret"), more=encoded.federated(b"spiffe://b.example", encoded.certificate())
)


def svid_responses() -> list[bytes]:
    """A response that is well-formed and has no certificate, and one with real ones."""
    ca = pki.root("SPIFFE", alternatives=["URI:spiffe://example.org"])
    mine = pki.leaf(ca, "a", alternatives=["URI:spiffe://example.org/a"])
    key = mine.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return [PLAIN_SVIDS, encoded.response(encoded.svid(f2=mine.der, f3=key, f4=ca.der))]


def before_tls() -> list[bytes]:
    """What turns to TLS, in single bytes, since a server that does not wait for our words is refused."""
    names = list(PROTOCOLS)
    return [bytes((names.index(each.protocol), 0)) + b"".join(each.parts) for each in TURNS]


def places() -> list[bytes]:
    return edits((), ((0x8001, 3),), ((5, 0),), ((0x8040, 1), (0x0040, 1)))


def mutated_messages() -> list[bytes]:
    return [bytes((which,)) + each for which in range(6) for each in edits((), ((0, 0),), ((40, 255),))]


def read_key(data: bytes) -> bool:
    """Documented: EncodingError. What is accepted has a key of a kind that is known, or too weak."""
    try:
        key = read_raw_key(data)
    except EncodingError as error:
        assert str(error)
        return False
    key_weakness(key.key)
    schemes_for(key, Version.TLS13)
    return True


def read_pins(data: bytes) -> bool:
    """Documented: ConfigError, whose text contains no control characters. What is accepted is a set of digests."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        try:
            return len(PinnedKeys.from_file(file.name)) > 0
        except ConfigError as error:
            assert "\x1b" not in str(error)
            return False


def raw_keys() -> list[bytes]:
    return [raw_key("localhost").public.spki, of_kind("RSA-2048"), of_kind("Ed25519")]


def of_kind(kind: str) -> bytes:
    return RawKeyCredentials(pki.key(kind)).public.spki


def read_psks(data: bytes) -> bool:
    """Documented: ConfigError, whose text contains no control characters. What is accepted is a set of keys."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        try:
            return len(ExternalPSKs.from_file(file.name)) > 0
        except ConfigError as error:
            assert str(error).isprintable()
            return False


def psk_files() -> list[bytes]:
    key = f'[[key]]\nidentity = "k"\nsecret = "{RANDOM.hex()}"\npeer = "device"\nhash = "SHA-384"\n'
    return [('own = "server"\n' + key + 'context = "00ff"\n').encode()]


def find_key(data: bytes) -> bool:
    """Documented: nothing. What is known has the identity that it was found by, and one hash."""
    keys = psks("localhost", "client.example")
    found = find_psk(keys, Role.SERVER, data)
    if found is None:
        return False
    known = {each.identity for each in usable_psks(found.key, Role.SERVER, ("sha256", "sha384"))}
    assert data == found.identity and data in known
    return True


def identities() -> list[bytes]:
    [key] = (psks("localhost", "client.example").named(b"key 0", imported=True),)
    assert key is not None
    return [each.identity for each in usable_psks(key, Role.SERVER, ("sha256", "sha384"))]


TARGETS: dict[str, Target] = {
    **{
        f"TLS 1.3 {HandshakeType(code).name}": Target(partial(read_message, codec), partial(bodies_of, cls))
        for code, (cls, codec) in MESSAGES_13.items()
    },
    **{
        f"TLS 1.2 {HandshakeType(code).name}": Target(partial(read_message, codec), partial(bodies_of, cls))
        for code, (cls, codec) in MESSAGES_12.items()
        if MESSAGES_13.get(code) != (cls, codec)
    },
    **{
        f"extensions of a {place.value}": Target(
            partial(read_exactly, extension_block(place)), lambda: [bytes(2), bytes.fromhex("00040a0a0000")]
        )
        for place in ExtensionContext
    },
    "ECDHE key of a client": Target(partial(read_exactly, tls12.CLIENT_KEY), lambda: [b"\5point"]),
    "encrypted premaster": Target(partial(read_exactly, tls12.ENCRYPTED_SECRET), lambda: [b"\0\3box"]),
    "alert": Target(partial(read_exactly, ALERT), lambda: [b"\2\x28"]),
    "content of a ticket": Target(read_ticket, tickets),
    **{
        f"{name(CertificateCompressionAlgorithm, each)} of a certificate": Target(
            partial(read_compressed, each), partial(compressed_seeds, each)
        )
        for each in installed()
    },
    "flight": Target(read_flight, flights),
    "records": Target(read_records, records),
    "certificate": Target(judge_leaf, lambda: [identity("localhost").der], count=500),
    "answer to the doctor": Target(answer_doctor, answers),
    "server before TLS": Target(ask_for_tls, before_tls),
    "client before TLS": Target(be_asked_for_tls, requests_for_tls),
    "Workload API": Target(hear_an_agent, words_of_agents),
    "SVIDs": Target(read_svids, svid_responses),
    "chain at the doctor": Target(examine_chain, lambda: [identity("localhost").der], count=500),
    "anchors": Target(read_anchors, lambda: [pem(), identity("localhost").der], count=500),
    "raw public key": Target(read_key, raw_keys, count=500),
    "pins": Target(read_pins, lambda: [f"# a\n{'ab' * 32} device 7\n".encode()], count=500),
    "external PSKs": Target(read_psks, psk_files, count=300),
    "identity of an external PSK": Target(find_key, identities, count=500),
    "credentials": Target(read_credentials, lambda: [pem() + identity("localhost").key_pem], count=500),
    "connection": Target(talk_through, places, count=150),
    "client": Target(partial(mutated_message, True), mutated_messages, count=200),
    "server": Target(partial(mutated_message, False), mutated_messages, count=200),
    "resumed connection": Target(partial(talk_through, course="resumed"), places, count=150),
    "client of a session": Target(
        partial(mutated_message, True, course="resumed"), mutated_messages, count=200
    ),
    "server of a session": Target(
        partial(mutated_message, False, course="resumed"), mutated_messages, count=200
    ),
    "connection by an external PSK": Target(partial(talk_through, course="external PSK"), places, count=150),
    "client of an external PSK": Target(
        partial(mutated_message, True, course="external PSK"), mutated_messages, count=200
    ),
    "server of an external PSK": Target(
        partial(mutated_message, False, course="external PSK"), mutated_messages, count=200
    ),
}
