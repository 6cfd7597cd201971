"""An implementation is known by the order in which it lists signature schemes, as far as one can know it so."""

from __future__ import annotations

import ssl

import pytest

from bothways.diagnosis.observer import offer_of
from bothways.diagnosis.stacks import Stack, has_strict_level, stack_of
from bothways.tls.crypto.signing import SCHEMES
from bothways.tls.wire.flight import decode_message
from bothways.tls.wire.hello import ClientHello
from openssl_hello import client_hello

GNUTLS = (0x0401, 0x0809, 0x0804, 0x0403, 0x0807, 0x0501, 0x080A, 0x0805, 0x0503, 0x0808)
BORINGSSL = (0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601, 0x0201)
GO = (0x0904, 0x0905, 0x0906, 0x0804, 0x0403, 0x0807, 0x0805, 0x0806, 0x0503, 0x0603)
JAVA = (0x0403, 0x0503, 0x0603, 0x0807, 0x0808, 0x0804, 0x0805, 0x0806, 0x0809, 0x080A, 0x080B, 0x0401)
OPENSSL_3_0 = (0x0403, 0x0503, 0x0603, 0x0807, 0x0808, 0x0809, 0x080A, 0x080B, 0x0804, 0x0805, 0x0303, 0x0301)
OPENSSL_3_5 = (0x0905, 0x0906, 0x0904, *OPENSSL_3_0[:5], 0x081A, 0x081B, 0x081C, *OPENSSL_3_0[5:])


@pytest.mark.parametrize(
    ("schemes", "stack"),
    [
        (GNUTLS, Stack.GNUTLS), (BORINGSSL, Stack.BORINGSSL), (GO, Stack.GO), (JAVA, Stack.JAVA),
        (OPENSSL_3_0, Stack.OPENSSL), (OPENSSL_3_5, Stack.OPENSSL), ((), None), ((0x0403,), None),
        (tuple(reversed(OPENSSL_3_0)), None), (tuple(SCHEMES), None),
    ],
)  # fmt: skip
def test_a_list_of_schemes_identifies_an_implementation(
    schemes: tuple[int, ...], stack: Stack | None
) -> None:
    """Lists that are no implementation's default identify none."""
    assert stack_of(schemes) is stack


@pytest.mark.parametrize(("ciphers", "strict"), [("DEFAULT@SECLEVEL=2", False), ("DEFAULT@SECLEVEL=3", True)])
def test_openssl_is_known_by_its_own_hello_and_its_level_too(ciphers: str, strict: bool) -> None:
    """That of Python: from level 3 on it offers no scheme with SHA-224."""
    context = ssl.create_default_context()
    context.set_ciphers(ciphers)
    hello = decode_message(1, client_hello(context=context)[4:])
    assert isinstance(hello, ClientHello)
    schemes = offer_of(hello).schemes
    assert stack_of(schemes) is Stack.OPENSSL
    assert has_strict_level(schemes) == strict


def test_other_implementations_have_no_level_of_openssl() -> None:
    assert not has_strict_level(GNUTLS) and not has_strict_level(())
