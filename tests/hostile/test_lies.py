"""Conversations in which options meet and one side lies: the same answer everywhere, and nobody taken for another."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from hostile import (
    lies_at_random,
    lies_of_answers,
    lies_of_encryption,
    lies_of_keys,
    lies_of_parameters,
    lies_of_tls12,
    scenes,
)
from hostile.endings import ended_well
from hostile.lies import Lie
from hostile.sessions import Showing, Shown
from tls.handshake.test_nothing_outlives_the_end import drawing, ends, holds_nothing

LIES: dict[str, list[Lie]] = {
    "keys": lies_of_keys.LIES,
    "answers": lies_of_answers.LIES,
    "parameters": lies_of_parameters.LIES,
    "encryption": lies_of_encryption.LIES,
    "TLS 1.2": lies_of_tls12.LIES,
    "anything": lies_at_random.LIES,
}
# Of a sample each lie in that share of the runs.
SHARE = 0.5


@pytest.mark.parametrize("about", LIES)
def test_a_lie_gets_its_answer_whatever_else_was_agreed_on(about: str, full: bool) -> None:
    """The alert of the RFC or none, no defect, no data before the judgement, nothing of somebody else in the store."""
    for number, lie in enumerate(LIES[about]):
        chance = random.Random(f"{about} {number}")
        if full or chance.random() < SHARE:
            for seed in range(40 if full else 1):
                lie.check(random.Random(f"{lie} {seed}"))


@pytest.mark.parametrize("part", range(2))
def test_options_that_meet_are_borne(part: int, full: bool) -> None:
    """Where nobody lies, both sides are established, resumed and named as the scene says."""
    for number in range(1000 if full else 30):
        scene = scenes.drawn(random.Random(f"{part} {number}"))
        talk = scene.play()
        ended_well(talk)
        is_open = talk.client.established and talk.server.established
        assert is_open == scenes.succeeds(scene), f"{scene}: {talk.client.failure}, {talk.server.failure}"
        assert not is_open or talk.client.resumed == talk.server.resumed == scene.resumed, str(scene)


def test_no_session_gives_more_than_a_full_handshake_would_here_and_now(full: bool) -> None:
    """Another host, policy, name, time or holder: resumed is who would have come in, and as the same."""
    shown = Counter[Shown | None]()
    for seed in range(8000 if full else 120):
        shown[Showing(random.Random(seed)).play()] += 1
    assert shown[Shown(True, True)] > 15 and shown[Shown(True, False)] > 30, shown


def test_clients_that_share_a_store_use_no_session_of_another_identity_or_trust(full: bool) -> None:
    """Other credentials, pins, protocols, names: a session is used by whom it belongs to, or not at all."""
    shown = Counter[Shown | None]()
    for seed in range(4000 if full else 60):
        shown[Showing(random.Random(f"shared {seed}")).share()] += 1
    assert shown[Shown(True, True)] > 10 and shown[Shown(True, False)] > 5, shown


def test_nothing_secret_is_left_of_a_lie(full: bool) -> None:
    """Of the keys of either side, of PSKs and of what decrypts a ClientHello, whatever ended the connection."""
    every = [lie for those in LIES.values() for lie in those]
    chosen = every if full else random.Random(1).sample(every, 12)
    count = 0
    for lie in chosen:
        with drawing() as drawn:
            talk = lie.played(random.Random(str(lie)))
            for end in (talk.client, talk.server):
                end.receive_eof()
        count += len(drawn.values)
        holds_nothing(drawn, *ends(talk))
    assert count > len(chosen), "there were hardly any secrets"
