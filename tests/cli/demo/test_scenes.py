"""Each scene of the demo, both sides' view of it; and the devices that stand between them."""

from __future__ import annotations

import pytest

from bothways import Caution, PeerAlert, PeerFault
from bothways.cli.demo.identities import DemoIdentities, issue_identities
from bothways.cli.demo.scenes import (
    ANSWER,
    REQUEST,
    SCENES,
    Play,
    Scene,
    SceneSide,
    mutual,
    one_way,
    stapled,
    tolerated,
)

pytestmark = pytest.mark.network


@pytest.fixture(scope="module")
def people() -> DemoIdentities:
    return issue_identities()


@pytest.mark.parametrize(
    ("run", "client"), [(mutual, "Ada Lovelace"), (one_way, "an anonymous client"), (stapled, "Ada Lovelace")]
)
def test_both_sides_talk_when_nothing_is_wrong(people, run, client):
    """Mutual, one-way, and with the staples of both."""
    play = run(people)
    assert (play.client.error, play.server.error) == (None, None)
    assert (play.server.received, play.client.received) == (REQUEST, ANSWER)
    assert (play.client.facts["peer"], play.server.facts["peer"]) == ("bank.example", client)


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.title)
def test_a_scene_is_refused_by_the_right_side_and_the_other_is_told(people, scene: Scene):
    """Who, at which step, by which rule, with which alert as seen by both."""
    play = scene.run(people)
    assert scene.is_as_expected(play), (play.client.error, play.server.error)
    refusing, refused = play.client.error, play.server.error
    if scene.refused_by == "server":
        refusing, refused = refused, refusing
    assert isinstance(refusing, PeerFault)
    assert isinstance(refused, PeerAlert)
    assert refusing.rule.startswith("RFC ")
    assert scene.step.startswith(refused.step) or scene.step in ("1.2", "4.2")
    assert ANSWER not in (play.client.received, play.server.received)


def test_a_scene_that_ends_otherwise_is_not_as_expected(people):
    """A demo that could not fail would show nothing."""
    assert not SCENES[0].is_as_expected(mutual(people))
    assert not SCENES[0].is_as_expected(SCENES[1].run(people))
    assert not SCENES[0].is_as_expected(Play(SceneSide(), SceneSide()))


def test_a_responder_that_is_down_is_accepted_only_where_that_is_said(people):
    """The server lets the client in, and is warned."""
    play = tolerated(people)
    assert (play.client.received, play.client.error, play.server.error) == (ANSWER, None, None)
    assert play.server.warnings == [str(Caution.REVOCATION_UNKNOWN)] and play.client.warnings == []


def test_everyone_in_the_demo_is_made_anew():
    """Nothing is kept between runs."""
    one, other = issue_identities(), issue_identities()
    assert one.root != other.root
    assert [name for name, _ in one.everyone()] == ["root", "intermediate", "server", "client"]
