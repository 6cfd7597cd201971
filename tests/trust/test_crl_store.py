"""The CRLs at hand: where they come from, and which takes the place of which."""

from __future__ import annotations

from datetime import timedelta
from itertools import permutations

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from bothways.errors import ConfigError
from bothways.trust.anchors import TrustStore
from bothways.trust.certificate import ParsedCertificate
from bothways.trust.crl import CRL
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
    """Whether the server passes by the CRLs in a store; that also tells the store who signed what, and the time."""
    policy = Revocation(crls=store, covers="leaf", unknown="accept")
    asked = {"purpose": Purpose.SERVER, "name": None, "at": at}
    return isinstance(judge(SERVER.chain, ANCHORS, revocation=policy, **asked), Trusted)


def forged(number: int = 99, **options) -> CRL:
    """A CRL in the CA's name that revokes nobody, newer than all others, and not signed by the CA."""
    return CRL(crl(CA, number=number, signed_by=FORGER, **{"this_update": NOW} | options))


def numbers(store: CRLStore) -> list[int]:
    return sorted(each.number for each in store)


def test_a_store_reads_files_and_pem(tmp_path):
    """--crl takes PEM (several) or DER, repeated."""
    (tmp_path / "root.crl").write_bytes(CLEAN[0])
    (tmp_path / "ca.pem").write_bytes(x509.load_der_x509_crl(CLEAN[1]).public_bytes(Encoding.PEM))
    store = CRLStore.from_files(tmp_path / "root.crl", str(tmp_path / "ca.pem"))
    assert (len(store), repr(store)) == (2, "<CRLStore of 2 CRLs>")
    assert len(CRLStore.from_pem((tmp_path / "ca.pem").read_bytes())) == 1
    with pytest.raises(ConfigError, match="cannot be read"):
        CRLStore.from_files(tmp_path / "gone.crl")


def test_a_list_is_added_in_the_place_of_an_older_one_only():
    """An older CRL never replaces a newer one that the same key signed."""
    store = CRLStore(map(CRL, CLEAN))
    assert passes(store)
    assert store.add(CRL(crl(CA, SERVER, number=2, this_update=NOW)))
    assert len(store) == 2 and not passes(store)
    assert not store.add(CRL(crl(CA, number=1)))
    assert store.add(CRL(crl(CA, number=2, point=issuing_point(users=True))))
    assert len(store) == 3 and not passes(store)


def test_a_store_is_replaced_whole_and_keeps_what_is_newer():
    """Files are read again while handshakes go on."""
    store = CRLStore([CRL(CLEAN[0]), CRL(crl(CA, SERVER, number=9, this_update=NOW))])
    assert not passes(store)
    store.replace(CRLStore([CRL(crl(CA, number=3))]))
    assert numbers(store) == [9]
    later = NOW + HOUR
    store.replace(CRLStore([CRL(crl(CA, number=10, this_update=later))]), later)
    assert numbers(store) == [10]


def test_a_store_tells_by_its_generation_that_its_lists_changed():
    """CRLs that are there already are no news, and keep what is known of their signers."""
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
def test_nothing_supersedes_a_list_but_what_its_own_signer_signed_and_dated_until_now(what, way, is_in_use):
    """Somebody on the way, or who writes to the file, takes away nothing; and the CA's next CRL counts."""
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


def test_lists_of_strangers_crowd_out_none_that_is_known_and_not_the_last_that_came():
    """Their number is bounded, whoever sends them."""
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
def test_nobody_displaces_what_the_ca_signed_before_anybody_was_judged_by_it(withdraws, own, strangers):
    """While a server has no clients its CRLs are renewed; whose each is shows when the first client comes."""
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


def test_lists_that_nobody_is_known_to_have_signed_are_bounded_in_number_and_size(monkeypatch):
    """The first that came stays, and of the others those that came with the fewest."""
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


def test_what_was_held_against_a_key_in_vain_goes_first():
    """A judgement found out that it is nobody's whose key is known."""
    store = CRLStore([forged(1), CRL(crl(CA, SERVER, number=2, this_update=NOW - 9 * DAY))])
    refused = [forged(100 + each) for each in range(MOST_UNPROVEN)]
    for each in refused:
        assert not each.is_signed_by(ParsedCertificate(CA.der))
        store.replace(CRLStore([each]))
    assert 2 in numbers(store)


def test_lists_of_both_keys_of_a_ca_that_changed_its_key_stay():
    """Each speaks to those who know a certificate of that key."""
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


def test_which_of_several_lists_counts_does_not_depend_on_their_order():
    """The newest that is not from the future, of those that the CA signed."""
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


def test_of_two_lists_of_one_age_neither_supersedes_the_other_and_both_count():
    """RFC 5280 5.2.3: numbers rise; a CA that gave one twice is not asked which it meant."""
    for first, second in (((), (SERVER,)), ((SERVER,), ())):
        store = CRLStore([CRL(crl(CA, *first))])
        passes(store)
        assert store.add(CRL(crl(CA, *second)))
        assert len(store) == 2 and not passes(store)
        store.replace(CRLStore([CRL(crl(CA, *second))]), NOW)
        assert not passes(store)
        assert store.add(CRL(crl(CA, number=2, this_update=NOW)), NOW)
        assert len(store) == 1 and passes(store)


def test_a_list_that_was_signed_anew_takes_the_place_of_its_twin():
    """Signatures of ECDSA differ each time."""
    store = CRLStore([CRL(crl(CA))])
    assert passes(store)
    assert store.add(CRL(crl(CA))) and len(store) == 1
    store.replace(CRLStore([CRL(crl(CA))]))
    assert len(store) == 1 and passes(store)


def test_lists_that_ended_and_are_nowhere_any_more_are_bounded():
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


def test_lists_are_found_by_issuer_and_distribution_point():
    """However many partitions a CA has, only those that speak of a certificate are looked at."""
    parts = [CRL(crl(CA, point=issuing_point([f"URI:http://a.example/{each}"]))) for each in range(300)]
    store = CRLStore([*parts, CRL(CLEAN[1])])
    name = parts[7].normal_issuer
    assert store.about(name, parts[7].scope.names, NOW) == [list(store)[-1], parts[7]]
    assert store.about(name, frozenset(), NOW) == [list(store)[-1]]
    assert len(store.of(name)) == len(store) == 301
    assert store.about(b"another", parts[7].scope.names, NOW) == []


def test_why_a_list_does_not_take_the_place_of_the_one_in_use_is_told():
    """In words that follow its name."""
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
