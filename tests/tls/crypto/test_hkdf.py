"""HKDF and the labels of TLS 1.3, held against RFC 5869's vectors and against HMAC alone."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator

import cryptography_vectors
import pytest
from cryptography.hazmat.primitives.hashes import SHA1, SHA256, SHA384, HashAlgorithm

from bothways.tls.crypto import hkdf
from bothways.tls.crypto.suites import SUITES13

HASHES = {"SHA-256": SHA256(), "SHA-1": SHA1()}


def rfc5869() -> Iterator[dict[str, str]]:
    """The seven test cases of RFC 5869 appendix A, as pyca's vector files carry them."""
    for name in ("SHA256", "SHA1"):
        with cryptography_vectors.open_vector_file(f"KDF/rfc-5869-HKDF-{name}.txt", "r") as file:
            case: dict[str, str] = {}
            for line in file:
                if " =" in line and not line.startswith("#"):
                    field, value = line.split("=", 1)
                    case[field.strip()] = value.strip()
                if line.startswith("OKM"):
                    yield {"Hash": f"SHA-{name[3:]}", **case}
                    case = {}


@pytest.mark.parametrize("case", list(rfc5869()), ids=lambda case: f"{case['Hash']}-{case['COUNT']}")
def test_extract_and_expand_agree_with_rfc_5869(case: dict[str, str]) -> None:
    """RFC 5869 A.1-A.7: every PRK and every OKM."""
    algorithm = HASHES[case["Hash"]]
    prk = hkdf.extract(algorithm, bytes.fromhex(case.get("salt", "")), bytes.fromhex(case["IKM"]))
    assert prk.hex() == case["PRK"]
    okm = hkdf.expand(algorithm, prk, bytes.fromhex(case["info"]), int(case["L"]))
    assert okm.hex() == case["OKM"]


def test_all_cases_of_rfc_5869_are_there() -> None:
    """RFC 5869 A: three cases for SHA-256 and four for SHA-1."""
    assert [case["Hash"] for case in rfc5869()] == ["SHA-256"] * 3 + ["SHA-1"] * 4


def by_hand(secret: bytes, label: bytes, context: bytes, length: int, name: str) -> bytes:
    full = b"tls13 " + label
    info = length.to_bytes(2, "big") + bytes([len(full)]) + full + bytes([len(context)]) + context
    block, blocks = b"", b""
    while len(blocks) < length:
        block = hmac.digest(
            secret, block + info + bytes([len(blocks) // hashlib.new(name).digest_size + 1]), name
        )
        blocks += block
    return blocks[:length]


@pytest.mark.parametrize(("algorithm", "name"), [(SHA256(), "sha256"), (SHA384(), "sha384")])
@pytest.mark.parametrize("length", [1, 12, 16, 32, 48, 100])
@pytest.mark.parametrize("context", [b"", b"c" * 32, b"c" * 255])
def test_a_label_is_expanded_as_its_structure_says(
    algorithm: HashAlgorithm, name: str, length: int, context: bytes
) -> None:
    """RFC 9846 7.1: HkdfLabel is length, the label after "tls13 ", the context."""
    secret = bytes(range(algorithm.digest_size))
    expected = by_hand(secret, b"c hs traffic", context, length, name)
    assert hkdf.expand_label(algorithm, secret, "c hs traffic", context, length) == expected
    assert hkdf.expand_label(algorithm, secret, "c hs traffic", context, length) == expected


@pytest.mark.parametrize(("algorithm", "name"), [(SHA256(), "sha256"), (SHA384(), "sha384")])
def test_several_labels_of_one_secret_are_each_expanded_by_themselves(
    algorithm: HashAlgorithm, name: str
) -> None:
    """RFC 9846 7.1: a block each, from which as much is taken as its label says."""
    secret = bytes(range(algorithm.digest_size))
    wanted = [("key", 16), ("iv", 12), ("finished", algorithm.digest_size), ("key", 16)]
    expected = [by_hand(secret, label.encode(), b"context", length, name) for label, length in wanted]
    infos = [hkdf.label_head(label, length, 7) + b"context" for label, length in wanted]
    for count in (1, 4):
        blocks = hkdf.expand_blocks(algorithm, secret, *infos[:count])
        assert [block[: len(whole)] for block, whole in zip(blocks, expected, strict=False)] == expected[
            :count
        ]


def test_a_context_longer_than_its_length_byte_is_refused() -> None:
    """RFC 9846 7.1: the context has at most 255 bytes."""
    with pytest.raises(OverflowError):
        hkdf.expand_label(SHA256(), bytes(32), "x", bytes(256), 16)


def test_a_secret_is_derived_at_the_length_of_the_hash() -> None:
    """RFC 9846 7.1: Derive-Secret."""
    derived = hkdf.derive_secret(SHA384(), bytes(48), "derived", bytes(48))
    assert derived == by_hand(bytes(48), b"derived", bytes(48), 48, "sha384")


@pytest.mark.parametrize("suite", SUITES13.values(), ids=lambda suite: suite.name)
def test_keys_and_ivs_have_the_sizes_of_the_suite(suite) -> None:
    """RFC 9846 7.3: key_length and iv_length are those of the AEAD."""
    secret = bytes(suite.hash_size)
    key, iv = hkdf.traffic_keys(suite, secret)
    assert len(key) == suite.key_size
    assert len(iv) == 12
    assert len(hkdf.next_traffic_secret(suite, secret)) == suite.hash_size


def test_digest_is_the_hash() -> None:
    """The hash of some bytes, and of none."""
    assert hkdf.digest(SHA256(), b"abc") == hashlib.sha256(b"abc").digest()
    assert hkdf.digest(SHA384(), b"") == hashlib.sha384(b"").digest()
