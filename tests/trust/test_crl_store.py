"""The available CRLs: where they come from, and which replaces which."""

from __future__ import annotations

from datetime import timedelta
from itertools import permutations

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from bothways.errors import ConfigError
from bothways.trust.anchors import TrustStore
from bothways.trust.certificate.parsed import ParsedCertificate
from bothways.trust.crl.revocation_list import CRL
from bothways.trust.crl_store import MOST_ENDED, MOST_UNPROVEN, CRLStore
from bothways.trust.revocation import Revocation
from bothways.trust.verdict import Purpose, Trusted
from bothways.trust.verification import verify as judge
from pki import DAY, NOW, crl, intermediate, issuing_point, key, leaf, root

ROOT = root()
CA = intermediate(ROOT)
SERVER = leaf(CA)
ANCHORS = TrustStore.from_pem(ROOT.pem)
CLEAN = (crl(ROOT), crl(CA))
HOUR = timedelta(hours=1)
FORGER = key("P-256", 4200)
OWN_POINT = issuing_point(["DN:Intermediate"])


def passes(store: CRLStore, at=NOW) -> bool:
    """Whether the server passes by the CRLs in a store; then the store also knows their signers and the time."""
    policy = Revocation(crls=store, covers="leaf", unknown="accept")
    asked = {"purpose": Purpose.SERVER, "name": None, "at": at}
    return isinstance(judge(SERVER.chain, ANCHORS, revocation=policy, **asked), Trusted)


def forged(number: int = 99, **options) -> CRL:
    """A CRL in the CA's name without entries, newer than all others, and not signed by the CA."""
    return CRL(crl(CA, number=number, signed_by=FORGER, **{"this_update": NOW} | options))


def numbers(store: CRLStore) -> list[int]:
    return sorted(each.number for each in store)


def test_a_crl_store_reads_files_and_pem(tmp_path):
    """--crl takes PEM (several) or DER, repeated."""
    (tmp_path / "root.crl").write_bytes(CLEAN[0])
    (tmp_path / "ca.pem").write_bytes(x509.load_der_x509_crl(CLEAN[1]).public_bytes(Encoding.PEM))
    store = CRLStore.from_files(tmp_path / "root.crl", str(tmp_path / "ca.pem"))
    assert (len(store), repr(store)) == (2, "<CRLStore of 2 CRLs>")
    assert len(CRLStore.from_pem((tmp_path / "ca.pem").read_bytes())) == 1
    with pytest.raises(ConfigError, match="cannot be read"):
        CRLStore.from_files(tmp_path / "gone.crl")


def test_an_added_crl_replaces_only_an_older_one():
    """With a signature of the same key."""
    store = CRLStore(map(CRL, CLEAN))
    assert passes(store)
    assert store.add(CRL(crl(CA, SERVER, number=2, this_update=NOW)))
    assert len(store) == 2 and not passes(store)
    assert not store.add(CRL(crl(CA, number=1)))
    assert store.add(CRL(crl(CA, number=2, point=issuing_point(users=True))))
    assert len(store) == 3 and not passes(store)


def test_replacing_the_crls_of_a_store_keeps_newer_ones():
    """Files are read again while handshakes continue."""
    store = CRLStore([CRL(CLEAN[0]), CRL(crl(CA, SERVER, number=9, this_update=NOW))])
    assert not passes(store)
    store.replace(CRLStore([CRL(crl(CA, number=3))]))
    assert numbers(store) == [9]
    later = NOW + HOUR
    store.replace(CRLStore([CRL(crl(CA, number=10, this_update=later))]), later)
    assert numbers(store) == [10]


def test_the_generation_of_a_store_rises_with_changed_crls():
    """CRLs that are in it already change nothing, and keep their known signers."""
    store = CRLStore(map(CRL, CLEAN))
    assert passes(store)
    held, seen = list(store), store.generation
    store.replace(CRLStore(map(CRL, CLEAN)))
    assert not store.add(CRL(crl(CA, number=0)))
    assert store.add(CRL(CLEAN[1]))
    assert store.generation == seen
    store.replace(CRLStore(map(CRL, CLEAN)))
    assert next(iter(store)) is held[0]
    store.add(CRL(crl(CA, SERVER, number=2, this_update=NOW)))
    assert store.generation != seen
    seen = store.generation
    store.replace(CRLStore([CRL(CLEAN[0])]))
    assert store.generation != seen and len(store) == 1


WAYS = {
    "added": lambda store, each: store.add(each),
    "in the place of all": lambda store, each: store.replace(CRLStore([each])),
    "from the files that are followed": lambda store, each: store.replace(CRLStore([each]), withdraws=False),
}
DISPLACING = {
    "by another key": forged,
    "by another key, from the future": lambda: forged(this_update=NOW + 3650 * DAY, next_update=NOW + 3660 * DAY),
    "by the CA, from the future": lambda: CRL(
        crl(CA, number=99, this_update=NOW + 3650 * DAY, next_update=NOW + 3660 * DAY)
    ),
    "by the CA, and older": lambda: CRL(crl(CA, number=0, this_update=NOW - 9 * DAY)),
    "of the CA's scope by another key": lambda: forged(point=OWN_POINT),
}  # fmt: skip


@pytest.mark.parametrize("what", DISPLACING)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("is_in_use", [True, False], ids=["in use", "not used yet"])
def test_only_a_valid_crl_of_the_same_signer_supersedes_a_crl(what, way, is_in_use):
    """An attacker on the network, or a writer of the file, removes nothing; and the CA's next CRL counts."""
    point = OWN_POINT if "scope" in what else None
    store = CRLStore([CRL(crl(CA, SERVER, number=1, point=point))])
    if is_in_use:
        assert not passes(store)
    for _ in range(3):
        WAYS[way](store, DISPLACING[what]())
    assert not passes(store)
    later = NOW + HOUR
    WAYS[way](store, CRL(crl(CA, SERVER, number=2, this_update=later, point=point)))
    assert not passes(store, later)
    WAYS[way](store, CRL(crl(CA, number=3, this_update=later + HOUR, point=point)))
    assert passes(store, later + HOUR)


def test_crls_with_unknown_signers_displace_no_known_one_and_not_the_last_added():
    """Their number is limited."""
    store = CRLStore([CRL(crl(CA, SERVER))])
    assert not passes(store)
    for number in range(200):
        store.add(forged(number))
    assert len(store) == 1 + MOST_UNPROVEN and not passes(store)
    unused = CRLStore([CRL(crl(CA, SERVER))])
    for number in range(200):
        unused.add(forged(number))
    assert len(unused) == MOST_UNPROVEN and not passes(unused)
    unused.add(CRL(crl(CA, number=2, this_update=NOW)))
    assert passes(unused)


@pytest.mark.parametrize("withdraws", [True, False])
@pytest.mark.parametrize("own", [1, 2, 3])
@pytest.mark.parametrize("strangers", [1, 200])
def test_a_crl_of_the_ca_is_not_displaced_before_its_first_use(withdraws, own, strangers):
    """A server without clients renews its CRLs; their signers are known with the first client."""
    store = CRLStore([CRL(crl(CA, number=1, this_update=NOW - 9 * DAY))])
    for number in range(2, 2 + own):
        latest = CRL(crl(CA, SERVER, number=number, this_update=NOW - (9 - number) * DAY))
        store.replace(CRLStore([latest]), withdraws=withdraws)
    for _ in range(3):
        others = [forged(1000 + each, point=None) for each in range(strangers)]
        store.replace(CRLStore(others), withdraws=withdraws)
    assert not passes(store)
    store.replace(CRLStore([CRL(crl(CA, number=99, this_update=NOW))]), withdraws=withdraws)
    assert passes(store)
    assert len(store) == 1


def test_crls_with_unknown_signers_are_limited_in_number_and_size(monkeypatch):
    """The first one stays, and of the others those that were added with the fewest."""
    store = CRLStore([CRL(crl(CA, number=1))])
    store.replace(CRLStore([forged(2)]))
    for number in range(100, 600, 100):
        store.replace(CRLStore([forged(number + each) for each in range(9)]))
    assert numbers(store)[:2] == [1, 2]
    assert len(store) == MOST_UNPROVEN + 9
    one = len(crl(CA))
    monkeypatch.setattr("bothways.trust.crl_store.MOST_UNPROVEN_OCTETS", 3 * one)
    store.replace(CRLStore([forged(700)]))
    assert numbers(store)[:2] == [1, 2]
    assert len(store) <= 5


def test_crls_whose_signature_failed_are_dropped_first():
    """A verification found that no known key signed them."""
    store = CRLStore([forged(1), CRL(crl(CA, SERVER, number=2, this_update=NOW - 9 * DAY))])
    refused = [forged(100 + each) for each in range(MOST_UNPROVEN)]
    for each in refused:
        assert not each.is_signed_by(ParsedCertificate(CA.der))
        store.replace(CRLStore([each]))
    assert 2 in numbers(store)


def test_crls_of_both_keys_of_a_ca_are_kept():
    """After a change of its key; each is for those who have a certificate of that key."""
    renewed = root(own_key=key("P-256", 4201))
    store = CRLStore([CRL(crl(ROOT))])
    store.about(store_issuer(store), frozenset(), NOW)
    assert next(iter(store)).is_signed_by(ParsedCertificate(ROOT.der))
    store.add(CRL(crl(renewed, number=2, this_update=NOW)))
    assert numbers(store) == [1, 2]
    assert max(store, key=lambda each: each.number).is_signed_by(ParsedCertificate(renewed.der))
    store.add(CRL(crl(renewed, number=3, this_update=NOW)))
    assert numbers(store) == [1, 3]


def store_issuer(store: CRLStore) -> bytes:
    return next(iter(store)).normal_issuer


def test_the_order_of_crls_does_not_decide_which_is_used():
    """The newest valid one that the CA signed is."""
    lists = [
        CRL(crl(CA, number=1, this_update=NOW - 2 * DAY)),
        CRL(crl(CA, (SERVER, "certificate_hold"), number=2)),
        CRL(crl(CA, number=3, this_update=NOW + 2 * DAY)),
        forged(4),
    ]
    for order in permutations(lists):
        assert not passes(CRLStore(order))
        store = CRLStore()
        for each in order:
            store.add(each)
        assert not passes(store)


def test_of_two_crls_with_one_date_and_number_both_count():
    """RFC 5280 5.2.3: numbers rise, so the CA has made an error."""
    for first, second in (((), (SERVER,)), ((SERVER,), ())):
        store = CRLStore([CRL(crl(CA, *first))])
        passes(store)
        assert store.add(CRL(crl(CA, *second)))
        assert len(store) == 2 and not passes(store)
        store.replace(CRLStore([CRL(crl(CA, *second))]), NOW)
        assert not passes(store)
        assert store.add(CRL(crl(CA, number=2, this_update=NOW)), NOW)
        assert len(store) == 1 and passes(store)


def test_a_crl_that_was_signed_again_replaces_the_equal_one():
    """ECDSA signatures differ each time."""
    store = CRLStore([CRL(crl(CA))])
    assert passes(store)
    assert store.add(CRL(crl(CA))) and len(store) == 1
    store.replace(CRLStore([CRL(crl(CA))]))
    assert len(store) == 1 and passes(store)


def test_expired_crls_that_are_in_no_file_are_limited():
    """A CA may give each of its CRLs another scope."""
    store = CRLStore()
    for each in range(MOST_ENDED + 20):
        point = issuing_point([f"URI:http://a.example/{each}"])
        listed = CRL(crl(CA, point=point, next_update=NOW + HOUR * each))
        assert listed.is_signed_by(ParsedCertificate(CA.der))
        store.replace(CRLStore([listed]), NOW, withdraws=False)
    assert len(store) == MOST_ENDED + 20
    last = CRL(crl(CA, point=issuing_point(["URI:http://a.example/last"])))
    store.replace(CRLStore([last]), NOW + HOUR * 10 + HOUR / 2, withdraws=False)
    assert len(store) == MOST_ENDED + 20 + 1 - 11
    store.replace(CRLStore([last]), NOW + DAY * 300, withdraws=False)
    assert len(store) == MOST_ENDED + 1


def test_crls_are_found_by_issuer_and_distribution_point():
    """Of any number of partitions only the applicable ones are used."""
    parts = [CRL(crl(CA, point=issuing_point([f"URI:http://a.example/{each}"]))) for each in range(300)]
    store = CRLStore([*parts, CRL(CLEAN[1])])
    name = parts[7].normal_issuer
    assert store.about(name, parts[7].scope.names, NOW) == [list(store)[-1], parts[7]]
    assert store.about(name, frozenset(), NOW) == [list(store)[-1]]
    assert len(store.of(name)) == len(store) == 301
    assert store.about(b"another", parts[7].scope.names, NOW) == []


def test_the_reason_why_a_crl_is_not_used_is_reported():
    """As text that continues its name."""
    store = CRLStore([CRL(crl(CA))])
    assert store.objection(forged()) is None
    assert passes(store)
    assert store.objection(forged()) == "is not signed by the signer of the one in use"
    assert (
        store.objection(CRL(crl(CA, number=0, this_update=NOW - 3 * DAY))) == "is older than the one in use"
    )
    early = CRL(crl(CA, this_update=NOW + DAY))
    assert store.objection(early) is None
    assert store.objection(early, NOW) == "is not valid before 2026-06-02 12:00, unlike the one in use"
    assert store.objection(CRL(crl(CA, number=2, this_update=NOW)), NOW) is None
    [used] = store
    assert (
        store.objection(CRL(used.der), used.this_update - HOUR) is None
    )  # it is no other than the one in use
