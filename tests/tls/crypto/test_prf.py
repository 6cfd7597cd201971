"""The PRF of TLS 1.2 against published vectors, and against HMAC alone."""

from __future__ import annotations

import hmac
import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.hashes import SHA256, SHA384
from hypothesis import given
from hypothesis import strategies as st

from bothways.tls.crypto.prf import prf

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "tls12.json").read_text())
HASHES = {"sha256": SHA256(), "sha384": SHA384()}


@pytest.mark.parametrize("case", VECTORS["prf"]["cases"], ids=lambda case: case["hash"])
def test_the_prf_agrees_with_the_working_groups_vectors(case: dict[str, str]) -> None:
    """RFC 5246 5: and a shorter output is the beginning of a longer one."""
    expected = bytes.fromhex(case["output"])
    for length in (0, 1, 12, 48, len(expected)):
        made = prf(
            HASHES[case["hash"]],
            bytes.fromhex(case["secret"]),
            case["label"].encode(),
            bytes.fromhex(case["seed"]),
            length,
        )
        assert made == expected[:length]


@pytest.mark.parametrize("case", VECTORS["key_derivation"]["cases"], ids=lambda case: case["hash"])
def test_the_prf_agrees_with_nist(case: dict[str, str]) -> None:
    """RFC 5246 6.3, 8.1: main secret and key block."""
    value = {name: bytes.fromhex(text) for name, text in case.items() if name != "hash"}
    algorithm = HASHES[case["hash"]]
    hello_randoms = value["client_hello_random"] + value["server_hello_random"]
    main = prf(algorithm, value["premaster"], b"master secret", hello_randoms, 48)
    assert main == value["main_secret"]
    block = prf(algorithm, main, b"key expansion", value["server_random"] + value["client_random"], 128)
    assert block == value["key_block"]


@given(st.binary(max_size=200), st.binary(max_size=30), st.binary(max_size=80), st.integers(0, 300))
def test_the_prf_is_p_hash(secret: bytes, label: bytes, seed: bytes, length: int) -> None:
    """RFC 5246 5: A(i) chained, each with the seed; secrets of any length."""
    chained, expected = label + seed, b""
    while len(expected) < length:
        chained = hmac.digest(secret, chained, "sha256")
        expected += hmac.digest(secret, chained + label + seed, "sha256")
    assert prf(SHA256(), secret, label, seed, length) == expected[:length]
