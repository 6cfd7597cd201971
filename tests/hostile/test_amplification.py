"""Messages and records of a stranger, and chains in a handshake, cost us no more than their allowance."""

from __future__ import annotations

import random

from hostile import chains, messages, messages_of_options
from hostile.allowance import COURSES, drawn_chain, draws, hold_talk
from hostile.talks import showing


def test_messages_and_records_of_a_stranger_cost_no_more_than_their_allowance(full: bool) -> None:
    """Hellos, requests, certificates, alerts and records of every kind, by both roles and in both versions."""
    for kind, size, seed, meter in draws(list(messages.KINDS), 11, 4, full):
        chance = random.Random(f"{seed} {kind} {size}")
        hold_talk(f"{kind}, {size}, {seed}", messages.KINDS[kind](chance, size), meter)


def test_messages_about_what_was_agreed_on_cost_no_more_than_their_allowance(full: bool) -> None:
    """Encrypted ClientHellos and their configurations, certificate types, tickets."""
    for kind, size, seed, meter in draws(list(messages_of_options.KINDS), 3, 4, full):
        chance = random.Random(f"{seed} {kind} {size}")
        hold_talk(f"{kind}, {size}, {seed}", messages_of_options.KINDS[kind](chance, size), meter)


def test_chains_shown_in_a_handshake_cost_no_more_than_their_allowance(full: bool) -> None:
    """As above, but signed for by the key of the leaf: reading, the proof, the judgement and the error's words."""
    for number, (kind, size, seed, meter) in enumerate(draws(list(chains.KINDS), 3, 4, full)):
        course, sender = COURSES[number % len(COURSES)]
        chain = drawn_chain(kind, min(size, 40_000), seed)
        hold_talk(f"{kind}, {size}, {seed}, {course}", showing(chain, sender, course), meter)
