"""Chains, OCSP responses and CRLs of a stranger cost us no more than their allowance."""

from __future__ import annotations

import random
from functools import partial

import pytest

import pki
from bothways.trust.crl.revocation_list import CRL
from bothways.trust.crl_store import CRLStore
from bothways.trust.revocation import Revocation
from bothways.trust.verdict import Profile, Purpose, Refused, Trusted
from bothways.trust.verification import verify
from hostile import chains, evidence
from hostile.allowance import anchors, drawn_chain, draws, hold_evidence, hold_judgement


def test_chains_of_a_stranger_cost_no_more_than_their_allowance(full: bool) -> None:
    """Names, constraints, extensions, policies, keys and paths of every kind, ended at an anchor's name or nowhere."""
    for number, (kind, size, seed, meter) in enumerate(draws(list(chains.KINDS), 1, 12, full)):
        purpose = Purpose.SERVER if number % 2 else Purpose.CLIENT
        profile: Profile = "web" if number % 4 == 3 else "private"
        hold_judgement(f"{kind}, {size}, {seed}", drawn_chain(kind, size, seed), purpose, profile, meter)


def test_staples_of_a_stranger_cost_no_more_than_their_allowance(full: bool) -> None:
    """Only where a certificate leads to an anchor is any read: answers, extensions, names, delegates and their keys."""
    who = evidence.insider()
    revocation = Revocation(staples="require")
    for kind, size, seed, meter in draws(list(evidence.STAPLES), 1, 20, full):
        staple = evidence.STAPLES[kind](random.Random(f"{seed} {kind}"), size)
        with_profile = partial(
            verify,
            who.chain,
            anchors(),
            purpose=Purpose.CLIENT,
            name=None,
            at=pki.NOW,
            revocation=revocation,
            staples=(staple,),
        )
        assert isinstance(with_profile(), Refused)
        hold_evidence(f"{kind}, {size}, {seed}", len(staple) + len(who.der), with_profile, meter)


def test_lists_that_nobody_signed_cost_no_more_than_their_allowance(full: bool) -> None:
    """Headers are read and the signature is looked at; entries are not."""
    who = evidence.insider()

    def with_profile(data: bytes) -> object:
        try:
            lists = CRLStore([CRL(data)])
        except ValueError:
            return None
        revocation = Revocation(crls=lists)
        return verify(
            who.chain, anchors(), purpose=Purpose.CLIENT, name=None, at=pki.NOW, revocation=revocation
        )

    for kind, size, seed, meter in draws(list(evidence.LISTS), 1, 20, full):
        data = evidence.LISTS[kind](random.Random(f"{seed} {kind}"), size)
        assert not isinstance(with_profile(data), Trusted)
        hold_evidence(f"{kind}, {size}, {seed}", len(data) + len(who.der), partial(with_profile, data), meter)


@pytest.mark.parametrize("size", [2_000, 20_000])
def test_the_worst_chains_that_there_were_are_refused_within_their_allowance(size: int) -> None:
    """Each took more than a second, or a megabyte of words, for 20,000 bytes."""
    for kind in (
        "names below constraints: directoryName, empty",
        "names below constraints: registeredID",
        "names below constraints: otherName",
        "names below constraints: URI of one letter",
        "unknown critical extensions and many names",
        "paths: weakly signed",
        "keys: Diffie-Hellman of a huge prime",
        "keys: RSA of 3072 bits with a long exponent",
    ):
        for end in chains.ENDS:
            chain = chains.ended(chains.KINDS[kind](random.Random(f"{kind} {size}"), size), end)
            hold_judgement(f"{kind}, {size}, {end}", chain, Purpose.CLIENT, "private")
