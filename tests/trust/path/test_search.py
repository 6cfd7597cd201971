"""Paths are found by names and signatures, within a budget (RFC 4158)."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from bothways.faults import Fault
from bothways.trust.anchors import TrustStore
from bothways.trust.certificate.parsed import ParsedCertificate
from bothways.trust.path.search import LIMITS, Limits, PathSearch, search_reasons
from bothways.trust.work import OutOfWork, WorkBudget, WorkStep
from pki import Issued, intermediate, key, leaf, root
from raw_certificates import raw

ROOT = root()
CA = intermediate(ROOT)
SERVER = leaf(CA)


def search_for(
    chain: Sequence[Issued | bytes], *anchors: Issued, limits: Limits = LIMITS, work: WorkBudget | None = None
) -> tuple[PathSearch, ParsedCertificate]:
    """Begin a search from the first of a chain."""
    ders = [each if isinstance(each, bytes) else each.der for each in chain]
    store = TrustStore.from_certificates([each.certificate for each in anchors or (ROOT,)])
    return PathSearch(ders, store, limits, work or limits.budget(sum(map(len, ders)))), ParsedCertificate(
        ders[0]
    )


def test_every_path_to_an_anchor_is_yielded_the_nearest_first() -> None:
    """An intermediate that is an anchor too ends the shorter path."""
    search, certificate = search_for([SERVER, CA], CA, ROOT)
    assert [[each.der for each in path] for path in search.paths(certificate)] == [[SERVER.der, CA.der]]
    again = intermediate(ROOT, own_key=CA.key, serial=77)
    search, certificate = search_for([SERVER, CA, again])
    assert [path[1].der for path in search.paths(certificate)] == [CA.der, again.der]


def test_an_unaccepted_signature_is_followed_only_for_an_explanation() -> None:
    """It is part of no valid path, but explains why there is none."""
    old = intermediate(ROOT, "Old", key_kind="RSA-2048")
    search, certificate = search_for([leaf(old, digest="SHA1"), old])
    assert list(search.paths(certificate)) == []
    weak = search.weak_path(certificate)
    assert weak is not None
    assert [each.der for each in weak[1:]] == [old.der, ROOT.der]
    sound, certificate = search_for([SERVER, CA])
    assert len(list(sound.paths(certificate))) == 1
    assert sound.weak_path(certificate) is None


def test_the_end_of_a_search_is_its_longest_path_and_the_non_signing_issuer() -> None:
    """A renewed CA has another key."""
    other = root("Root", own_key=key("P-256", 9), key_identifiers=False)
    search, certificate = search_for([SERVER, CA], other)
    assert list(search.paths(certificate)) == []
    end = search.end(certificate)
    assert [each.der for each in end.path] == [SERVER.der, CA.der]
    assert end.wrong_signer is not None
    assert end.wrong_signer.der == other.der
    [reason] = search_reasons(search, end, exhausted=False)
    assert reason.fault is Fault.BAD_CERTIFICATE_SIGNATURE


def test_an_undecodable_certificate_is_reported_once() -> None:
    """Several children name it as their issuer."""
    broken = CA.der.replace(b"\x55\x1d\x13", b"\x55\x1d\x0f")  # two extensions of one kind
    again = intermediate(root("Elsewhere"), "Intermediate", own_key=CA.key)
    search, certificate = search_for([SERVER, broken, again])
    assert list(search.paths(certificate)) == []
    assert [each.fault for each in search.unreadable] == [Fault.BAD_ENCODING]


def test_each_step_of_a_search_is_charged() -> None:
    """Signatures by what they cost."""
    work = WorkBudget()
    search, certificate = search_for([SERVER, CA], work=work)
    assert len(list(search.paths(certificate))) == 1
    assert work.spent[WorkStep.SIGNATURE] == 2
    assert work.spent[WorkStep.CANDIDATE] >= 2
    ca = ParsedCertificate(CA.der)
    assert work.spent[WorkStep.READ_KIB] == (ca.names_octets + ca.extensions_octets) / 1024
    search, certificate = search_for([SERVER, CA], work=WorkBudget(70.0))
    with pytest.raises(OutOfWork):
        list(search.paths(certificate))


def test_the_budget_grows_with_the_chain_unless_limits_set_it() -> None:
    """Two microseconds for each octet of what a stranger sent."""
    assert LIMITS.budget(2000).granted - LIMITS.budget(1000).granted == 2000
    assert Limits(microseconds=7.0).budget(1000).granted == 7.0


def namesakes(count: int) -> list[Issued]:
    """Roots of one name, each with a key of its own."""
    return [root("Crowd", own_key=key("P-256", 300 + each)) for each in range(count)]


def test_among_a_hundred_anchors_with_one_name_only_the_named_key_is_tried() -> None:
    """RFC 5280 4.2.1.1: no other signature is checked, and no other candidate is paid for."""
    crowd = namesakes(100)
    for chosen in (crowd[0], crowd[57], crowd[99]):
        work = LIMITS.budget(0)
        search, certificate = search_for([leaf(chosen)], *crowd, work=work)
        assert [path[1].der for path in search.paths(certificate)] == [chosen.der]
        assert work.spent[WorkStep.SIGNATURE] == 1
        assert work.spent[WorkStep.CANDIDATE] == 1


def test_a_forged_certificate_that_names_one_of_many_anchors_costs_one_signature() -> None:
    """An attacker chooses the key identifiers in its certificates."""
    crowd = namesakes(100)
    work = LIMITS.budget(0)
    search, certificate = search_for([leaf(crowd[7], broken=True)], *crowd, work=work)
    assert list(search.paths(certificate)) == []
    assert work.spent[WorkStep.SIGNATURE] == 1


def test_without_a_key_identifier_every_anchor_of_that_name_is_tried() -> None:
    """RFC 5280 6.1 asks for no key identifier."""
    crowd = namesakes(20)
    search, certificate = search_for([leaf(crowd[19], key_identifiers=False)], *crowd)
    assert [path[1].der for path in search.paths(certificate)] == [crowd[19].der]


def test_with_an_outdated_key_identifier_every_anchor_of_that_name_is_tried() -> None:
    """RFC 5280 4.2.1.1: the name of a key helps to find it, and is not what is checked."""
    renamed = [
        root(
            "Crowd",
            own_key=key("P-256", 300 + each),
            key_identifiers=False,
            extra=[raw("2.5.29.14", b"\4\1a")],
        )
        for each in range(3)
    ]
    search, certificate = search_for([leaf(root("Crowd", own_key=key("P-256", 302)))], *renamed)
    assert [path[1].der for path in search.paths(certificate)] == [renamed[2].der]


def test_among_many_intermediates_with_one_name_only_the_named_key_is_tried() -> None:
    """The order in which a peer sends them does not matter."""
    crowd = [intermediate(ROOT, "Crowd", own_key=key("P-256", 300 + each)) for each in range(12)]
    work = LIMITS.budget(0)
    search, certificate = search_for([leaf(crowd[11]), *crowd], work=work)
    assert [path[1].der for path in search.paths(certificate)] == [crowd[11].der]
    assert work.spent[WorkStep.SIGNATURE] == 2


def rolled(times: int) -> list[Issued]:
    """A leaf below a CA that certified so many new keys of its own, the leaf first."""
    above = intermediate(ROOT, "Rolls")
    chain = [above]
    for number in range(times):
        above = intermediate(above, "Rolls", own_key=key("P-256", 400 + number))
        chain.insert(0, above)
    return [leaf(above), *chain]


def test_self_issued_certificates_do_not_count_in_the_depth() -> None:
    """RFC 5280 6.1.4 l: as in the length of a path."""
    chain = rolled(9)
    search, certificate = search_for(chain)
    [path] = search.paths(certificate)
    assert len(path) == 12
    short = Limits(depth=3)
    search, certificate = search_for(chain, limits=short)
    assert len(list(search.paths(certificate))) == 1
    search, certificate = search_for(chain, limits=Limits(depth=2))
    assert list(search.paths(certificate)) == []
    [reason] = search_reasons(search, search.end(certificate), exhausted=False)
    assert (reason.fault, reason.facts) == (Fault.PATH_TOO_LONG, {"limit": 2})
