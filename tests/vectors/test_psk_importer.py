"""ClientHellos that BoringSSL sent for an imported PSK (RFC 9258): each is known to us, and its binder verifies."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bothways import ExternalPSK, ExternalPSKs, Fault, PeerFault, ServerConfig
from bothways.tls.handshake.steps import Step

VECTORS: dict[str, Any] = json.loads(Path(__file__).with_name("psk_importer.json").read_text("utf-8"))
HASHES = pytest.mark.parametrize("case", VECTORS["cases"], ids=lambda case: case["hash"])
SUITES = pytest.mark.parametrize("suite", ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384"])


def server(hash_name: str, suite: str, **changes: str) -> ServerConfig:
    fields = {"identity": VECTORS["identity"], "own": VECTORS["server"], "peer": VECTORS["client"]} | changes
    key = ExternalPSK(**fields, secret=bytes.fromhex(VECTORS["secret"]), hash=hash_name)  # type: ignore[arg-type]
    return ServerConfig(psk_peers=ExternalPSKs([key]), suites=(suite,), groups=("x25519",))


@HASHES
@SUITES
def test_a_hello_of_boringssl_is_answered(case: dict[str, str], suite: str) -> None:
    """RFC 9258 5.1, 5.2: the same identity, context and binder for each hash of a suite, whatever that of the key."""
    connection = server(case["hash"], suite).connection()
    connection.receive(bytes.fromhex(case["hello"]))
    assert connection.failure is None and connection.step is Step.WAIT_FINISHED
    assert connection.suite == suite


@HASHES
def test_an_altered_hello_of_boringssl_is_refused(case: dict[str, str]) -> None:
    """The last byte is one of a binder, for SHA-384."""
    hello = bytearray.fromhex(case["hello"])
    hello[-1] ^= 1
    connection = server(case["hash"], "TLS_AES_256_GCM_SHA384").connection()
    connection.receive(bytes(hello))
    assert isinstance(connection.failure, PeerFault) and connection.failure.fault is Fault.UNKNOWN_PSK
    assert "binder" in str(connection.failure)


@HASHES
@pytest.mark.parametrize("changes", [{"own": "other"}, {"peer": "other"}, {"identity": "k-2"}], ids=str)
def test_a_hello_of_boringssl_for_others_is_unknown(case: dict[str, str], changes: dict[str, str]) -> None:
    connection = server(case["hash"], "TLS_AES_128_GCM_SHA256", **changes).connection()
    connection.receive(bytes.fromhex(case["hello"]))
    assert isinstance(connection.failure, PeerFault) and connection.failure.fault is Fault.UNKNOWN_PSK
    problem = "is not known" if "identity" in changes else "with another context"
    assert problem in str(connection.failure)
