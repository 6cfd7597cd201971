"""The budget of one verification, and the cost of checking a signature."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

from bothways.trust.work import (
    FIXED_MICROSECONDS,
    FIXED_OCTETS,
    MOST_MICROSECONDS,
    OutOfWork,
    WorkBudget,
    WorkStep,
    has_long_exponent,
    signature_price,
)


def test_a_budget_grows_with_the_received_bytes_up_to_a_maximum() -> None:
    """Two microseconds and 64 octets for each byte received, and a fixed part."""
    assert WorkBudget.for_bytes(0).granted == FIXED_MICROSECONDS
    assert WorkBudget.for_bytes(1000).granted == FIXED_MICROSECONDS + 2000
    assert WorkBudget.for_bytes(1000).remaining_octets == FIXED_OCTETS + 64_000
    assert WorkBudget.for_bytes(10**9).granted == MOST_MICROSECONDS


def test_a_step_that_exceeds_the_budget_is_named() -> None:
    """What is used up says at which kind of step."""
    work = WorkBudget(microseconds=2.5 * WorkStep.NAME_COMPARISON.price.microseconds)
    work.spend(WorkStep.NAME_COMPARISON)
    work.spend(WorkStep.NAME_COMPARISON)
    with pytest.raises(OutOfWork) as raised:
        work.spend(WorkStep.NAME_COMPARISON)
    assert raised.value.step is WorkStep.NAME_COMPARISON
    assert work.spent == {WorkStep.NAME_COMPARISON: 2}
    assert work.used == 2 * WorkStep.NAME_COMPARISON.price.microseconds


def test_memory_runs_out_as_time_does() -> None:
    """A fast step that keeps much memory ends a verification too."""
    work = WorkBudget(microseconds=1e9, octets=2 * WorkStep.NAME.price.octets)
    work.spend(WorkStep.NAME, 2)
    with pytest.raises(OutOfWork):
        work.spend(WorkStep.NAME)


def test_the_most_expensive_kind_of_step_is_reported() -> None:
    """Not the one that happened to be the last."""
    work = WorkBudget()
    work.spend(WorkStep.NAME_COMPARISON, 200)
    work.spend(WorkStep.CERTIFICATE, 2)
    assert work.most_expensive() == (WorkStep.NAME_COMPARISON, 200)
    assert WorkBudget(microseconds=0.0).most_expensive() == (WorkStep.CERTIFICATE, 0)


def _rsa(bits: int, exponent: int) -> rsa.RSAPublicKey:
    return rsa.RSAPublicNumbers(exponent, (1 << bits) - 1).public_key()


def test_signatures_are_charged_by_their_cost() -> None:
    """Of RSA the modulus and the exponent count: the owner of the key chose both."""
    ordinary = signature_price(_rsa(2048, 65537))
    assert signature_price(_rsa(16384, 65537)) > 50 * ordinary
    assert signature_price(_rsa(3072, (1 << 3070) | 1)) > 100 * ordinary
    dearer: list[CertificatePublicKeyTypes] = [
        ec.generate_private_key(curve).public_key() for curve in (ec.SECP256R1(), ec.SECP384R1())
    ]
    assert signature_price(dearer[0]) < signature_price(dearer[1])
    assert signature_price(ec.generate_private_key(ec.SECP256K1()).public_key()) >= 1000
    assert signature_price(ed25519.Ed25519PrivateKey.generate().public_key()) < 200
    assert signature_price(mldsa.MLDSA87PrivateKey.generate().public_key()) < 500


def test_too_long_exponents_are_recognised() -> None:
    """FIPS 186-5 A.1.1 has them below 2^256."""
    assert not has_long_exponent(_rsa(2048, (1 << 256) - 1))
    assert has_long_exponent(_rsa(2048, (1 << 256) + 1))
    assert not has_long_exponent(_rsa(3072, (1 << 64) + 1))
    assert not has_long_exponent(_rsa(4096, (1 << 63) + 1))
    assert has_long_exponent(_rsa(4096, (1 << 64) + 1))


def test_a_large_signed_crl_costs_more_than_its_signature() -> None:
    """What was signed has to be hashed."""
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    small, large = WorkBudget(), WorkBudget(microseconds=1e9)
    small.spend_signature(key, 1024)
    large.spend_signature(key, 4 * 1024 * 1024)
    assert large.spent[WorkStep.HASHED_KIB] == 4096
    assert small.remaining > FIXED_MICROSECONDS - 100
