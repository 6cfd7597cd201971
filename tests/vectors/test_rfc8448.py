"""The five conversations of RFC 8448, from private keys and records to every secret, record and Finished.

Each side of a conversation is followed at once: a record is opened by the receiver's keys and sealed again by
the sender's, and must come out as the RFC prints it. Where the traces go beyond what we speak:

* The early data of section 4 is opened and sealed here by the secret that the RFC names; no type of ours
  derives it, for early data is neither sent nor accepted. EndOfEarlyData is not decoded for the same reason.
* What was random in signatures is not in the traces: they are checked, not made anew. The traces hold no
  private key for the certificates of section 6.
* The record of a first ClientHello has version 0x0301 there and 0x0303 here; RFC 9846 5.1 allows both.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from bothways.faults import Blame
from bothways.iana import ContentType, HandshakeType, NamedGroup, SignatureScheme
from bothways.roles import Version
from bothways.tls.crypto.groups import answer, finish, offer
from bothways.tls.crypto.hkdf import derive_secret, extract, finished_key, traffic_keys
from bothways.tls.crypto.signing import CLIENT_CONTEXT, SERVER_CONTEXT, check_signature, proof_input, sign
from bothways.tls.crypto.suites import SUITES13
from bothways.tls.keys.schedule13 import (
    EarlySecret,
    HandshakeSecrets,
    finished_mac,
    resumption_psk,
    same_secret,
)
from bothways.tls.keys.transcript import Transcript
from bothways.tls.record.framing import Framing
from bothways.tls.record.protection import Plaintext, Protection
from bothways.tls.wire import extensions as ext
from bothways.tls.wire.flight import Flight, decode_message, encode_message
from bothways.tls.wire.hello import ClientHello, ServerHello, is_retry
from bothways.tls.wire.tls13 import Certificate, CertificateVerify, Finished, NewSessionTicket

TRACES = json.loads((Path(__file__).parent / "rfc8448.json").read_text())
SUITE = SUITES13[0x1301]
SECTIONS = {
    "3": "1-RTT",
    "4": "resumed 0-RTT",
    "5": "HelloRetryRequest",
    "6": "client authentication",
    "7": "compatibility",
}
every_section = pytest.mark.parametrize("number", SECTIONS, ids=lambda number: f"{number} {SECTIONS[number]}")
T = HandshakeType


@dataclass
class Replay:
    """One conversation as it was followed: what was seen, derived and sealed."""

    number: str
    messages: list[tuple[str, int, bytes]] = field(default_factory=list)
    values: dict[str, bytes] = field(default_factory=dict)
    sealed: list[tuple[bytes, bytes]] = field(default_factory=list)
    content: list[tuple[str, int, bytes]] = field(default_factory=list)
    finished: list[tuple[bytes, bytes]] = field(default_factory=list)
    proofs: list[tuple[str, Certificate, CertificateVerify, bytes]] = field(default_factory=list)
    binder: tuple[bytes, bytes] | None = None

    def message(self, kind: int, which: int = 0) -> bytes:
        return [raw for _, message_type, raw in self.messages if message_type == kind][which]


class Recorded:
    """The private keys of one side, given out as that side drew them."""

    def __init__(self, section: dict[str, Any], side: str) -> None:
        self._keys = {
            NamedGroup[each["group"]]: private_key(each) for each in section["keys"] if each["side"] == side
        }

    def private_key(self, group: int, /) -> object:
        return self._keys[NamedGroup(group)]

    def random(self, size: int, /) -> bytes:
        raise NotImplementedError

    def encapsulate(self, public_key: object, /) -> tuple[bytes, bytes]:
        raise NotImplementedError

    def sign(self, scheme: int, private_key: object, data: bytes, /) -> bytes:
        raise NotImplementedError


def private_key(recorded: dict[str, str]) -> object:
    value = bytes.fromhex(recorded["private"])
    if recorded["group"] == "x25519":
        return X25519PrivateKey.from_private_bytes(value)
    return ec.derive_private_key(int.from_bytes(value, "big"), ec.SECP256R1())


class Follower:
    """Follows a conversation record by record and derives what both sides derive."""

    def __init__(self, number: str) -> None:
        self.section = TRACES["sections"][number]
        self.replay = Replay(number)
        self.transcript = Transcript()
        self.flights = {"client": Flight(), "server": Flight()}
        self.opening: dict[str, Plaintext | Protection] = {"client": Plaintext(), "server": Plaintext()}
        self.sealing = dict(self.opening)
        self.psk: bytes | None = None
        self.secrets: HandshakeSecrets | None = None
        self.certificates: dict[str, Certificate] = {}

    def follow(self) -> Replay:
        for each in self.section["records"]:
            framing = Framing()
            framing.feed(bytes.fromhex(each["record"]))
            header, body = framing.next() or pytest.fail("not a whole record")
            if header[0] == ContentType.change_cipher_spec:
                assert bytes(body) == b"\1"
                continue
            self.open(each["sender"], bytes.fromhex(each["record"]), header, body)
        return self.replay

    def open(self, sender: str, record: bytes, header: bytes, body: memoryview) -> None:
        content_type, content = self.opening[sender].open(header, body)
        self.replay.content.append((sender, content_type, content))
        self.replay.sealed.append((record, self.sealing[sender].seal(content_type, content)))
        if content_type != ContentType.handshake:
            return
        flight = self.flights[sender]
        flight.feed(content)
        while (message := flight.next()) is not None:
            self.replay.messages.append((sender, *message))
            self.take(sender, *message)
        assert flight.empty

    def take(self, sender: str, message_type: int, raw: bytes) -> None:
        if message_type == T.end_of_early_data:
            self.transcript.add(raw)
            self.change_keys("client", self.handshake.client, "handshake")
            return
        message = decode_message(message_type, raw[4:])
        if isinstance(message, CertificateVerify):
            certificate = self.certificates[sender]
            self.replay.proofs.append((sender, certificate, message, self.transcript.digest()))
        elif isinstance(message, Certificate):
            self.certificates[sender] = message
        elif isinstance(message, Finished):
            secrets = self.handshake
            key = secrets.server_finished if sender == "server" else secrets.client_finished
            mac = finished_mac(key, self.transcript.digest(), SUITE)
            self.replay.finished.append((message.verify_data, mac))
        if not isinstance(message, NewSessionTicket):
            self.transcript.receive(raw)
        if isinstance(message, ClientHello):
            self.hello = message
            self.take_psk(message, raw)
        elif isinstance(message, ServerHello):
            self.take_server_hello(message)
        elif isinstance(message, Finished):
            self.take_finished(sender)

    @property
    def handshake(self) -> HandshakeSecrets:
        assert self.secrets is not None
        return self.secrets

    def take_psk(self, hello: ClientHello, raw: bytes) -> None:
        offered = ext.find(hello.extensions or (), ext.PreSharedKeys)
        if offered is None:
            return
        values = self.replay.values
        first = replay("3")
        ticket = decode_message(T.new_session_ticket, first.message(T.new_session_ticket)[4:])
        assert isinstance(ticket, NewSessionTicket)
        assert offered.identities[0].identity == ticket.ticket
        values["res master of section 3"] = first.values["res master"]
        self.psk = values["resumption"] = resumption_psk(
            first.values["res master"], ticket.ticket_nonce, SUITE
        )

        values["binder key"] = EarlySecret(SUITE, self.psk).binder_key()
        size = 2 + sum(1 + len(binder) for binder in offered.binders)
        values["binder hash"] = hashlib.sha256(raw[:-size]).digest()
        values["binder finished key"] = finished_key(SUITE, values["binder key"])
        values["binder"] = finished_mac(values["binder finished key"], values["binder hash"], SUITE)
        self.replay.binder = (offered.binders[0], values["binder"])

        values["early"] = extract(SUITE.hash, bytes(32), self.psk)
        hello_hash = hashlib.sha256(raw).digest()
        values["c e traffic"] = derive_secret(SUITE.hash, values["early"], "c e traffic", hello_hash)
        values["e exp master"] = derive_secret(SUITE.hash, values["early"], "e exp master", hello_hash)
        self.change_keys("client", values["c e traffic"], "early")

    def take_server_hello(self, hello: ServerHello) -> None:
        if is_retry(hello):
            self.transcript.choose(SUITES13[hello.cipher_suite].hash)
            self.transcript.replace_with_message_hash()
            return
        if not any(is_retry_of(raw) for _, kind, raw in self.replay.messages[:-1] if kind == T.server_hello):
            self.transcript.choose(SUITES13[hello.cipher_suite].hash)
        assert SUITES13[hello.cipher_suite] is SUITE
        values = self.replay.values
        values["shared secret"] = self.agree(hello)
        values["hash of nothing"] = hashlib.sha256().digest()
        values["hash of ClientHello...ServerHello"] = self.transcript.digest()
        values["early"] = extract(SUITE.hash, bytes(32), self.psk or bytes(32))
        values["derived for handshake"] = derive_secret(
            SUITE.hash, values["early"], "derived", values["hash of nothing"]
        )
        early = EarlySecret(SUITE, self.psk)
        self.secrets = secrets = early.handshake(values["shared secret"], self.transcript.digest(), SUITE)
        values["handshake"] = extract(SUITE.hash, values["derived for handshake"], values["shared secret"])
        values["c hs traffic"], values["s hs traffic"] = secrets.client, secrets.server
        self.change_keys("server", secrets.server, "handshake")
        if "c e traffic" not in values:
            self.change_keys("client", secrets.client, "handshake")

    def agree(self, hello: ServerHello) -> bytes:
        """The same key agreement on both sides, from the recorded private keys and the shares on the wire."""
        theirs = ext.find(hello.extensions or (), ext.ServerShare)
        shares = ext.find(self.hello.extensions or (), ext.KeyShares)
        assert theirs is not None and shares is not None
        group = theirs.entry.group
        ours = offer(group, Recorded(self.section, "client"))
        assert [each.key_exchange for each in shares.shares if each.group == group] == [ours.public]
        share, secret = answer(group, ours.public, Recorded(self.section, "server"))
        assert share == theirs.entry.key_exchange
        assert finish(ours, share) == secret
        return secret

    def take_finished(self, sender: str) -> None:
        values = self.replay.values
        if sender == "server":
            application = self.application = self.handshake.application(self.transcript.digest())
            values["derived for master"] = derive_secret(
                SUITE.hash, values["handshake"], "derived", values["hash of nothing"]
            )
            values["master"] = application._main_secret
            values["c ap traffic"], values["s ap traffic"] = application.client, application.server
            values["exp master"] = application.exporter
            self.change_keys("server", application.server, "application")
        else:
            values["res master"] = self.application.resumption(self.transcript.digest())
            if self.replay.number == "3":
                values["resumption"] = resumption_psk(values["res master"], b"\0\0", SUITE)
            self.change_keys("client", self.application.client, "application")

    def change_keys(self, sender: str, secret: bytes, epoch: str) -> None:
        self.replay.values[f"{sender} {epoch} key"] = traffic_keys(SUITE, secret).key
        self.replay.values[f"{sender} {epoch} iv"] = traffic_keys(SUITE, secret).iv
        self.opening[sender] = Protection(SUITE, secret)
        self.sealing[sender] = Protection(SUITE, secret)


def is_retry_of(raw: bytes) -> bool:
    message = decode_message(T.server_hello, raw[4:])
    return isinstance(message, ServerHello) and is_retry(message)


@cache
def replay(number: str) -> Replay:
    return Follower(number).follow()


@every_section
def test_every_value_of_the_trace_comes_out(number: str) -> None:
    """RFC 8448 3-7: secrets, keys, IVs, hashes and binder; none that the RFC prints is left out."""
    expected = TRACES["sections"][number]["values"]
    ours = replay(number).values
    assert set(expected) <= set(ours)
    assert {name: ours[name].hex() for name in expected} == expected


@every_section
def test_every_record_is_sealed_as_the_trace_has_it(number: str) -> None:
    """RFC 8448 3-7: the sender's keys make the same bytes of what the receiver opened."""
    records = replay(number).sealed
    for at, (expected, ours) in enumerate(records):
        if at == 0:
            assert expected[:3] == b"\x16\3\1"
            expected = b"\x16\3\3" + expected[3:]
        assert ours == expected
    changes = sum(each["record"].startswith("14") for each in TRACES["sections"][number]["records"])
    assert len(records) == len(TRACES["sections"][number]["records"]) - changes


@every_section
def test_both_finished_are_those_that_we_compute(number: str) -> None:
    """RFC 8448 3-7: over the transcript before each."""
    finished = replay(number).finished
    assert len(finished) == 2
    assert all(same_secret(theirs, ours) for theirs, ours in finished)


@every_section
def test_every_message_is_decoded_and_encoded_to_the_same_bytes(number: str) -> None:
    """RFC 8448 3-7: all but EndOfEarlyData, which we do not speak."""
    spoken = [(kind, raw) for _, kind, raw in replay(number).messages if kind != T.end_of_early_data]
    assert len(spoken) == {"3": 8, "4": 5, "5": 9, "6": 10, "7": 7}[number]
    for kind, raw in spoken:
        assert encode_message(decode_message(kind, raw[4:])) == raw


@pytest.mark.parametrize(("number", "proofs"), {"3": 1, "4": 0, "5": 1, "6": 2, "7": 1}.items())
def test_every_signature_covers_the_transcript_before_it(number: str, proofs: int) -> None:
    """RFC 8448 3-7: by the key of the certificate that came before it, for its own side's context."""
    seen = replay(number).proofs
    assert len(seen) == proofs
    for sender, certificate, proof, transcript_hash in seen:
        leaf = x509.load_der_x509_certificate(certificate.certificate_list[0].cert_data)
        context = SERVER_CONTEXT if sender == "server" else CLIENT_CONTEXT
        check_signature(
            proof.algorithm, leaf, proof_input(context, transcript_hash), proof.signature, Version.TLS13
        )


def test_the_server_key_of_the_rfc_signs_for_its_certificate() -> None:
    """RFC 8448 2: the RSA key of sections 3, 5 and 7, which signs anew what its trace signed."""
    numbers = {name: int(value, 16) for name, value in TRACES["server_rsa_key"].items()}
    p, q = rsa.rsa_recover_prime_factors(numbers["n"], numbers["e"], numbers["d"])
    d = numbers["d"]
    key = rsa.RSAPrivateNumbers(
        p,
        q,
        d,
        d % (p - 1),
        d % (q - 1),
        rsa.rsa_crt_iqmp(p, q),
        rsa.RSAPublicNumbers(numbers["e"], numbers["n"]),
    ).private_key()
    for number in ("3", "5", "7"):
        ((_, certificate, proof, transcript_hash),) = replay(number).proofs
        leaf = x509.load_der_x509_certificate(certificate.certificate_list[0].cert_data)
        assert leaf.public_key() == key.public_key()
        assert proof.algorithm == SignatureScheme.rsa_pss_rsae_sha256
        data = proof_input(SERVER_CONTEXT, transcript_hash)
        check_signature(proof.algorithm, leaf, data, sign(proof.algorithm, key, data), Version.TLS13)


def test_the_binder_of_the_resumed_hello_is_the_one_that_we_compute() -> None:
    """RFC 8448 4: over the hello without its binders."""
    binder = replay("4").binder
    assert binder is not None
    assert same_secret(*binder)


@every_section
def test_both_sides_close_with_an_alert_after_their_data(number: str) -> None:
    """RFC 8448 3-7: what remains are data, where there is any, and close_notify both ways."""
    rest = [each for each in replay(number).content if each[1] != ContentType.handshake]
    data = [content for _, content_type, content in rest if content_type == ContentType.application_data]
    assert data == {"3": [bytes(range(50))] * 2, "4": [b"ABCDEF", *[bytes(range(50))] * 2]}.get(number, [])
    assert rest[-2:] == [("client", ContentType.alert, b"\1\0"), ("server", ContentType.alert, b"\1\0")]


@pytest.mark.parametrize("at", [11, 43, 94], ids=["random", "session ID", "version"])
def test_a_trace_that_was_altered_does_not_open(at: int) -> None:
    """What agrees above is compared in earnest: with one bit of the ServerHello turned nothing opens."""
    follower = Follower("3")
    follower.section = json.loads(json.dumps(follower.section))
    record = bytearray.fromhex(follower.section["records"][1]["record"])
    record[at] ^= 1
    follower.section["records"][1]["record"] = record.hex()
    with pytest.raises(Blame):
        follower.follow()
