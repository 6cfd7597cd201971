"""The work budget of one verification: processor time and memory, from which every check draws.

Nothing is measured at run time: each kind of step has a price, and the budget grows with the octets that a peer sent.
`make bench ARGS=amplification` measures the prices.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, mldsa, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

# What a peer that is not trusted yet may cause for each byte that it sent.
MICROSECONDS_PER_BYTE = 2.0
OCTETS_PER_BYTE = 64
# The fixed allowance: for the path, the evidence and the memory of a usual peer.
FIXED_MICROSECONDS = 5_000.0
FIXED_OCTETS = 64 * 1024
# The upper limit for any number of bytes, since the verification blocks an event loop.
MOST_MICROSECONDS = 12_000.0
# The longest exponent of an RSA key that is used, in bits (FIPS 186-5 A.1.1): the work grows with it.
MAX_EXPONENT_BITS = 256
# ... and with a large modulus, where OpenSSL, and so `cryptography`, accepts no longer one.
LARGE_MODULUS_BITS, MAX_EXPONENT_BITS_OF_LARGE = 3072, 64


class Price(NamedTuple):
    """The cost of one step: processor time in microseconds, and memory in octets while the verdict is kept."""

    microseconds: float
    octets: int
    unit: str  # what is counted, as text for messages


class WorkStep(Enum):
    """A kind of work that a peer can cause any number of times, and its price."""

    CERTIFICATE = Price(40.0, 4096, "certificates")  # decode one, without its extensions and names
    READ_KIB = Price(
        200.0, 0, "KiB of names and extensions"
    )  # decode 1024 octets, by `ParsedCertificate.names_octets` and `extensions_octets`
    NAME = Price(1.0, 256, "names")  # decode and keep one name of a certificate
    NAME_COMPARISON = Price(2.5, 0, "comparisons of names")
    CANDIDATE = Price(4.0, 64, "candidates")  # compare the names of one certificate and a possible issuer
    CHECK = Price(8.0, 0, "certificates on paths")  # check one certificate at its position in one path
    POLICY = Price(4.0, 256, "policies")
    REASON = Price(6.0, 512, "reasons")
    EVIDENCE = Price(20.0, 128, "CRLs and OCSP responses")  # find out whether one applies to a certificate
    HASHED_KIB = Price(2.5, 0, "KiB of what was signed")
    SIGNATURE = Price(60.0, 0, "signatures")  # that of P-256; `signature_price` has the others

    def __init__(self, microseconds: float, octets: int, unit: str) -> None:
        self.price = Price(microseconds, octets, unit)
        self.unit = unit

    __hash__ = object.__hash__  # that of `Enum` takes ten times as long, and a verification has a dozen steps


class OutOfWork(Exception):
    """The work budget of a verification is used up: `step` exceeded it."""

    def __init__(self, step: WorkStep) -> None:
        super().__init__(step.name)
        self.step = step


class WorkBudget:
    """The rest of the budget of one verification. `spent` counts the steps by kind."""

    __slots__ = ("granted", "remaining", "remaining_octets", "spent")

    def __init__(self, microseconds: float = FIXED_MICROSECONDS, octets: int = FIXED_OCTETS) -> None:
        self.granted = self.remaining = microseconds
        self.remaining_octets: float = octets
        self.spent: dict[WorkStep, float] = {}

    @classmethod
    def for_bytes(cls, received: int) -> WorkBudget:
        """Make the budget for a peer that is not trusted yet and sent so many bytes."""
        return cls(
            min(FIXED_MICROSECONDS + MICROSECONDS_PER_BYTE * received, MOST_MICROSECONDS),
            FIXED_OCTETS + OCTETS_PER_BYTE * received,
        )

    @property
    def used(self) -> float:
        """The price of all steps so far, in microseconds."""
        return self.granted - self.remaining

    def most_expensive(self) -> tuple[WorkStep, int]:
        """Return the kind of step with the highest total price, and the number of such steps."""
        costs = {step: count * step.price.microseconds for step, count in self.spent.items()}
        step = max(costs, key=costs.__getitem__, default=WorkStep.CERTIFICATE)
        return step, int(self.spent.get(step, 0))

    def spend(self, step: WorkStep, count: float = 1, price: Price | None = None) -> None:
        """Charge `count` steps before they are made. Raises OutOfWork.

        price: of one step, by default that of its kind.
        """
        price = price or step.price
        remaining = self.remaining - price.microseconds * count
        remaining_octets = self.remaining_octets - price.octets * count
        if remaining < 0 or remaining_octets < 0:
            raise OutOfWork(step)
        self.remaining, self.remaining_octets = remaining, remaining_octets
        self.spent[step] = self.spent.get(step, 0) + count

    def spend_signature(self, key: CertificatePublicKeyTypes, signed_octets: int) -> None:
        """Charge the check of one signature of `key` over so many octets. Raises OutOfWork."""
        self.spend(WorkStep.SIGNATURE, price=Price(signature_price(key), 0, WorkStep.SIGNATURE.unit))
        self.spend(WorkStep.HASHED_KIB, signed_octets / 1024)


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
    """Whether an RSA key has an exponent longer than anybody needs, which makes each signature check expensive."""
    limit = MAX_EXPONENT_BITS_OF_LARGE if key.key_size > LARGE_MODULUS_BITS else MAX_EXPONENT_BITS
    return key.public_numbers().e.bit_length() > limit


def signature_price(key: CertificatePublicKeyTypes) -> float:
    """Return the price of one signature check by `key`, in microseconds.

    That of RSA grows with the square of the modulus and with the length of the exponent.
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
