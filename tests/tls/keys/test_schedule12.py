"""The main secret of TLS 1.2 and what is made from it; the PRF below it has published vectors."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
from pathlib import Path

import pytest

from bothways.tls.crypto.suites import SUITES12, Suite
from bothways.tls.keys.schedule12 import MainSecret

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "tls12.json").read_text())["key_derivation"][
    "cases"
]
every_suite = pytest.mark.parametrize("suite", SUITES12.values(), ids=lambda suite: suite.name)
CLIENT_RANDOM, SERVER_RANDOM, PREMASTER = b"c" * 32, b"s" * 32, b"p" * 48


def theirs(suite: Suite, secret: bytes, label: bytes, seed: bytes, length: int) -> bytes:
    """RFC 5246 5 once more, with nothing but HMAC."""
    chained, out = label + seed, b""
    while len(out) < length:
        chained = hmac.digest(secret, chained, suite.hash.name)
        out += hmac.digest(secret, chained + label + seed, suite.hash.name)
    return out[:length]


@pytest.mark.parametrize("case", VECTORS, ids=lambda case: case["hash"])
def test_the_main_secret_agrees_with_nist(case: dict[str, str]) -> None:
    """RFC 5246 8.1: from premaster secret and the randoms of both hellos."""
    suite = next(each for each in SUITES12.values() if each.hash.name == case["hash"])
    randoms = bytes.fromhex(case["client_hello_random"]), bytes.fromhex(case["server_hello_random"])
    main = MainSecret(suite, bytes.fromhex(case["premaster"]), None, *randoms)
    assert main.secret.hex() == case["main_secret"]


@every_suite
def test_the_extended_main_secret_covers_the_session(suite: Suite) -> None:
    """RFC 7627 4: the hash of the messages takes the place of the randoms."""
    session = hashlib.new(suite.hash.name, b"messages").digest()
    main = MainSecret(suite, PREMASTER, session, CLIENT_RANDOM, SERVER_RANDOM)
    assert main.secret == theirs(suite, PREMASTER, b"extended master secret", session, 48)
    assert main.secret != MainSecret(suite, PREMASTER, None, CLIENT_RANDOM, SERVER_RANDOM).secret


@every_suite
def test_the_key_block_is_cut_in_the_order_of_the_rfc(suite: Suite) -> None:
    """RFC 5246 6.3, RFC 5288 3, RFC 7905 2: client key, server key, client IV, server IV; no MAC keys."""
    main = MainSecret(suite, PREMASTER, None, CLIENT_RANDOM, SERVER_RANDOM)
    iv_size = 12 if "CHACHA20" in suite.name else 4
    total = 2 * (suite.key_size + iv_size)
    block = theirs(suite, main.secret, b"key expansion", SERVER_RANDOM + CLIENT_RANDOM, total)
    client, server = main.client_keys, main.server_keys
    assert client.key + server.key + client.iv + server.iv == block
    assert (len(client.key), len(client.iv)) == (len(server.key), len(server.iv)) == (suite.key_size, iv_size)


@every_suite
def test_each_side_has_its_own_verify_data(suite: Suite) -> None:
    """RFC 5246 7.4.9: 12 bytes over the hash of all messages."""
    main = MainSecret(suite, PREMASTER, None, CLIENT_RANDOM, SERVER_RANDOM)
    seen = os.urandom(suite.hash_size)
    assert main.verify_data("client", seen) == theirs(suite, main.secret, b"client finished", seen, 12)
    assert main.verify_data("server", seen) == theirs(suite, main.secret, b"server finished", seen, 12)


@every_suite
def test_exported_keys_tell_no_context_from_an_empty_one(suite: Suite) -> None:
    """RFC 5705 4: the context comes with its length, if there is one."""
    main = MainSecret(suite, PREMASTER, None, CLIENT_RANDOM, SERVER_RANDOM)
    seed = CLIENT_RANDOM + SERVER_RANDOM
    assert main.exporter("EXPORTER-x", None, 40) == theirs(suite, main.secret, b"EXPORTER-x", seed, 40)
    assert main.exporter("EXPORTER-x", b"", 40) == theirs(
        suite, main.secret, b"EXPORTER-x", seed + b"\0\0", 40
    )
    with_context = theirs(suite, main.secret, b"EXPORTER-x", seed + b"\0\3abc", 40)
    assert main.exporter("EXPORTER-x", b"abc", 40) == with_context


def test_secrets_stand_in_no_repr() -> None:
    """A log line with an object of ours tells nothing."""
    main = MainSecret(SUITES12[0xC02B], PREMASTER, None, CLIENT_RANDOM, SERVER_RANDOM)
    shown = repr(main) + repr(main.client_keys) + repr(main.server_keys)
    for secret in (main.secret, main.client_keys.key, main.server_keys.key, main.client_keys.iv):
        assert secret.hex() not in shown
        assert repr(secret)[2:-1] not in shown
