"""Both peers' view of a handshake, in the order of the steps."""

from __future__ import annotations

import identities
from bothways.describe.steps import STEPS
from bothways.ladder.by_step import StepView, step_views
from watched import Talk, mutual


def acts(view: StepView) -> list[tuple[str, str]]:
    return [(line.side, line.act) for line in view.lines]


def test_a_mutual_handshake_does_every_step():
    """All ids; revocation says why it was not checked."""
    talk = mutual()
    talk.pair.client.send(b"question")
    talk.pair.server.send(b"answer")
    talk.pair.exchange()
    talk.pair.client.close()
    talk.pair.exchange()
    steps = talk.steps()
    assert list(steps) == list(STEPS)
    left_out = {id_ for id_, view in steps.items() if view.status == "not checked"}
    assert left_out == {"2.3c", "3.3c"}
    assert all(view.status == "done" for id_, view in steps.items() if id_ not in left_out)
    assert [line.text for line in steps["3.3c"].lines] == ["no source configured"]
    assert acts(steps["3.4"]) == [("server", "passed")]
    assert set(acts(steps["4.3"])) == {
        (side, act) for side in ("client", "server") for act in ("sent", "received")
    }
    assert [key.kind for key in steps["2.5"].keys] == ["session"]
    assert all(line.at >= 0 for view in steps.values() for line in view.lines)


def test_key_shares_are_shown_at_the_step_of_the_secret():
    """A hello serves two steps, and says at each what belongs there."""
    steps = mutual(versions=("1.3",)).steps()
    offered = next(line for line in steps["2.4"].lines if line.act == "sent")
    assert offered.detail == "key shares for x25519 (32 bytes)"
    hello = next(line for line in steps["1.1"].lines if line.act == "sent")
    assert hello.detail.startswith("TLS 1.3; suites TLS_AES_128_GCM_SHA256")
    assert hello.detail.endswith("for localhost")
    answered = [line.detail for line in steps["2.4"].lines if (line.side, line.act) == ("server", "sent")]
    assert answered == ["key share for x25519 (32 bytes)"]


def test_a_one_way_handshake_has_no_third_phase():
    """The server requested no certificate."""
    steps = Talk(identities.client_config(), identities.server_config(client_anchors=None)).steps()
    assert {view.status for id_, view in steps.items() if id_[0] == "3"} == {"not part of it"}
    assert {view.status for id_, view in steps.items() if id_[0] == "2"} == {"done", "not checked"}
    assert steps["3.1"].keys == ()


def test_a_refused_handshake_says_where_it_failed_and_what_was_not_reached():
    """A failed check is shown as such; later steps were not reached."""
    steps = Talk(
        identities.client_config(identities.client()), identities.server_config(), "elsewhere.example"
    ).steps()
    assert steps["2.3a"].status == "failed"
    assert acts(steps["2.3a"]) == [("client", "failed")]
    assert steps["3.1"].status == "not reached"
    assert steps["4.3"].status == "not reached"


def test_a_hello_retry_request_is_shown_by_its_name():
    """RFC 9846 4.2.4: a ServerHello by its type, a HelloRetryRequest by its random."""
    steps = Talk(
        identities.client_config(identities.client(), groups=("x25519", "secp256r1"), key_shares=("x25519",)),
        identities.server_config(groups=("secp256r1",)),
    ).steps()
    sent = [line for line in steps["1.2"].lines if (line.side, line.act) == ("server", "sent")]
    assert sent[0].text == "HelloRetryRequest"
    assert sent[0].detail == "TLS_AES_128_GCM_SHA256; requests a key share for secp256r1"
    share = [line.detail for line in steps["2.4"].lines if line.text == "HelloRetryRequest"]
    assert share[0] == "no key share yet"


def test_without_notes_no_step_is_reached():
    """An empty story has every step, and none was reached."""
    assert {view.status for view in step_views([], [])} == {"not reached"}
