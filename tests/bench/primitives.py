"""The calls into `cryptography` that a mutual handshake cannot do without, and no more.

Counted for both sides together: certificates directly under one anchor, AES-128-GCM with SHA-256.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, mlkem, padding, rsa, x25519
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand

from bench.identities import Identities

SHA256 = hashes.SHA256()
ECDSA = ec.ECDSA(SHA256)
FLIGHT = 900  # bytes of each side's protected flight, about


class Calls(NamedTuple):
    """One kind of call: how often a handshake makes it, on both sides together, and why."""

    count: int
    what: str
    call: Callable[[], object]


def handshake(identities: Identities, *, remembered: bool = False, hybrid: bool = False) -> list[Calls]:
    """Every call of one handshake; with `remembered` paths the certificates' signatures are known to hold."""
    calls = [*_x25519(), *_certificates(identities), *_signatures(identities, remembered)]
    calls += _transcript(hashed=18, messages="9 of 10, since nothing covers the last", taken=12)
    calls += _schedule(
        extracted=(4, "handshake and main secret"),
        expanded=(30, "4 traffic secrets, 1 derived, 4 keys, 4 IVs, 2 Finished a side"),
        made=(4, "Finished"),
    )
    calls += _records()
    return [*_mlkem768(), *calls] if hybrid else calls


def resumed() -> list[Calls]:
    """Every call of one handshake that resumes a session, with the ticket for the next; paths are remembered."""
    calls = [*_x25519(), *_transcript(hashed=10, messages="5 a side", taken=12)]
    calls += _schedule(
        extracted=(6, "early, handshake and main secret"),
        expanded=(40, "15 a side as without a session, binder key, its Finished, 1 derived, resumption, PSK"),
        made=(6, "Finished and binder"),
    )
    return [*calls, *_records_resumed()]


def handshake12(identities: Identities, cipher: str) -> list[Calls]:
    """Every call of one handshake of TLS 1.2, both sides authenticated, by the suite that OpenSSL calls `cipher`."""
    transport = cipher.startswith("AES")
    exchange = _transport(identities) if transport else [*_x25519(), *_exchange_proof(identities)]
    calls = [*exchange, *_certificates(identities), *_client_proof(identities)]
    calls += _transcript(hashed=20, messages="10 of 11, since nothing covers the last", taken=6)
    return [*calls, *_prf()]


def once(calls: list[Calls]) -> Callable[[], None]:
    """All calls of a handshake as one function."""
    flat = [each.call for each in calls for _ in range(each.count)]

    def run() -> None:
        for call in flat:
            call()

    return run


def _x25519() -> list[Calls]:
    generate = x25519.X25519PrivateKey.generate
    private = generate()
    public = generate().public_key()
    raw = public.public_bytes_raw()
    return [
        Calls(2, "X25519 key made", generate),
        Calls(2, "X25519 share written", lambda: private.public_key().public_bytes_raw()),
        Calls(2, "X25519 share read", lambda: x25519.X25519PublicKey.from_public_bytes(raw)),
        Calls(2, "X25519 agreed", lambda: private.exchange(public)),
    ]


def _mlkem768() -> list[Calls]:
    generate = mlkem.MLKEM768PrivateKey.generate
    private = generate()
    public = private.public_key()
    raw = public.public_bytes_raw()
    _, ciphertext = public.encapsulate()
    return [
        Calls(1, "ML-KEM-768 key made", generate),
        Calls(1, "ML-KEM-768 share written", lambda: private.public_key().public_bytes_raw()),
        Calls(1, "ML-KEM-768 share read", lambda: mlkem.MLKEM768PublicKey.from_public_bytes(raw)),
        Calls(1, "ML-KEM-768 encapsulated", public.encapsulate),
        Calls(1, "ML-KEM-768 decapsulated", lambda: private.decapsulate(ciphertext)),
    ]


def _certificates(identities: Identities) -> list[Calls]:
    def parse(der: bytes) -> object:
        certificate = x509.load_der_x509_certificate(der)
        return certificate.public_key(), certificate.extensions

    return [
        Calls(1, f"{whose} certificate parsed, its key and extensions read", partial(parse, own.der))
        for whose, own in (("server's", identities.server), ("client's", identities.client))
    ]


def _signatures(identities: Identities, remembered: bool) -> list[Calls]:
    key, certificate, ca = (
        identities.server.key,
        identities.server.certificate,
        identities.ca.key.public_key(),
    )
    public, proof = key.public_key(), bytes(130)
    signature = key.sign(proof, ECDSA)

    def check_certificate() -> None:
        ca.verify(certificate.signature, certificate.tbs_certificate_bytes, ECDSA)

    calls = [
        Calls(2, "CertificateVerify signed (ECDSA P-256)", lambda: key.sign(proof, ECDSA)),
        Calls(2, "CertificateVerify checked", lambda: public.verify(signature, proof, ECDSA)),
    ]
    return calls if remembered else [*calls, Calls(2, "certificate's signature checked", check_certificate)]


def _exchange_proof(identities: Identities) -> list[Calls]:
    key, proof = identities.server.key, bytes(100)
    arguments: tuple[Any, ...] = (ECDSA,)
    if isinstance(key, rsa.RSAPrivateKey):
        arguments = (padding.PSS(padding.MGF1(SHA256), padding.PSS.DIGEST_LENGTH), SHA256)
    signature, public = key.sign(proof, *arguments), key.public_key()
    kind = "RSA-PSS 2048" if len(arguments) == 2 else "ECDSA P-256"
    return [
        Calls(1, f"ServerKeyExchange signed ({kind})", lambda: key.sign(proof, *arguments)),
        Calls(1, "ServerKeyExchange checked", lambda: public.verify(signature, proof, *arguments)),
    ]


def _transport(identities: Identities) -> list[Calls]:
    key, secret = identities.server.key, bytes(48)
    public, padded = key.public_key(), padding.PKCS1v15()
    encrypted = public.encrypt(secret, padded)
    return [
        Calls(1, "premaster secret encrypted (RSA-2048)", lambda: public.encrypt(secret, padded)),
        Calls(1, "premaster secret decrypted", lambda: key.decrypt(encrypted, padded)),
    ]


def _client_proof(identities: Identities) -> list[Calls]:
    key, ca, certificate = (
        identities.client.key,
        identities.ca.key.public_key(),
        identities.client.certificate,
    )
    public, messages = key.public_key(), bytes(2400)
    signature = key.sign(messages, ECDSA)
    signed, data = certificate.signature, certificate.tbs_certificate_bytes
    return [
        Calls(
            1, "CertificateVerify signed (ECDSA P-256) over all messages", lambda: key.sign(messages, ECDSA)
        ),
        Calls(1, "CertificateVerify checked", lambda: public.verify(signature, messages, ECDSA)),
        Calls(2, "certificate's signature checked", lambda: ca.verify(signed, data, ECDSA)),
    ]


def _prf() -> list[Calls]:
    secret, seed = bytes(48), bytes(80)
    keyed = HMAC(secret, SHA256)
    aead, header, nonce, finished = AESGCM(bytes(16)), bytes(13), bytes(12), bytes(16)
    sealed = aead.encrypt(nonce, finished, header)

    def block() -> bytes:
        running = keyed.copy()
        running.update(seed)
        return running.finalize()

    return [
        Calls(8, "PRF keyed: main secret, key block, 2 Finished a side", lambda: HMAC(secret, SHA256)),
        Calls(24, "HMAC of the PRF: 4 for 48 bytes, 4 for 40, 2 for each Finished", block),
        Calls(4, "AES-128-GCM key set: both directions a side", lambda: AESGCM(bytes(16))),
        Calls(2, "Finished sealed", lambda: aead.encrypt(nonce, finished, header)),
        Calls(2, "Finished opened", lambda: aead.decrypt(nonce, sealed, header)),
    ]


def _transcript(*, hashed: int, messages: str, taken: int) -> list[Calls]:
    running, message = hashes.Hash(SHA256), bytes(200)
    return [
        Calls(2, "transcript begun", lambda: hashes.Hash(SHA256)),
        Calls(hashed, f"message hashed: {messages}", lambda: running.update(message)),
        Calls(
            taken, f"transcript's hash taken: {taken // 2} places a side", lambda: running.copy().finalize()
        ),
    ]


def _schedule(*, extracted: tuple[int, str], expanded: tuple[int, str], made: tuple[int, str]) -> list[Calls]:
    """Each with how often, and of what."""
    secret, info = bytes(32), bytes(52)

    def mac() -> bytes:
        running = HMAC(secret, SHA256)
        running.update(secret)
        return running.finalize()

    return [
        Calls(extracted[0], f"HKDF-Extract: {extracted[1]}", lambda: HKDF.extract(SHA256, secret, secret)),
        Calls(
            expanded[0],
            f"HKDF-Expand-Label: {expanded[1]}",
            lambda: HKDFExpand(SHA256, 32, info).derive(secret),
        ),
        Calls(made[0], f"{made[1]} made and checked (HMAC)", mac),
    ]


def _records_resumed() -> list[Calls]:
    key, nonce, header, context = bytes(16), bytes(12), bytes(5), bytes(120)
    aead, flight, ticket = AESGCM(key), bytes(80), bytes(600)
    sealed, sealed_ticket = aead.encrypt(nonce, flight, header), aead.encrypt(nonce, ticket, context)
    return [
        Calls(8, "AES-128-GCM key set: handshake and application, both directions", lambda: AESGCM(key)),
        Calls(2, "flight sealed", lambda: aead.encrypt(nonce, flight, header)),
        Calls(2, "flight opened", lambda: aead.decrypt(nonce, sealed, header)),
        Calls(
            2, "ticket sealed, and the record that brings it", lambda: aead.encrypt(nonce, ticket, context)
        ),
        Calls(
            2,
            "ticket opened, and the record that brings it",
            lambda: aead.decrypt(nonce, sealed_ticket, context),
        ),
    ]


def _records() -> list[Calls]:
    key, nonce, header = bytes(16), bytes(12), bytes(5)
    aead, flight = AESGCM(key), bytes(FLIGHT)
    sealed = aead.encrypt(nonce, flight, header)
    return [
        Calls(8, "AES-128-GCM key set: handshake and application, both directions", lambda: AESGCM(key)),
        Calls(2, "flight sealed", lambda: aead.encrypt(nonce, flight, header)),
        Calls(2, "flight opened", lambda: aead.decrypt(nonce, sealed, header)),
    ]
