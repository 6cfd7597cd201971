"""How much one judgement may cost: a budget of processor time and memory that every check draws from.

Nothing is timed: each kind of step has a price, and what a peer may cause grows with what it sent. The prices
are measured anew by `make bench ARGS=amplification`.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, mldsa, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

# What a peer may cause for each byte that it sent before it is trusted.
MICROSECONDS_A_BYTE = 2.0
OCTETS_A_BYTE = 64
# What a judgement may cost beside: the path, the evidence and the memory of an honest peer.
FIXED_MICROSECONDS = 5_000.0
FIXED_OCTETS = 64 * 1024
# What it may cost at most, however much was sent: an event loop waits for it.
MOST_MICROSECONDS = 12_000.0
# The longest exponent of an RSA key by which anything is checked, in bits (FIPS 186-5 A.1.1): the work grows with it.
MAX_EXPONENT_BITS = 256
# ... and of a large modulus, by which OpenSSL, and so `cryptography`, checks nothing otherwise.
LARGE_MODULUS_BITS, MAX_EXPONENT_BITS_OF_LARGE = 3072, 64


class Price(NamedTuple):
    """What one step costs: processor time in microseconds, and memory in octets while the verdict is kept."""

    microseconds: float
    octets: int
    unit: str  # what is counted, for a person


class Step(Enum):
    """A kind of work of which a peer decides how often it is done, and its price."""

    CERTIFICATE = Price(40.0, 4096, "certificates")  # read one, its extensions and names apart
    READ_KIB = Price(
        200.0, 0, "KiB of names and extensions"
    )  # by `ParsedCertificate.names_octets` and `extensions_octets`
    NAME = Price(1.0, 256, "names")  # read and keep one name of a certificate
    NAME_COMPARISON = Price(2.5, 0, "comparisons of names")
    CANDIDATE = Price(4.0, 64, "candidates")  # look whether one certificate may have issued another
    CHECK = Price(8.0, 0, "certificates on paths")  # hold one certificate to its place on one path
    POLICY = Price(4.0, 256, "policies")
    REASON = Price(6.0, 512, "reasons")
    EVIDENCE = Price(20.0, 128, "CRLs and OCSP responses")  # look whether one speaks of a certificate
    HASHED_KIB = Price(2.5, 0, "KiB of what was signed")
    SIGNATURE = Price(60.0, 0, "signatures")  # that of P-256; `signature_price` has the others

    def __init__(self, microseconds: float, octets: int, unit: str) -> None:
        self.price = Price(microseconds, octets, unit)
        self.unit = unit

    __hash__ = (
        object.__hash__
    )  # that of `Enum` takes ten times as long, and there are a dozen steps a judgement


class OutOfWork(Exception):
    """The budget of a judgement is used up: `step` could not be paid for."""

    def __init__(self, step: Step) -> None:
        super().__init__(step.name)
        self.step = step


class WorkBudget:
    """What one judgement may still cost. `spent` counts the steps that were paid for."""

    __slots__ = ("granted", "left", "room", "spent")

    def __init__(self, microseconds: float = FIXED_MICROSECONDS, octets: int = FIXED_OCTETS) -> None:
        self.granted = self.left = microseconds
        self.room: float = octets
        self.spent: dict[Step, float] = {}

    @classmethod
    def for_bytes(cls, received: int) -> WorkBudget:
        """Grant what may be done for so many bytes of a peer that is not trusted yet."""
        return cls(
            min(FIXED_MICROSECONDS + MICROSECONDS_A_BYTE * received, MOST_MICROSECONDS),
            FIXED_OCTETS + OCTETS_A_BYTE * received,
        )

    @property
    def used(self) -> float:
        """What was paid so far, in microseconds."""
        return self.granted - self.left

    def dearest(self) -> tuple[Step, int]:
        """Return the kind of step on which most was spent, and how many there were."""
        costs = {step: count * step.price.microseconds for step, count in self.spent.items()}
        step = max(costs, key=costs.__getitem__, default=Step.CERTIFICATE)
        return step, int(self.spent.get(step, 0))

    def spend(self, step: Step, count: float = 1, price: Price | None = None) -> None:
        """Pay for `count` steps before they are taken, or raise OutOfWork.

        price: of one of them, where it is not that of its kind.
        """
        microseconds, octets, _ = price or step.price
        left, room = self.left - microseconds * count, self.room - octets * count
        if left < 0 or room < 0:
            raise OutOfWork(step)
        self.left, self.room = left, room
        self.spent[step] = self.spent.get(step, 0) + count

    def spend_signature(self, key: CertificatePublicKeyTypes, signed_octets: int) -> None:
        """Pay for checking one signature of `key` over so many octets, or raise OutOfWork."""
        self.spend(Step.SIGNATURE, price=Price(signature_price(key), 0, Step.SIGNATURE.unit))
        self.spend(Step.HASHED_KIB, signed_octets / 1024)


_CURVE_PRICES = {"secp256r1": 60.0, "secp384r1": 400.0, "secp521r1": 400.0}
_KEY_PRICES: dict[type, float] = {
    ed25519.Ed25519PublicKey: 80.0,
    ed448.Ed448PublicKey: 180.0,
    mldsa.MLDSA44PublicKey: 110.0,
    mldsa.MLDSA65PublicKey: 170.0,
    mldsa.MLDSA87PublicKey: 260.0,
}
_UNKNOWN_KEY_PRICE = 1_000.0


def has_long_exponent(key: rsa.RSAPublicKey) -> bool:
    """Whether an RSA key has an exponent that nobody needs, and that makes each check of a signature dear."""
    limit = MAX_EXPONENT_BITS_OF_LARGE if key.key_size > LARGE_MODULUS_BITS else MAX_EXPONENT_BITS
    return key.public_numbers().e.bit_length() > limit


def signature_price(key: CertificatePublicKeyTypes) -> float:
    """Return what one check of a signature by `key` costs, in microseconds.

    That of RSA grows with the square of the modulus and with the length of the exponent, which its owner chose.
    """
    if isinstance(key, rsa.RSAPublicKey):
        exponent_bits = key.public_numbers().e.bit_length()
        return (key.key_size / 2048) ** 2 * (12.0 + 0.75 * exponent_bits)
    if isinstance(key, ec.EllipticCurvePublicKey):
        return _CURVE_PRICES.get(key.curve.name, _UNKNOWN_KEY_PRICE)
    for kind, price in _KEY_PRICES.items():
        if isinstance(key, kind):
            return price
    return _UNKNOWN_KEY_PRICE
