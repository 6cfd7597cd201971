"""The importer of RFC 9258 against a second computation of its structures, by HKDF of `cryptography` alone."""

from __future__ import annotations

import hashlib
import hmac
import struct

import pytest
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, HashAlgorithm
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand

from bothways import ExternalPSK, ExternalPSKs
from bothways.roles import Role
from bothways.tls.crypto.suites import SUITES13, Suite
from bothways.tls.keys.psk_importer import (
    DIRECT,
    IMPORTED,
    OTHER_CONTEXT,
    OTHER_HASH,
    OTHER_TARGET,
    find_psk,
    problem_with,
    usable_psks,
)
from bothways.tls.keys.schedule13 import finished_mac

SECRET = hashlib.sha256(b"base key").digest()
AES_128, AES_256 = (SUITES13[code] for code in (0x1301, 0x1302))
HASHES: dict[str, tuple[HashAlgorithm, str]] = {
    "SHA-256": (SHA256(), "sha256"),
    "SHA-384": (SHA384(), "sha384"),
}
KDFS = {"sha256": 1, "sha384": 2}


def psk(**fields: object) -> ExternalPSK:
    defaults = {"identity": b"k-7f3a", "secret": SECRET, "own": "device 7", "peer": "service.example"}
    return ExternalPSK(**defaults | fields)  # type: ignore[arg-type]


def hkdf_label(length: int, label: bytes, context: bytes) -> bytes:
    """RFC 9846 7.1, by hand."""
    full = b"tls13 " + label
    return struct.pack("!HB", length, len(full)) + full + struct.pack("!B", len(context)) + context


def binder_key(algorithm: HashAlgorithm, key: bytes, label: bytes) -> bytes:
    """The early secret and Derive-Secret of RFC 9846 7.1."""
    size = algorithm.digest_size
    early = HKDF.extract(algorithm, bytes(size), key)
    return HKDFExpand(
        algorithm, size, hkdf_label(size, label, hashlib.new(algorithm.name, b"").digest())
    ).derive(early)


@pytest.mark.parametrize("hash_name", HASHES)
@pytest.mark.parametrize("suite", [AES_128, AES_256], ids=lambda suite: suite.name)
def test_imported_key_is_that_of_the_rfc(hash_name: str, suite: Suite) -> None:
    """RFC 9258 5.1 and 5.2: the hash of the key derives it, the KDF of the suite decides its length and its binder."""
    own, own_name = HASHES[hash_name]
    target = suite.hash
    context = b"\x08device 7\x0fservice.example"
    identity = (
        struct.pack("!H", 6)
        + b"k-7f3a"
        + struct.pack("!H", len(context))
        + context
        + struct.pack("!HH", 0x0304, KDFS[target.name])
    )
    extracted = hmac.digest(bytes(own.digest_size), SECRET, own_name)
    imported = HKDFExpand(
        own,
        target.digest_size,
        hkdf_label(target.digest_size, b"derived psk", hashlib.new(own_name, identity).digest()),
    ).derive(extracted)
    expected = binder_key(target, imported, b"imp binder")
    (ours,) = usable_psks(psk(hash=hash_name), Role.CLIENT, [target.name])
    assert ours.identity == identity
    assert ours.early(suite).binder_key() == expected
    assert len(ours.early(suite).binder(bytes(target.digest_size))) == target.digest_size


@pytest.mark.parametrize(("hash_name", "suite"), [("SHA-256", AES_128), ("SHA-384", AES_256)])
def test_key_without_the_importer_is_used_as_it_is(hash_name: str, suite: Suite) -> None:
    """RFC 9846 4.3.11: one hash, that of the key; 7.1: "ext binder"."""
    algorithm, _ = HASHES[hash_name]
    (ours,) = usable_psks(
        psk(hash=hash_name, insecure_without_importer=True), Role.CLIENT, ["sha256", "sha384", "sha256"]
    )
    assert ours.identity == b"k-7f3a" and ours.hash_name == suite.hash.name
    assert ours.early(suite).binder_key() == binder_key(algorithm, SECRET, b"ext binder")


def test_a_binder_is_made_like_a_finished() -> None:
    """RFC 9846 4.3.11.2."""
    (ours,) = usable_psks(psk(), Role.CLIENT, ["sha256"])
    early, covered = ours.early(AES_128), hashlib.sha256(b"ClientHello").digest()
    finished = HKDFExpand(SHA256(), 32, hkdf_label(32, b"finished", b"")).derive(early.binder_key())
    assert early.binder(covered) == finished_mac(finished, covered, AES_128)
    assert early.binder(covered) == hmac.digest(finished, covered, "sha256")


def test_each_hash_is_imported_for_once_in_the_order_that_is_asked_for() -> None:
    usable = list(usable_psks(psk(), Role.CLIENT, ["sha384", "sha256", "sha384"]))
    assert [each.hash_name for each in usable] == ["sha384", "sha256"]
    assert len({each.identity for each in usable}) == 2
    assert [each.identity[-2:] for each in usable] == [b"\0\2", b"\0\1"]
    with pytest.raises(ValueError, match="with one hash"):
        usable[0].early(AES_128)


def test_the_other_side_finds_the_key_by_what_is_sent() -> None:
    server = ExternalPSKs([psk(own="service.example", peer="device 7")])
    for each in usable_psks(psk(), Role.CLIENT, ["sha256", "sha384"]):
        found = find_psk(server, Role.SERVER, each.identity)
        assert found is not None and (found.identity, found.hash_name) == (each.identity, each.hash_name)
        suite = AES_128 if each.hash_name == "sha256" else AES_256
        assert found.early(suite).binder_key() == each.early(suite).binder_key()
        assert SECRET.hex() not in repr(found)


def test_an_identity_that_is_sent_back_to_its_sender_is_unknown_to_it() -> None:
    """RFC 9258 B: the same set of keys, used in both roles by one node."""
    both = ExternalPSKs([psk()])
    (sent,) = usable_psks(psk(), Role.CLIENT, ["sha256"])
    assert find_psk(both, Role.SERVER, sent.identity) is None
    assert find_psk(both, Role.CLIENT, sent.identity) is not None


def _sent(**changes: int | bytes) -> bytes:
    fields: dict[str, int | bytes] = {
        "identity": b"k-7f3a", "context": b"\x08device 7\x0fservice.example", "protocol": 0x0304, "kdf": 1, "rest": b"",
    }  # fmt: skip
    fields |= changes
    identity, context = fields["identity"], fields["context"]
    assert isinstance(identity, bytes) and isinstance(context, bytes) and isinstance(fields["rest"], bytes)
    return (
        struct.pack("!H", len(identity)) + identity + struct.pack("!H", len(context)) + context
        + struct.pack("!HH", fields["protocol"], fields["kdf"]) + fields["rest"]
    )  # fmt: skip


@pytest.mark.parametrize(
    "identity",
    [
        _sent(identity=b"k-0000"),
        _sent(context=b""),
        _sent(context=b"\x0fservice.example\x08device 7"),
        _sent(protocol=0xFEFC),
        _sent(protocol=0x0303),
        _sent(kdf=0),
        _sent(kdf=3),
        _sent(rest=b"\0"),
        _sent()[:-1],
        b"k-7f3a",
        b"\0",
        b"",
    ],
    ids=lambda identity: identity.hex(),
)
def test_every_other_identity_is_unknown(identity: bytes) -> None:
    server = ExternalPSKs([psk(own="service.example", peer="device 7")])
    assert find_psk(server, Role.SERVER, _sent()) is not None
    assert find_psk(server, Role.SERVER, identity) is None


@pytest.mark.parametrize(
    ("identity", "plain", "problem"),
    [
        (b"k-7f3a", False, f"k-7f3a {DIRECT}"),
        (_sent(), True, f"k-7f3a {IMPORTED}"),
        (_sent(context=b"x"), False, f"k-7f3a {OTHER_CONTEXT}"),
        (_sent(kdf=3), False, f"k-7f3a {OTHER_TARGET}"),
        (_sent(protocol=0xFEFC), False, f"k-7f3a {OTHER_TARGET}"),
        (_sent(kdf=2), False, f"k-7f3a {OTHER_HASH}"),
        (b"k-7f3a", True, f"k-7f3a {OTHER_HASH}"),
        (_sent(identity=b"other"), False, "other is not known"),
        (b"k\xff", True, "k\\xff is not known"),
    ],
)
def test_a_key_that_is_used_in_another_way_than_here_is_told_as_that(
    identity: bytes, plain: bool, problem: str
) -> None:
    """What can be used and was not lacks a cipher suite."""
    mine = psk(own="service.example", peer="device 7", insecure_without_importer=plain)
    assert problem_with(ExternalPSKs([mine]), Role.SERVER, identity) == problem
    assert problem_with(None, Role.SERVER, identity).endswith(" is not known")
