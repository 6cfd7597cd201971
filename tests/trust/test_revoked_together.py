"""Peers that are revoked together: each is refused as the full verification refuses it, or is left to that."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache
from random import Random
from typing import Any

import pytest

import pki
from bothways.faults import Fault, Reason
from bothways.trust import revoked_together
from bothways.trust.anchors import TrustStore
from bothways.trust.crl import revocation_list
from bothways.trust.crl.revocation_list import CRL
from bothways.trust.crl_store import CRLStore
from bothways.trust.evidence.fetch_policy import Fetch
from bothways.trust.ocsp.response import OCSPResponse
from bothways.trust.ocsp_store import OCSPStore
from bothways.trust.request import VerificationRequest
from bothways.trust.revocation import Revocation
from bothways.trust.revocation.news import RevocationNews
from bothways.trust.revoked_together import LASTING, RevokedTogether
from bothways.trust.verdict import Purpose, Refused, Trusted
from pki import DAY, NOW, Issued

SECOND = timedelta(seconds=1)
POINT = "URI:http://crl.example/a"
REASONS = (None, "key_compromise", "superseded", "certificate_hold", "remove_from_crl")


@cache
def authorities() -> dict[str, Issued]:
    """CAs: one below a root, two below another, and one that two roots have certified under one name and key."""
    one, two = pki.root("Root one"), pki.root("Root two")
    policy = pki.intermediate(one, "Policy")
    crossed = pki.intermediate(one, "Crossed")
    again = pki.intermediate(two, "Crossed", own_key=crossed.key)
    return {"one": one, "two": two, "policy": policy, "below": pki.intermediate(policy, "Below"),
            "near": pki.intermediate(one, "Near"), "crossed": crossed, "again": again}  # fmt: skip


@cache
def peer(by: str, number: int) -> Issued:
    """A client of a CA: some with another kind of certificate than most."""
    options: dict[str, Any] = {
        3: {"extra": [pki.points(POINT)]},
        4: {"not_after": NOW + SECOND / 2},
        5: {"key_identifiers": False},
        6: {"extra": [pki.points("URI:http://crl.example/none", reasons=("key_compromise",))]},
    }.get(number, {})
    return pki.leaf(authorities()[by], f"{number}.{by}.example", own_key=pki.key("P-256", 3), **options)


def request(who: Issued, anchors: TrustStore, revocation: Revocation, *beside: Issued) -> VerificationRequest:
    chain = [*who.chain, *(each.der for each in beside)]
    return VerificationRequest(chain=chain, anchors=anchors, purpose=Purpose.CLIENT, revocation=revocation)


def crls(draw: Random, revoked: list[Issued]) -> list[CRL]:
    """Those of all CAs: whole, in parts, with deltas, of the future or long ago, some without one."""
    found = []
    for name, by in authorities().items():
        mine = [
            (each, draw.choice(REASONS)) if draw.random() < 0.3 else each
            for each in revoked
            if each.above[0].certificate.subject == by.certificate.subject
        ]
        named = name in ("policy", "below") and draw.random() < 0.1
        mine += [authorities()["below"]] if named and name == "policy" else []
        times = draw.choice([{}] * 8 + [{"this_update": NOW + SECOND / 2}, {"next_update": NOW - DAY / 2}])
        if draw.random() < 0.05:
            continue
        found.append(pki.crl(by, *mine, number=3, **times))
        if draw.random() < 0.2:
            found.append(pki.crl(by, *mine[:1], number=4, base=3, this_update=NOW - DAY / 2))
        if draw.random() < 0.2:
            found.append(pki.crl(by, *mine, number=3, point=pki.issuing_point([POINT])))
    return [CRL(each) for each in found]


def policy_of(draw: Random, revoked: list[Issued]) -> Revocation:
    options: dict[str, Any] = {"covers": draw.choice(["path", "path", "leaf"])}
    options["unknown"] = draw.choice(["refuse", "refuse", "accept"])
    if draw.random() < 0.2:
        told = [(each, draw.choice(["revoked", "good"])) for each in revoked[:3]]
        options["ocsp"] = OCSPStore([OCSPResponse(pki.ocsp_response(each, status=say)) for each, say in told])
    if draw.random() < 0.1:
        options["staples"] = "use"
    if draw.random() < 0.2:
        options["fetch"] = Fetch()
    if draw.random() < 0.2:
        news = options["news"] = RevocationNews()
        for each in crls(draw, revoked)[:3]:
            news.crls.add(each, NOW)
    return Revocation(crls=CRLStore(crls(draw, revoked)), **options)


class Case:
    """Clients that were trusted, and are verified again, one after the other, by evidence that was drawn."""

    def __init__(self, seed: int) -> None:
        self.draw = draw = Random(seed)
        every = authorities()
        roots = [every["one"]] + ([every["two"]] if draw.random() < 0.5 else [])
        self.anchors = TrustStore([each.der for each in roots])
        names = draw.sample(["below", "near", "crossed", "again"], 2)
        who = [peer(name, number) for name in names for number in range(7)]
        before = Revocation(crls=CRLStore([CRL(pki.crl(each)) for each in every.values()]))
        revoked = [each for each in who if draw.random() < 0.8]
        self.policy = policy_of(draw, revoked)
        self.peers = []
        for each in who:
            beside = [every["again"], every["two"]] if draw.random() < 0.2 else []
            earlier = request(each, self.anchors, before, *beside).verify(NOW)
            if isinstance(earlier, Trusted):
                self.peers.append((request(each, self.anchors, self.policy, *beside), earlier))
        draw.shuffle(self.peers)

    def judged(self) -> tuple[int, int]:
        """Return how many were refused by what was found of another, and how many were not."""
        together, at, quick, whole = RevokedTogether(), NOW, 0, 0
        for each, earlier in self.peers:
            at += self.draw.choice([timedelta(0), SECOND / 100, SECOND / 5, 2 * SECOND])
            reason, full = together.reason(each, earlier, at), each.verify(at)
            if reason is not None:
                assert isinstance(full, Refused)
                assert full.reasons == (reason,)
                assert not (full.left_out or full.wants or full.checks)
                quick += 1
            else:
                whole += 1
                together.note(each, full, each.generation, at)
        return quick, whole


def test_refusals_are_those_of_the_full_verification_for_drawn_evidence(full: bool) -> None:
    """Whatever speaks against a certificate besides: nobody is refused in a shorter way for other reasons."""
    counts = [Case(seed).judged() for seed in range(1500 if full else 25)]
    quick, whole = map(sum, zip(*counts, strict=True))
    assert quick > len(counts) and whole > len(counts)


def lists(*revoked: Issued, **options: Any) -> CRLStore:
    every = authorities()
    return CRLStore([CRL(pki.crl(every["one"])), CRL(pki.crl(every["near"], *revoked, **options))])


class Near:
    """Clients of one CA, all revoked; the first has been refused."""

    def __init__(self, **options: Any) -> None:
        self.anchors = TrustStore([authorities()["one"].der])
        self.who = [peer("near", number) for number in range(3)]
        self.policy = Revocation(**({"crls": lists(*self.who)} | options))
        self.requests = [request(each, self.anchors, self.policy) for each in self.who]
        before = Revocation(crls=lists())
        self.earlier = [each._replace(revocation=before).verify(NOW) for each in self.requests]
        self.together = RevokedTogether()
        self.note(0)

    def note(self, number: int, at: datetime = NOW) -> None:
        each = self.requests[number]
        self.together.note(each, each.verify(at), each.generation, at)

    def reason(self, number: int = 1, at: datetime = NOW, **changed: Any) -> Reason | None:
        earlier = self.earlier[number]
        assert isinstance(earlier, Trusted)
        return self.together.reason(self.requests[number]._replace(**changed), earlier, at)


def test_a_second_client_is_refused_for_the_same_with_its_own_facts() -> None:
    near = Near(crls=lists(peer("near", 0), (peer("near", 1), "key_compromise")))
    reason = near.reason()
    assert reason is not None and reason.fault is Fault.REVOKED and reason.position == 0
    assert reason.facts == {"revoked_at": NOW - 2 * DAY, "reason": "key compromise"}
    assert "1.near.example" in reason.subject
    assert near.reason(2) is None  # it is not listed


@pytest.mark.parametrize(
    "changed",
    [
        {"purpose": None},
        {"key_usage": None},
        {"anchors": TrustStore([authorities()["one"].der])},
        {"revocation": None},
        {"revocation": Revocation(crls=lists(peer("near", 1)))},
        {"chain": peer("near", 2).chain},
        {"chain": [*peer("near", 1).chain, authorities()["policy"].der]},
        {"chain": [*peer("near", 1).chain, peer("near", 1).der]},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_what_was_found_for_another_request_decides_nothing(changed: dict[str, Any]) -> None:
    assert Near().reason() is not None
    assert Near().reason(**changed) is None


def test_what_was_found_counts_for_a_moment_and_until_there_is_other_evidence() -> None:
    near = Near()
    assert near.reason(at=NOW + LASTING) is not None
    assert near.reason(at=NOW + LASTING + SECOND / 1000) is None
    assert near.reason(at=NOW - SECOND / 1000) is None
    store = near.policy.crls
    assert store is not None
    store.add(CRL(pki.crl(authorities()["two"])), NOW)
    assert near.reason() is None


def test_a_client_that_ends_at_its_own_time_too_is_verified_in_full() -> None:
    near = Near(crls=lists(peer("near", 0), peer("near", 4)))
    near.requests[1] = request(peer("near", 4), near.anchors, near.policy)
    near.earlier[1] = near.requests[1]._replace(revocation=None).verify(NOW)
    assert near.reason() is not None
    assert near.reason(at=NOW + SECOND * 0.75) is None


def test_a_refusal_for_more_than_the_leaf_is_noted_of_nobody() -> None:
    """The CA is revoked too, or unknown; then each client has more than one reason."""
    every = authorities()
    both = CRLStore([CRL(pki.crl(every["one"], every["near"])), *lists(*Near().who)])
    assert Near(crls=both).reason() is None
    unknown = CRLStore([CRL(pki.crl(every["near"], *Near().who))])
    assert Near(crls=unknown).reason() is None
    assert Near(crls=unknown, covers="leaf").reason() is not None


def test_a_client_that_was_trusted_by_another_path_is_verified_in_full() -> None:
    near = Near()
    earlier = near.earlier[1]
    assert isinstance(earlier, Trusted)
    near.earlier[1] = replace(earlier, path_der=(earlier.path_der[0], authorities()["one"].der))
    assert near.reason() is None


def test_staples_leave_it_to_the_full_verification() -> None:
    assert Near(staples="use").reason() is None


def test_a_client_with_two_paths_is_verified_in_full() -> None:
    every = authorities()
    anchors = TrustStore([every["one"].der, every["two"].der])
    who = [peer("crossed", number) for number in range(2)]
    mine = [CRL(pki.crl(each)) for each in (every["one"], every["two"])]
    policy = Revocation(crls=CRLStore([*mine, CRL(pki.crl(every["crossed"], *who))]))
    together = RevokedTogether()
    requests = [request(each, anchors, policy, every["again"]) for each in who]
    earlier = requests[1]._replace(revocation=None).verify(NOW)
    assert isinstance(earlier, Trusted)
    together.note(requests[0], requests[0].verify(NOW), policy.generation, NOW)
    assert together.reason(requests[1], earlier, NOW) is None


def test_a_client_that_has_the_name_of_a_crl_issuer_is_verified_in_full() -> None:
    near = Near()
    assert near.reason() is not None
    named = CRL(pki.crl(authorities()["one"], issuer_name=near.who[1].certificate.subject))
    other = Near(crls=CRLStore([*lists(*near.who), named]))
    assert other.reason(1) is None and other.reason(2) is not None


def test_a_long_crl_that_is_not_checked_yet_is_left_to_the_full_verification(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its signature is checked elsewhere, as in every verification of an event loop."""
    near = Near()
    assert near.reason() is not None
    monkeypatch.setattr(revocation_list, "LONG_CRL", 10)
    monkeypatch.setattr(CRL, "needs_preparing", lambda *_: True)
    assert near.reason() is None


def test_groups_are_bound_in_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(revoked_together, "MOST_GROUPS", 1)
    near = Near()
    other = [*near.requests[2].chain, authorities()["policy"].der]
    near.requests[2] = near.requests[2]._replace(chain=other)
    near.note(2)
    assert near.reason() is None
    near.note(0)
    assert near.reason() is not None


def test_a_budget_that_is_used_up_leaves_it_to_the_full_verification(monkeypatch: pytest.MonkeyPatch) -> None:
    near = Near()
    monkeypatch.setattr(revoked_together, "FIXED_MICROSECONDS", 1.0)
    assert near.reason() is None
