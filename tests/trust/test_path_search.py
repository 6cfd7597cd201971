"""Paths are found by names and signatures, within a budget (RFC 4158)."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from bothways.faults import Fault
from bothways.trust.anchors import TrustStore
from bothways.trust.certificate import Parsed
from bothways.trust.path_search import LIMITS, Limits, PathSearch, search_reasons
from bothways.trust.work import OutOfWork, Step, WorkBudget
from pki import Issued, intermediate, key, leaf, root

ROOT = root()
CA = intermediate(ROOT)
SERVER = leaf(CA)


def search_for(
    chain: Sequence[Issued | bytes], *anchors: Issued, limits: Limits = LIMITS, work: WorkBudget | None = None
) -> tuple[PathSearch, Parsed]:
    """Begin a search from the first of a chain."""
    ders = [each if isinstance(each, bytes) else each.der for each in chain]
    store = TrustStore.from_certificates([each.certificate for each in anchors or (ROOT,)])
    return PathSearch(ders, store, limits, work or limits.budget(sum(map(len, ders)))), Parsed(ders[0])


def test_every_path_to_an_anchor_is_yielded_the_nearest_first() -> None:
    """An intermediate that is an anchor too ends the shorter path."""
    search, certificate = search_for([SERVER, CA], CA, ROOT)
    assert [[each.der for each in path] for path in search.paths(certificate)] == [[SERVER.der, CA.der]]
    again = intermediate(ROOT, own_key=CA.key, serial=77)
    search, certificate = search_for([SERVER, CA, again])
    assert [path[1].der for path in search.paths(certificate)] == [CA.der, again.der]


def test_a_signature_that_does_not_count_is_followed_only_when_asked_for() -> None:
    """It makes no path, and explains why there is none."""
    old = intermediate(ROOT, "Old", key_kind="RSA-2048")
    search, certificate = search_for([leaf(old, digest="SHA1"), old])
    assert list(search.paths(certificate)) == []
    weak = search.weak_path(certificate)
    assert weak is not None
    assert [each.der for each in weak[1:]] == [old.der, ROOT.der]
    sound, certificate = search_for([SERVER, CA])
    assert len(list(sound.paths(certificate))) == 1
    assert sound.weak_path(certificate) is None


def test_the_end_is_where_the_search_came_furthest_and_who_did_not_sign_there() -> None:
    """The key of a CA that was made anew is another one."""
    other = root("Root", own_key=key("P-256", 9), key_identifiers=False)
    search, certificate = search_for([SERVER, CA], other)
    assert list(search.paths(certificate)) == []
    end = search.end(certificate)
    assert [each.der for each in end.path] == [SERVER.der, CA.der]
    assert end.wrong_signer is not None
    assert end.wrong_signer.der == other.der
    [reason] = search_reasons(search, end, exhausted=False)
    assert reason.fault is Fault.BAD_CERTIFICATE_SIGNATURE


def test_a_certificate_that_cannot_be_read_is_told_once_however_often_it_is_met() -> None:
    """Several children name it as their issuer."""
    broken = CA.der.replace(b"\x55\x1d\x13", b"\x55\x1d\x0f")  # two extensions of one kind
    again = intermediate(root("Elsewhere"), "Intermediate", own_key=CA.key)
    search, certificate = search_for([SERVER, broken, again])
    assert list(search.paths(certificate)) == []
    assert [each.fault for each in search.unreadable] == [Fault.BAD_ENCODING]


def test_each_step_of_a_search_is_paid_for() -> None:
    """Signatures by what they cost."""
    work = WorkBudget()
    search, certificate = search_for([SERVER, CA], work=work)
    assert len(list(search.paths(certificate))) == 1
    assert work.spent[Step.SIGNATURE] == 2
    assert work.spent[Step.CANDIDATE] >= 2
    ca = Parsed(CA.der)
    assert work.spent[Step.READ_KIB] == (ca.names_octets + ca.extensions_octets) / 1024
    search, certificate = search_for([SERVER, CA], work=WorkBudget(70.0))
    with pytest.raises(OutOfWork):
        list(search.paths(certificate))


def test_limits_grant_by_the_size_of_a_chain_unless_they_say_how_much() -> None:
    """Two microseconds for each octet of what a stranger sent."""
    assert LIMITS.budget(2000).granted - LIMITS.budget(1000).granted == 2000
    assert Limits(microseconds=7.0).budget(1000).granted == 7.0
