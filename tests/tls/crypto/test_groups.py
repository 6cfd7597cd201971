"""Key agreement: both sides get the same secret, and a share that is not a key is refused."""

from __future__ import annotations

import os
from collections.abc import Iterator

import cryptography_vectors
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from bothways.faults import Fault
from bothways.iana import NamedGroup
from bothways.tls.crypto.groups import CLASSIC_GROUPS, GROUPS, KeyOffer, answer, finish, offer
from bothways.tls.crypto.randomness import SystemRandomness
from faults import blames

randomness = SystemRandomness(os.urandom)
every_group = pytest.mark.parametrize("group", GROUPS, ids=lambda code: GROUPS[code].name)
SIZES = {
    NamedGroup.x25519: (32, 32, 32),
    NamedGroup.secp256r1: (65, 65, 32),
    NamedGroup.secp384r1: (97, 97, 48),
    NamedGroup.secp521r1: (133, 133, 66),
    NamedGroup.X25519MLKEM768: (1216, 1120, 64),
    NamedGroup.SecP256r1MLKEM768: (1249, 1153, 64),
    NamedGroup.SecP384r1MLKEM1024: (1665, 1665, 80),
}


@every_group
def test_both_sides_get_the_same_secret(group: int) -> None:
    """RFC 9846 7.4, RFC 10024: also the sizes of shares and secrets."""
    ours = offer(group, randomness)
    share, secret = answer(group, ours.public, randomness)
    assert finish(ours, share) == secret
    assert (len(ours.public), len(share), len(secret)) == SIZES[NamedGroup(group)]
    assert (GROUPS[group].share_size, GROUPS[group].answer_size) == SIZES[NamedGroup(group)][:2]


@every_group
def test_every_offer_is_fresh(group: int) -> None:
    """RFC 9846 4.3.8: a private key is used in one connection."""
    assert offer(group, randomness).public != offer(group, randomness).public


@every_group
def test_an_offer_does_not_show_its_private_keys(group: int) -> None:
    """Secrets never stand in a repr."""
    ours = offer(group, randomness)
    assert repr(ours) == f"KeyOffer(group={group}, public={ours.public!r})"


@every_group
def test_server_refuses_a_share_of_another_size(group: int) -> None:
    """RFC 9846 4.3.8: a share has the size of its group."""
    public = offer(group, randomness).public
    for wrong in (b"", public[:-1], public + b"\0", public[: len(public) // 2]):
        with blames(Fault.BAD_SHARE, group=GROUPS[group].name):
            answer(group, wrong, randomness)


@every_group
def test_client_refuses_a_share_of_another_size(group: int) -> None:
    """RFC 9846 4.3.8: the server's share has the size of its group."""
    ours = offer(group, randomness)
    share, _ = answer(group, ours.public, randomness)
    for wrong in (b"", share[:-1], share + b"\0"):
        with blames(Fault.BAD_SHARE, group=GROUPS[group].name):
            finish(ours, wrong)


CURVES = {
    NamedGroup.secp256r1: ec.SECP256R1(),
    NamedGroup.secp384r1: ec.SECP384R1(),
    NamedGroup.secp521r1: ec.SECP521R1(),
}


@pytest.mark.parametrize("group", CURVES, ids=lambda group: group.name)
def test_points_that_are_not_on_the_curve_are_refused(group: NamedGroup) -> None:
    """RFC 9846 4.3.8.2: a peer's point is validated, in the uncompressed form alone."""
    point = ec.generate_private_key(CURVES[group]).public_key()
    public = point.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    half = (len(public) - 1) // 2
    off_curve = public[:-1] + bytes([public[-1] ^ 1])
    hybrid_form = bytes([6 + (public[-1] & 1)]) + public[1:]
    infinity = bytes(len(public))
    too_large = b"\x04" + b"\xff" * (2 * half)
    compressed = point.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    for wrong in (off_curve, hybrid_form, infinity, too_large, compressed, compressed + bytes(half)):
        with blames(Fault.BAD_SHARE, group=group.name):
            answer(group, wrong, randomness)
        with blames(Fault.BAD_SHARE, group=group.name):
            finish(offer(group, randomness), wrong)


LOW_ORDER = [
    bytes(32),
    b"\1" + bytes(31),
    bytes.fromhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
    bytes.fromhex("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"),
    (2**255 - 20).to_bytes(32, "little"),
    (2**255 - 19).to_bytes(32, "little"),
    (2**255 - 18).to_bytes(32, "little"),
]


@pytest.mark.parametrize("point", LOW_ORDER, ids=lambda point: point.hex()[:8])
def test_a_share_that_makes_the_secret_zero_is_refused(point: bytes) -> None:
    """RFC 9846 7.4.2: the all-zero result of X25519 is refused, alone and in a hybrid."""
    with blames(Fault.BAD_SHARE, group="x25519"):
        answer(NamedGroup.x25519, point, randomness)
    with blames(Fault.BAD_SHARE, group="x25519"):
        finish(offer(NamedGroup.x25519, randomness), point)
    hybrid = offer(NamedGroup.X25519MLKEM768, randomness).public[:-32] + point
    with blames(Fault.BAD_SHARE, group="X25519MLKEM768"):
        answer(NamedGroup.X25519MLKEM768, hybrid, randomness)


@pytest.mark.parametrize(
    ("group", "start"),
    [(NamedGroup.X25519MLKEM768, 0), (NamedGroup.SecP256r1MLKEM768, 65), (NamedGroup.SecP384r1MLKEM1024, 97)],
)
def test_an_encapsulation_key_out_of_range_is_refused(group: NamedGroup, start: int) -> None:
    """FIPS 203 7.2: coefficients of an encapsulation key are smaller than the modulus."""
    public = bytearray(offer(group, randomness).public)
    public[start : start + 3] = b"\xff\xff\xff"
    with blames(Fault.BAD_SHARE, group=group.name):
        answer(group, bytes(public), randomness)


@pytest.mark.parametrize("group", [NamedGroup.X25519MLKEM768, NamedGroup.SecP256r1MLKEM768])
def test_an_altered_ciphertext_gives_another_secret_and_no_error(group: NamedGroup) -> None:
    """FIPS 203 6.3: decapsulation rejects implicitly; the Finished tells."""
    ours = offer(group, randomness)
    share, secret = answer(group, ours.public, randomness)
    at = 0 if group is NamedGroup.X25519MLKEM768 else 65
    altered = bytearray(share)
    altered[at] ^= 1
    assert finish(ours, bytes(altered)) != secret


class Replayed:
    """Answers with what was drawn before."""

    def __init__(self, *, keys: dict[int, object], encapsulation: tuple[bytes, bytes] = (b"", b"")) -> None:
        self._keys = keys
        self._encapsulation = encapsulation

    def random(self, size: int, /) -> bytes:
        raise NotImplementedError

    def private_key(self, group: int, /) -> object:
        return self._keys[group]

    def encapsulate(self, public_key: object, /) -> tuple[bytes, bytes]:
        return self._encapsulation

    def sign(self, scheme: int, private_key: object, data: bytes, /) -> bytes:
        raise NotImplementedError


def kems() -> Iterator[dict[str, bytes]]:
    with cryptography_vectors.open_vector_file("asymmetric/MLKEM/kat_MLKEM_768.rsp", "r") as file:
        case: dict[str, bytes] = {}
        for line in file:
            name, separator, value = line.partition(" = ")
            if name == "count":
                case = {}
            elif separator:
                case[name] = bytes.fromhex(value.strip())
            if name == "ss":
                yield case


def test_the_hybrid_puts_ml_kem_first_in_shares_and_secret() -> None:
    """RFC 10024: X25519MLKEM768 around NIST's vectors, so that each half of the secret is known."""
    x25519 = X25519PrivateKey.generate()
    peer = X25519PrivateKey.generate()
    classic = peer.exchange(x25519.public_key())
    for case in list(kems())[:10]:
        key = MLKEM768PrivateKey.from_seed_bytes(case["d"] + case["z"])
        keys = {NamedGroup.MLKEM768: key, NamedGroup.x25519: x25519}
        ours = offer(NamedGroup.X25519MLKEM768, Replayed(keys=keys))
        assert ours.public == case["pk"] + x25519.public_key().public_bytes_raw()
        assert finish(ours, case["ct"] + peer.public_key().public_bytes_raw()) == case["ss"] + classic


def test_recorded_answers_are_given_again() -> None:
    """A conversation is replayed by its draws: the same share and the same secret come out."""
    x25519 = X25519PrivateKey.generate()
    case = next(kems())
    replayed = Replayed(keys={NamedGroup.x25519: x25519}, encapsulation=(case["ss"], case["ct"]))
    client = offer(NamedGroup.X25519MLKEM768, randomness)
    share, secret = answer(NamedGroup.X25519MLKEM768, client.public, replayed)
    assert share == case["ct"] + x25519.public_key().public_bytes_raw()
    assert secret[:32] == case["ss"]
    assert secret[32:] == x25519.exchange(X25519PublicKey.from_public_bytes(client.public[-32:]))


def rfc7748() -> Iterator[dict[str, bytes]]:
    with cryptography_vectors.open_vector_file("asymmetric/X25519/rfc7748.txt", "r") as file:
        case: dict[str, bytes] = {}
        for line in file:
            name, separator, value = line.partition(" = ")
            if separator and name != "COUNT":
                case[name] = bytes.fromhex(value.strip())
            if name == "OUTPUT_U":
                yield case


@pytest.mark.parametrize("case", list(rfc7748())[:2], ids=["1", "2"])
def test_x25519_agrees_with_rfc_7748(case: dict[str, bytes]) -> None:
    """RFC 7748 5.2: both single vectors, as the answer and as the finish of an agreement."""
    key = X25519PrivateKey.from_private_bytes(case["INPUT_SCALAR"])
    replayed = Replayed(keys={NamedGroup.x25519: key})
    share, secret = answer(NamedGroup.x25519, case["INPUT_U"], replayed)
    assert share == key.public_key().public_bytes_raw()
    assert secret == case["OUTPUT_U"]
    assert finish(offer(NamedGroup.x25519, replayed), case["INPUT_U"]) == case["OUTPUT_U"]


def test_groups_of_tls_1_2_are_those_without_ml_kem() -> None:
    """RFC 8422 5.1.1; RFC 10024 is for TLS 1.3."""
    assert set(CLASSIC_GROUPS) == {23, 24, 25, 29}


def test_an_offer_is_finished_with_its_own_group() -> None:
    """The group of an offer goes with it."""
    ours = offer(NamedGroup.secp256r1, randomness)
    assert isinstance(ours, KeyOffer)
    assert ours.group == NamedGroup.secp256r1
    share, _ = answer(NamedGroup.secp384r1, offer(NamedGroup.secp384r1, randomness).public, randomness)
    with blames(Fault.BAD_SHARE, group="secp256r1"):
        finish(ours, share)
