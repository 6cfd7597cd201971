"""Cipher suites by OpenSSL's names, as `ssl` reports them."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

from bothways.iana import CipherSuite
from bothways.tls.crypto.suites import SUITES12, SUITES13

_SPEAKS = {**SUITES13, **SUITES12}


@cache
def openssl_name(suite: str) -> str:
    """Return OpenSSL's name: "ECDHE-RSA-AES128-GCM-SHA256" for TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256."""
    if "_WITH_" not in suite:
        return suite
    exchange, _, cipher = suite.removeprefix("TLS_").partition("_WITH_")
    cipher = cipher.replace("AES_", "AES").replace("CHACHA20_POLY1305_SHA256", "CHACHA20_POLY1305")
    parts = [] if exchange == "RSA" else [exchange.replace("_", "-")]
    return "-".join((*parts, cipher.replace("_", "-")))


def ssl_version(suite: str) -> str:
    """Return the TLS version that introduced a cipher suite."""
    return "TLSv1.2" if "_WITH_" in suite else "TLSv1.3"


def bits_of(suite: str) -> int:
    """Return the key size of a cipher suite in bits."""
    return _SPEAKS[CipherSuite[suite]].key_size * 8


def ciphers(codes: Iterable[int]) -> list[dict[str, Any]]:
    """Return descriptions of cipher suites, as `SSLContext.get_ciphers`."""
    return [_described(code) for code in codes]


def _described(code: int) -> dict[str, Any]:
    name = CipherSuite(code).name
    bits, version = bits_of(name), ssl_version(name)
    exchange, signer = _exchange(name)
    return {
        "id": 0x03000000 | code,
        "name": openssl_name(name),
        "protocol": version,
        "description": f"{openssl_name(name)} {version} Kx={exchange} Au={signer} Enc={bits} Mac=AEAD",
        "strength_bits": bits,
        "alg_bits": bits,
        "aead": True,
        "symmetric": f"{'chacha20-poly1305' if 'CHACHA20' in name else f'aes-{bits}-gcm'}",
        "digest": None,
        "kea": f"kx-{exchange.lower()}",
        "auth": f"auth-{signer.lower()}",
    }


def _exchange(name: str) -> tuple[str, str]:
    if "_WITH_" not in name:
        return "any", "any"
    if name.startswith("TLS_RSA"):
        return "rsa", "rsa"
    return "ecdhe", "ecdsa" if "ECDSA" in name else "rsa"
